"""Films of the same tyres over time: which film shows which tyre, and which is its first.

They are listed in a table (CSV), or their names tell: ``TYRE_LABEL.mp4``.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from configs.comparison import ComparisonStage
from configs.locations import (
    LEVELS,
    as_location,
    has_unprintable,
    inside,
    is_address,
    own_path,
    parent_and_name,
    split_address,
    stem_of,
)
from configs.request import MAX_NAME
from configs.settings import Settings
from tasks.batch.sources import find_sources
from tasks.core.errors import InputError
from tasks.storage.inputs import natural_order
from tasks.storage.open import open_storage

TABLE_SUFFIX = ".csv"
_COLUMNS = ("tyre", "film", "label", "operator")
_NEEDED = _COLUMNS[:2]
_FIRST = "new"
"""The label that comes first where names tell."""
_NAME = re.compile(r"[^/\\]{1,60}")
_BESIDE = (".change", ".placed", ".damaged", ".atlas", *(f".{level}" for level in LEVELS))
"""What a film's files beside those of its name are called."""


@dataclass(frozen=True)
class Film:
    """A film, or the result of one, of a tyre.

    Args:
        label: What tells it from the tyre's other films, such as ``new`` or ``stint-2``.
        location: A video, a folder of frames, or the GLB of a finished run.
        operator: Who filmed it, or with what; empty where nobody said.
    """

    label: str
    location: Path | str
    operator: str = ""


@dataclass(frozen=True)
class History:
    """The films of one tyre in order; the first is what the others are compared with."""

    tyre: str
    films: tuple[Film, ...]

    @property
    def later(self) -> tuple[Film, ...]:
        """All films but the first."""
        return self.films[1:]

    def name_of(self, film: Film) -> str:
        """What the files of a film, or of its comparison, are called."""
        return f"{self.tyre}.{film.label}"


def find_histories(source: Path | str, settings: Settings) -> list[History]:
    """The tyres that a table or a folder names, each with its films in order.

    A table has the columns ``tyre`` and ``film``, and if wanted ``label`` and ``operator``; a
    tyre's rows are in the order of time, and paths are taken from where the table lies. In a folder
    (or below a prefix in S3) a film is called ``TYRE_LABEL``: the part after the last ``_`` is the
    label; ``new`` comes first, the others in natural order.

    Args:
        source: The table, the folder, or the address of either.
        settings: How S3 is reached.

    Raises:
        InputError: ``films-table``, ``films-names``, ``films-single``, and those of
            :func:`~tasks.batch.sources.find_sources`.
    """
    named = parent_and_name(source)[1].lower().endswith(TABLE_SUFFIX)
    films = _of_table(source, settings) if named else _of_names(source, settings)
    histories = [_history(tyre, found) for tyre, found in films.items()]
    single = [h.tyre for h in histories if not h.later]
    if single:
        raise _refused(
            "films-single",
            f"there is only one film of {', '.join(single)}",
            "Add the film that it is to be compared with, or take the tyre out",
        )
    names = Counter(h.name_of(film).lower() for h in histories for film in h.films)
    twice = [name for name, count in names.items() if count > 1]
    if twice:
        raise _refused(
            "films-names",
            f"the files of two films would be called {twice[0]}",
            "Give each film of a tyre a label of its own",
        )
    for name in names:
        whose = name
        while whose.endswith(_BESIDE):
            whose = whose.rpartition(".")[0]
            if whose in names:
                raise _refused(
                    "films-names",
                    f"{name} is what a file of {whose} is called",
                    "Choose another label: one that does not go on from another after a point",
                )
    return histories


