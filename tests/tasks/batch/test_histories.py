"""Which film shows which tyre: tables and names, right and wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from configs.settings import Settings
from tasks.batch.histories import Film, History, find_histories
from tasks.core.errors import InputError


def _found(source: Path) -> list[History]:
    return find_histories(source, Settings())


def _table(folder: Path, text: str) -> Path:
    path = folder / "films.csv"
    path.write_bytes(text.encode())
    return path


def test_names_tell_tyre_and_film_in_natural_order(tmp_path: Path) -> None:
    for name in ("fl_10.mp4", "fl_2.mov", "fl_new.mp4", "rear_left_b.mp4", "rear_left_a.mp4"):
        (tmp_path / name).write_bytes(b"0")
    (tmp_path / "notes.txt").write_text("not a film")
    left, rear = _found(tmp_path)
    assert left == History(
        "fl",
        (
            Film("new", tmp_path / "fl_new.mp4"),
            Film("2", tmp_path / "fl_2.mov"),
            Film("10", tmp_path / "fl_10.mp4"),
        ),
    )
    assert [film.label for film in left.later] == ["2", "10"]
    assert (rear.tyre, [film.label for film in rear.films]) == ("rear_left", ["a", "b"])
    assert rear.name_of(rear.films[1]) == "rear_left.b"


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_a_table_tells_them_as_spreadsheets_write_it(tmp_path: Path, delimiter: str) -> None:
    rows = [
        ("Tyre", "Film", "Label", "Operator"),
        ("fl", "a.mp4", "", "left hand"),
        ("fl", "/films/b.mp4", "stint 1", ""),
        ("fr", "s3://films/c.mp4", "", ""),
        ("fl", "b.glb", "", ""),
        ("fr", "d.mp4", "", ""),
        ("", "", "", ""),
    ]
    text = "\ufeff" + "\r\n".join(delimiter.join(row) for row in rows)
    assert _found(_table(tmp_path, text)) == [
        History(
            "fl",
            (
                Film("new", tmp_path / "a.mp4", "left hand"),
                Film("stint 1", Path("/films/b.mp4")),
                Film("2", tmp_path / "b.glb"),
            ),
        ),
        History("fr", (Film("new", "s3://films/c.mp4"), Film("1", tmp_path / "d.mp4"))),
    ]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "films-table"),
        ("tyre,film\n", "films-table"),
        ("name,video\na,b\n", "films-table"),
        ("tyre,film\na,\n", "films-table.*line 2 "),
        ("tyre,film\n\n\na,\n", "films-table.*line 4 "),
        ("tyre,film\na,b.mp4\n", "films-single"),
        ("tyre,film\na/b,b.mp4\na/b,c.mp4\n", "films-table"),
        ("tyre,film,label\na,b.mp4,x\na,c.mp4,X\n", "films-names"),
        ("tyre,film,label\na,b.mp4,0\na,c.mp4,1\na,d.mp4,1.damaged\n", "films-names"),
        ("tyre,film,label\na,b.mp4,0\na,c.mp4,1\na.1,d.mp4,damaged\na.1,e.mp4,2\n", "films-names"),
        ("tyre,film,label\na,b.mp4,0\na,c.mp4,0.atlas\n", "films-names"),
        ("tyre,film,label\na.b,b.mp4,c\na.b,b.mp4,d\na,c.mp4,b.c\na,c.mp4,e\n", "films-names"),
        ('tyre,film\n"a,b.mp4\n', "films-table"),
        ("tyre,film\na\u202eb,b.mp4\na\u202eb,c.mp4\n", "films-table"),
        (f"tyre,film\n{'a' * 61},b.mp4\n{'a' * 61},c.mp4\n", "films-table"),
        ("tyre,film\na,b.mp4\na,s3://bucket/\n", "films-table.*line 3.*whole bucket"),
        ("tyre,film\na,https://x/b.mp4\na,c.mp4\n", "films-table.*line 2.*no known kind"),
        (f"tyre,film,label\n{'a' * 60},b.mp4,\n{'a' * 60},c.mp4,{'b' * 60}\n", "films-table"),
        ("tyre,film,label\na,b.mp4,stint-1\na,c.mp4,New\n", "order of time"),
        ("tyre,film,label\na,b.mp4,new\na,c,d.mp4,1\n", "line 3 .* double quotes"),
        ("tyre,film,film\na,b.mp4,c.mp4\na,d.mp4,e.mp4\n", "one twice"),
        ('\n\ntyre,film\na,"b\nc.mp4"\n\na,\n', "line 7 "),
        ("tyre,film,label\na,b,new\na,c,1\na,d,1.damaged\n", "a file of a.1 is"),
        ("tyre,film,label\na,b,new\na,c,1\na.1,d,Change\na.1,e,2\n", "a file of a.1 is"),
        ("tyre,film,label\na,b,new\na,c,1\na,d,1.damaged.medium\n", "a file of a.1 is"),
    ],
)
def test_a_wrong_table_is_refused(tmp_path: Path, text: str, code: str) -> None:
    with pytest.raises(InputError, match=code):
        _found(_table(tmp_path, text))


def test_blank_lines_quotes_and_empty_cells_at_the_end_are_no_fault(tmp_path: Path) -> None:
    lines = ["", "tyre;film;;", "", '"a;1";"x ""y"".mp4";;', ";;;", '"a;1";z.mp4;;', ""]
    text = "\r\n".join(lines)
    (found,) = _found(_table(tmp_path, text))
    assert found.tyre == "a;1"
    assert [film.location for film in found.films] == [tmp_path / 'x "y".mp4', tmp_path / "z.mp4"]
    assert _found(_table(tmp_path, text.replace("\r\n", "\r"))) == [found]


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "films.csv"
    path.write_bytes(b"tyre,film\n\xff\xfe,a.mp4\n")
    with pytest.raises(InputError, match="films-table"):
        _found(path)
    with pytest.raises(InputError, match="films-table"):
        _found(tmp_path / "missing.csv")


@pytest.mark.parametrize("name", ["tyre.mp4", "_new.mp4", "fl_.mp4"])
def test_a_name_that_tells_no_tyre_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"0")
    (tmp_path / "fl_new.mp4").write_bytes(b"0")
    with pytest.raises(InputError, match="films-names"):
        _found(tmp_path)
