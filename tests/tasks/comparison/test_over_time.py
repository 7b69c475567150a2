"""Comparisons over time: what of them makes a gauge study."""

from __future__ import annotations

import pytest

from tasks.comparison.over_time import Comparison, gauge_of
from tasks.core.errors import InputError


def _compared(label: str, mean: float, digest: str, verdict: str = "changed") -> Comparison:
    zones = [{"name": "centre", "mean_change_mm": mean}]
    return Comparison(
        f"fl.{label}", "fl", label, "x.mp4", "", "completed", verdict, [], zones,
        against="new", sha256=["0", digest],
    )  # fmt: skip


def test_what_cannot_be_compared_does_not_count() -> None:
    films = [_compared("1", 0.0, "a"), _compared("2", 0.1, "b")]
    refused = _compared("3", 9.0, "c", "cannot compare")
    assert gauge_of([*films, refused], 1.0).measurements == 2


@pytest.mark.parametrize(("digest", "names"), [("a", "fl.1 and fl.2"), ("0", "fl.new and fl.2")])
def test_a_film_counts_once(digest: str, names: str) -> None:
    """Else any film, listed twice, would be repeated to zero millimetres."""
    films = [_compared("1", 0.0, "a"), _compared("2", 0.0, digest), _compared("3", 0.1, "c")]
    with pytest.raises(InputError, match=rf"gauge-films.*{names} are the same film"):
        gauge_of(films, 1.0)


def test_one_film_beside_the_first_is_too_few() -> None:
    with pytest.raises(InputError, match="beside the film that the others are compared with"):
        gauge_of([_compared("1", 0.0, "a")], 1.0)