def _of_table(source: Path | str, settings: Settings) -> dict[str, list[Film]]:
    folder, name = parent_and_name(source)
    content = open_storage(folder, settings).get(name)
    if content is None:
        raise _refused("films-table", f"{source} does not exist", "Check the path")
    films: dict[str, list[Film]] = {}
    for number, cells in _rows_of(source, content):
        if not all(cells[column] for column in _NEEDED):
            raise _refused(
                "films-table", f"line {number} of {source} names no tyre or no film", "Mend it"
            )
        mine = films.setdefault(cells["tyre"], [])
        label = cells["label"] or (str(len(mine)) if mine else _FIRST)
        try:
            location = _from(folder, cells["film"])
        except ValueError as exc:
            what = f"line {number} of {source}: {cells['film']}: {exc}"
            raise _refused("films-table", what, "Mend the address") from exc
        if mine and label.lower() == _FIRST:
            raise _refused(
                "films-table",
                f"line {number} of {source} has the new {cells['tyre']} after another film of it, "
                "but a tyre's first film is what the others are compared with",
                "List a tyre's films in the order of time, or give this one another label",
            )
        mine.append(Film(label, location, cells["operator"]))
    return films


def _rows_of(source: Path | str, content: bytes) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a table that hold something: number of the line, and cells by column."""
    try:
        text = content.decode("utf-8-sig")  # as spreadsheets write it
        delimiter = ";" if ";" in "".join(text.strip().splitlines()[:1]) else ","
        table = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        lines = [(table.line_num, [cell.strip() for cell in row]) for row in table if any(row)]
    except (UnicodeDecodeError, csv.Error) as exc:
        raise _refused(
            "films-table", f"{source} is no table ({exc})", "Save it as CSV, in UTF-8"
        ) from exc
    columns = [cell.lower() for cell in lines[0][1]] if lines else []
    twice = any(columns.count(column) > 1 for column in _COLUMNS)
    if len(lines) < 2 or twice or any(column not in columns for column in _NEEDED):
        raise _refused(
            "films-table",
            f"{source} lacks rows, or the columns {' and '.join(_NEEDED)}, or has one twice",
            f"Its first line reads: {','.join(_COLUMNS)}",
        )
    for number, cells in lines[1:]:
        if any(cells[len(columns) :]):  # a comma in a name moves all that follows
            raise _refused(
                "films-table",
                f"line {number} of {source} has more cells than its first line",
                f"Put a name that holds a {delimiter!r} in double quotes",
            )
        if any(cells):
            yield number, dict.fromkeys(_COLUMNS, "") | dict(zip(columns, cells, strict=False))


def _from(folder: Path | str, text: str) -> Path | str:
    """A film of a table: an address, an absolute path, or a path from where the table lies.

    Raises:
        ValueError: It is an address that names nothing.
    """
    named = is_address(text) or own_path(text).is_absolute()
    location = text if named else inside(folder, text)
    if is_address(str(location)) and not split_address(str(location))[2]:
        raise ValueError("it names a whole bucket")
    return as_location(location)


def _of_names(source: Path | str, settings: Settings) -> dict[str, list[Film]]:
    films: dict[str, list[Film]] = {}
    for each in find_sources([str(source)], settings):
        tyre, _, label = stem_of(each.uri).rpartition("_")
        if not tyre or not label:
            raise _refused(
                "films-names",
                f"the name {stem_of(each.uri)} does not tell tyre and film",
                "Call films TYRE_new, TYRE_1, TYRE_2, or list them in a CSV with the columns "
                f"{', '.join(_NEEDED)}",
            )
        films.setdefault(tyre, []).append(Film(label, each.location))
    for found in films.values():
        found.sort(key=lambda film: (film.label.lower() != _FIRST, natural_order(film.label)))
    return films


def _history(tyre: str, films: Sequence[Film]) -> History:
    """A tyre's history, once its names can be those of files."""
    for name in (tyre, *(film.label for film in films)):
        if has_unprintable(name) or not _NAME.fullmatch(name):
            raise _refused(
                "films-table",
                f"{name!a} cannot be part of a file's name",
                "Use up to 60 characters without slashes",
            )
    history = History(tyre, tuple(films))
    for name in map(history.name_of, films):
        if len(name) > MAX_NAME:
            raise _refused(
                "films-table",
                f"{name!a} is too long for a file's name",
                f"Use up to {MAX_NAME} characters for tyre and label together",
            )
    return history


def _refused(code: str, what: str, advice: str) -> InputError:
    return InputError(code, stage=ComparisonStage.COMPARE, what=what, advice=advice)
