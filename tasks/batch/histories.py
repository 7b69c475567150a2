"""Films of the same tyres over time: which film shows which tyre, and which is its first.

They are listed in a table (CSV), or their names tell: ``TYRE_LABEL.mp4``.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from configs.comparison import COMPARED_SUFFIXES
from configs.locations import (
    as_location,
    has_unprintable,
    inside,
    is_address,
    names_of,
    own_path,
    parent_and_name,
    stem_of,
)
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

    def files_of(self, film: Film) -> list[str]:
        """The names of all files that a film leaves: its result's, its comparison's, or both."""
        name = self.name_of(film)
        if film == self.films[0]:
            return names_of(f"{name}.glb", atlas=True)
        compared = [f"{name}{suffix}" for suffix in COMPARED_SUFFIXES]
        return [*compared, *names_of(f"{name}.damaged.glb", atlas=True)]


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
    files = Counter(
        name.lower() for h in histories for film in h.films for name in h.files_of(film)
    )
    twice = [name for name, count in files.items() if count > 1]
    if twice:
        raise _refused(
            "films-names",
            f"files of two films would be called {twice[0]}",
            "Give each film of a tyre a label of its own",
        )
    return histories


def _of_table(source: Path | str, settings: Settings) -> dict[str, list[Film]]:
    folder, name = parent_and_name(source)
    content = open_storage(folder, settings).get(name)
    if content is None:
        raise _refused("films-table", f"{source} does not exist", "Check the path")
    try:
        text = content.decode("utf-8-sig")  # as spreadsheets write it
        delimiter = ";" if ";" in text.partition("\n")[0] else ","
        rows = list(csv.DictReader(io.StringIO(text), delimiter=delimiter, strict=True))
    except (UnicodeDecodeError, csv.Error) as exc:
        raise _refused("films-table", f"{source} is no table ({exc})", "Save it as CSV") from exc
    known = [str(column).strip().lower() for column in (rows[0] if rows else ())]
    if not rows or any(column not in known for column in _NEEDED):
        raise _refused(
            "films-table",
            f"{source} lacks rows, or the columns {' and '.join(_NEEDED)}",
            f"Its first line reads: {','.join(_COLUMNS)}",
        )
    films: dict[str, list[Film]] = {}
    for number, row in enumerate(rows, 2):
        cells = {str(k).strip().lower(): str(v or "").strip() for k, v in row.items()}
        if not any(cells.values()):
            continue
        if not all(cells[column] for column in _NEEDED):
            raise _refused(
                "films-table", f"line {number} of {source} names no tyre or no film", "Mend it"
            )
        mine = films.setdefault(cells["tyre"], [])
        label = cells.get("label") or (str(len(mine)) if mine else _FIRST)
        location = _from(folder, cells["film"])
        mine.append(Film(label, location, cells.get("operator", "")))
    return films


def _from(folder: Path | str, text: str) -> Path | str:
    """A film of a table: an address, an absolute path, or a path from where the table lies."""
    if is_address(text) or own_path(text).is_absolute():
        return as_location(text)
    location = inside(folder, text)
    return location if isinstance(location, str) else as_location(location)


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
    return History(tyre, tuple(films))


def _refused(code: str, what: str, advice: str) -> InputError:
    return InputError(code, stage="compare", what=what, advice=advice)
