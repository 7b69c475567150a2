"""Locations of inputs and results, and the names of what belongs together."""

from __future__ import annotations

from pathlib import Path

import pytest

from configs.locations import (
    FLAT_SUFFIXES,
    LEVELS,
    SCHEMES,
    as_location,
    has_unprintable,
    inside,
    is_address,
    is_level,
    level_of,
    metadata_of,
    names_of,
    own_path,
    parent_and_name,
    printable,
    report_of,
    split_address,
    stem_of,
)
from configs.settings import Settings
from tasks.batch.sources import find_sources


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("s3://b", ("s3", "b", "")),
        ("s3://b/", ("s3", "b", "")),
        ("s3://b/in/a.mp4", ("s3", "b", "in/a.mp4")),
        ("s3://b/in/", ("s3", "b", "in")),
        ("s3://b/a b/ü", ("s3", "b", "a b/ü")),
    ],
)
def test_an_address_has_a_scheme_a_bucket_and_a_key(text: str, parts: tuple[str, ...]) -> None:
    assert split_address(text) == parts
    assert is_address(text)
    assert as_location(text) == text.rstrip("/")


@pytest.mark.parametrize("text", ["s3://", "s3:///a", "s3://b//a", "s3://b/../a", "s3://b/./a"])
def test_an_address_with_an_empty_part_or_one_that_climbs_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="an address reads s3://bucket/key"):
        split_address(text)


@pytest.mark.parametrize("scheme", ["gs", "https", "S3", ""])
def test_an_unknown_scheme_is_told_with_those_that_are_known(scheme: str) -> None:
    with pytest.raises(ValueError, match=rf"{scheme}:// is no known kind .* s3://bucket/key"):
        split_address(f"{scheme}://b/a")
    assert scheme not in SCHEMES


@pytest.mark.parametrize("text", ["a.mp4", "s3:/b/a", "/in/a:b.mp4"])
def test_all_else_is_a_path(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert not is_address(text)
    assert as_location(text) == tmp_path / text
    assert as_location(Path(text)) == tmp_path / text


def test_only_a_tilde_by_itself_is_the_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert (as_location("~"), as_location("~/a.mp4")) == (tmp_path, tmp_path / "a.mp4")
    monkeypatch.chdir(tmp_path)
    assert as_location("~film.mp4") == as_location("./~film.mp4") == tmp_path / "~film.mp4"
    assert as_location("./~") == tmp_path / "~"
    assert own_path("~root/a") == Path("~root/a"), "whose home a shell writes out"
    assert [s.name for s in find_sources(["~film.mp4"], Settings())] == ["~film"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("tyre\n.mp4", r"tyre\n.mp4"),
        ("a\x1b[31mb", r"a\x1b[31mb"),
        ("a\x7f\x85", r"a\x7f\x85"),
        ("gpj.\u202ecod", r"gpj.\u202ecod"),  # shown as "gpj.doc" by what turns text round
        ("\u2028\u2029", r"\u2028\u2029"),
        ("bytes\udc80", r"bytes\udc80"),
    ],
)
def test_what_is_no_names_is_written_out(text: str, shown: str) -> None:
    assert has_unprintable(text)
    assert printable(text) == shown
    assert not has_unprintable(shown)


@pytest.mark.parametrize("text", ["", "Reifen Ü.mp4", "タイヤ", "a\u00a0b", "é", "\\n", "🛞\u200d"])
def test_names_in_any_script_stay_as_they_are(text: str) -> None:
    assert not has_unprintable(text)
    assert printable(text) == text


@pytest.mark.parametrize("folder", [Path("/o/x"), "s3://b/o"])
def test_a_name_in_a_folder_and_back(folder: str | Path) -> None:
    location = inside(folder, "a.x.glb")
    assert type(location) is type(folder) or isinstance(location, Path)
    assert parent_and_name(location) == (folder, "a.x.glb")
    beside = (metadata_of(location), report_of(location), level_of(location, "medium"))
    assert beside == tuple(inside(folder, f"a.x.{s}") for s in ("json", "html", "medium.glb"))


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("25x8.00-12", "25x8.00-12"),
        ("/in/25x8.00-14", "25x8.00-14"),
        ("clip.MP4", "clip"),
        ("a.b.mov", "a.b"),
        ("25x8.00-12.glb", "25x8.00-12"),
        ("s3://b/in/25x8.00-12", "25x8.00-12"),
        ("s3://b/in/a.x.mp4", "a.x"),
        ("a.txt", "a.txt"),
    ],
)
def test_only_suffixes_of_videos_and_meshes_are_cut_off(name: str, stem: str) -> None:
    assert stem_of(name) == stem
    assert stem_of(f"s3://b/{name.rpartition('/')[2]}") == stem


@pytest.mark.parametrize("atlas", [False, True])
def test_all_files_of_a_result_are_told_apart_and_only_levels_are_called_so(atlas: bool) -> None:
    names = names_of(Path("/o/a.x.glb"), atlas=atlas)
    assert names == names_of("s3://b/o/a.x.glb", atlas=atlas)
    assert names[:3] == ["a.x.glb", "a.x.json", "a.x.html"]
    assert len(set(names)) == len(names) == 3 + len(LEVELS) + atlas * len(FLAT_SUFFIXES)
    levels = [name for name in names if is_level(name)]
    assert levels == [f"a.x.{level}.glb" for level in LEVELS]
    assert is_level("A.PREVIEW.GLB")
    assert is_level("a.medium"), "a tyre of that name would take the place of a level"
    assert not is_level("medium.glb")
    assert not is_level("a.mediumm.glb")
