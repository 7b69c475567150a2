"""Names in the code are standard words of the field, not words of our own beside them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("bench", "configs", "deployments", "flows", "tasks", "tsr")

REJECTED = {
    "asked": "requested",
    "bare": "what is missing: unmounted, unprefixed",
    "carve": "visual_hull",
    "even": "uniform, textureless, smoothed",
    "faint": "low_contrast, saturation, small",
    "fault": "failure, error, defect",
    "faults": "failures, errors, defects",
    "held": "lock, handheld, fixed",
    "patiently": "retry_while_unavailable",
    "picture": "image, frame, rendering, texture",
    "pictured": "shown",
    "pictures": "images, frames, renderings, textures",
    "place": "location, position, point, rectangle",
    "places": "locations, positions, points, rectangles",
    "revolve": "symmetry",
    "spread": "std, deviation, variance, range, robust_scale",
    "tell": "report, emit, send, show",
    "tie": "connect",
    "told": "message, metadata, record",
    "wanted": "requested, required, expected",
}
"""Words that no name in the packages has as a part, and what says the same."""

_KEYS_OF_REPORTS = "key of a report's stored content, which its template reads"
_HELD_OUT = "held-out data are a standard term"
ALLOWED = {
    "UploadWanted": "name of a type in the API's description, which clients generated from it have",
    "choose_held_out": _HELD_OUT,
    "even": "of two halves of the frames, the even and the odd ones",
    "held_out": _HELD_OUT,
    "held_out_views": _HELD_OUT,
    "_held_out": _HELD_OUT,
    "picture": _KEYS_OF_REPORTS,
    "place_tyre": "a verb",
    "scale_spread_percent": "figure of the metadata and parameter that users set",
    "tell": "method of a file",
}
"""Names that have such a part all the same, each with its reason."""

WHERE = {
    "even": "tasks/verdict/",
    "picture": "tasks/report/",
    "tell": "tasks/video/completeness.py",
}
"""Where alone a common name is allowed."""


def _parts(name: str) -> set[str]:
    """The words of a name: ``_MeanPicture`` has mean and picture."""
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name)
    return {word.lower() for word in words.split("_")}


def _names(tree: ast.AST) -> Iterator[str]:
    """Names of variables, attributes, arguments, functions, classes and what is imported."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.ClassDef(name=name) | ast.ExceptHandler(name=str(name)):
                yield name
            case ast.keyword(arg=str(name)):
                yield name
            case ast.alias(name=name, asname=alias):
                yield from (alias or name).split(".")
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield name


def _is_rejected(name: str) -> bool:
    return not _parts(name).isdisjoint(REJECTED)


def _rejected(text: str) -> set[str]:
    return {name for name in _names(ast.parse(text)) if _is_rejected(name)}


def test_names_are_standard_words() -> None:
    found, used = [], set()
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            where = str(path.relative_to(ROOT))
            names = _rejected(path.read_text())
            names |= {part for part in Path(where).with_suffix("").parts if _is_rejected(part)}
            allowed = {n for n in names & set(ALLOWED) if where.startswith(WHERE.get(n, ""))}
            used |= allowed
            found += [f"{where}: {name}" for name in sorted(names - allowed)]
    assert found == [], "say it by a standard word: see REJECTED"
    assert used == set(ALLOWED), "an exception that nothing needs any more"


def test_parts_of_names_are_seen() -> None:
    text = "def _tell_of(MeanPicture, *, told_first): x.face_places = uneven(spreadsheet, y=1)"
    assert _rejected(text) == {"_tell_of", "MeanPicture", "told_first", "face_places"}
    assert _rejected("import a.pictures as p\nf(spread=1)\n") == {"spread"}
