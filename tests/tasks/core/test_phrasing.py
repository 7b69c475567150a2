"""Sentences that hold a number."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tasks.core.phrasing import bearing, counted, in_seconds, moment, percent, signed

ROOT = Path(__file__).parents[3]
_COUNTS = re.compile(
    r"\s(?:frames|pictures|masks|cameras|films|tyres|comparisons|runs|requests|workers"
    r"|artifacts|files|tokens|warnings|seconds|minutes|hours|days)\b(?! at | already)"
)
"""What may be one; ``frames at`` names a preset, a server ``runs already``."""


@pytest.mark.parametrize(
    ("number", "words", "told"),
    [
        (0, ("frame",), "0 frames"),
        (1, ("frame",), "1 frame"),
        (2, ("frame",), "2 frames"),
        (1, ("mask lacks", "masks lack"), "1 mask lacks"),
        (3, ("mask lacks", "masks lack"), "3 masks lack"),
    ],
)
def test_one_is_no_plural(number: int, words: tuple[str, ...], told: str) -> None:
    assert counted(number, *words) == told


@pytest.mark.parametrize(
    ("value", "told"),
    [(-0.004, "0.00"), (0.004, "0.00"), (-0.0, "0.00"), (-0.005001, "-0.01"), (1.5, "+1.50")],
)
def test_what_rounds_to_nothing_has_no_sign(value: float, told: str) -> None:
    assert signed(value) == told


@pytest.mark.parametrize(
    ("angle", "told", "as_an_end"),
    [
        (0.2, "0°", "360°"),
        (-0.1, "0°", "360°"),
        (359.9, "0°", "360°"),
        (410.0, "50°", "50°"),
        (-90.0, "270°", "270°"),
    ],
)
def test_no_direction_is_a_whole_turn(angle: float, told: str, as_an_end: str) -> None:
    assert bearing(angle) == told
    assert bearing(angle, ends=True) == as_an_end


def test_times_and_shares_are_told_as_people_write_them() -> None:
    assert moment("2026-11-30T22:19:42+01:00") == "2026-11-30 21:19 UTC"
    assert moment("some day") == "some day"
    assert percent(0.954) == "95\N{NO-BREAK SPACE}%"
    assert [in_seconds(s) for s in (0.125, 7.0, None)] == ["0.12", "7.00", "\N{EN DASH}"]


@pytest.mark.parametrize("package", ["flows", "tasks"])
def test_changes_are_told_by_one_function(package: str) -> None:
    """A format with a sign of its own tells a change of -0.00 mm."""
    texts = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sorted((ROOT / package).rglob("*.py"))
        if not {"evaluation", "poses"} & set(path.parts) and path.name != "words.py"
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(r":\+\d*\.\df|\"\+\.\df\"", line)
    ]
    assert texts == []


def _before_plurals(path: Path) -> list[str]:
    """Texts in which a plural follows what is put in: where that is 1, they are wrong."""
    texts = (
        n.values for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.JoinedStr)
    )
    return [
        f"{path.relative_to(ROOT)}:{after.lineno}: {after.value}"
        for values in texts
        for before, value, after in zip([None, *values], values, values[1:], strict=False)
        if isinstance(value, ast.FormattedValue)
        and isinstance(after, ast.Constant)
        and _COUNTS.match(str(after.value))
        and not (isinstance(before, ast.Constant) and _BOUNDED.fullmatch(str(before.value)))
    ]


_BOUNDED = re.compile(r"(?:none)? ?of (?:the )?|.*\bat (?:most|least) ", re.IGNORECASE | re.DOTALL)
"""Words before a number that is a total or a limit, and never 1 in earnest."""


@pytest.mark.parametrize("package", ["configs", "deployments", "flows", "tasks", "tsr"])
def test_no_sentence_puts_a_plural_behind_any_number(package: str) -> None:
    users = [
        path
        for path in sorted((ROOT / package).rglob("*.py"))
        if not {"evaluation", "synthetic", "training"} & set(path.parts)
    ]
    assert [line for path in users for line in _before_plurals(path)] == []
