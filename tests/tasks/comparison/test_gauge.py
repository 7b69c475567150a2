"""Gauge studies against a published one, and against spreads that were put in."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.comparison.gauge import gauge_study
from tasks.core.errors import InputError

# AIAG, Measurement Systems Analysis, 4th edition, table III-B 1: three appraisers, ten parts.
AIAG = {
    "A": [
        [0.29, -0.56, 1.34, 0.47, -0.80, 0.02, 0.59, -0.31, 2.26, -1.36],
        [0.41, -0.68, 1.17, 0.50, -0.92, -0.11, 0.75, -0.20, 1.99, -1.25],
        [0.64, -0.58, 1.27, 0.64, -0.84, -0.21, 0.66, -0.17, 2.01, -1.31],
    ],
    "B": [
        [0.08, -0.47, 1.19, 0.01, -0.56, -0.20, 0.47, -0.63, 1.80, -1.68],
        [0.25, -1.22, 0.94, 1.03, -1.20, 0.22, 0.55, 0.08, 2.12, -1.62],
        [0.07, -0.68, 1.34, 0.20, -1.28, 0.06, 0.83, -0.34, 2.19, -1.50],
    ],
    "C": [
        [0.04, -1.38, 0.88, 0.14, -1.46, -0.29, 0.02, -0.46, 1.77, -1.49],
        [-0.11, -1.13, 1.09, 0.20, -1.07, -0.67, 0.01, -0.56, 1.45, -1.77],
        [-0.15, -0.96, 0.67, 0.11, -1.45, -0.49, 0.21, -0.49, 1.87, -2.16],
    ],
}


def _aiag() -> dict[tuple[str, str], list[float]]:
    return {
        (f"part {k}", who): [trial[k] for trial in trials]
        for who, trials in AIAG.items()
        for k in range(10)
    }


def test_the_published_example_is_met() -> None:
    study = gauge_study(_aiag(), tolerance=10.0)
    # its table III-B 7: the interaction is not significant and is pooled
    assert study.repeatability == pytest.approx(0.199933, abs=2e-6)
    assert study.reproducibility == pytest.approx(0.226838, abs=2e-6)
    assert study.gauge == pytest.approx(0.302373, abs=2e-6)
    assert study.parts == pytest.approx(1.042327, abs=2e-6)
    assert study.categories == 4
    assert study.share_of_tolerance == pytest.approx(6 * 0.302373 / 10, abs=1e-5)
    assert study.verdict == "usable"
    assert (study.num_parts, study.operators, study.measurements) == (10, ("A", "B", "C"), 90)


@pytest.mark.parametrize("films", [(4, 4), (3, 5)])
def test_spreads_that_were_put_in_are_found(films: tuple[int, int]) -> None:
    rng = np.random.default_rng(5)
    offset = {"left": -0.25, "right": 0.25}  # a standard deviation of 0.354 between two
    values = {
        (f"{k}", who): list(part + offset[who] + 0.1 * rng.standard_normal(count))
        for k, part in enumerate(2.0 * rng.standard_normal(60))
        for who, count in zip(offset, films, strict=True)
    }
    study = gauge_study(values, tolerance=1.0)
    assert study.repeatability == pytest.approx(0.1, rel=0.1)
    assert study.reproducibility == pytest.approx(0.5 / 2**0.5, rel=0.05)
    assert study.parts == pytest.approx(2.0, rel=0.2)
    assert study.verdict == "unfit"


def test_an_interaction_that_is_sure_counts_as_reproducibility() -> None:
    rng = np.random.default_rng(6)
    values = {
        (f"{k}", who): list(rng.standard_normal() + 0.01 * rng.standard_normal(3))
        for k in range(30)
        for who in "ab"
    }
    study = gauge_study(values, tolerance=1.0)
    assert study.repeatability == pytest.approx(0.01, rel=0.2)
    assert study.reproducibility == pytest.approx(1.0, rel=0.3)


def test_one_operator_tells_repeatability_alone() -> None:
    study = gauge_study({("a", ""): [1.0, 1.2], ("b", ""): [3.0, 3.2]}, tolerance=1.0)
    assert study.repeatability == pytest.approx(0.2 / 2**0.5)
    assert study.reproducibility == 0.0
    assert study.freedom == 2


@pytest.mark.parametrize(
    "values",
    [
        {("a", "x"): [1.0, 1.1], ("b", "y"): [1.0, 1.1]},
        {("a", "x"): [1.0], ("b", "x"): [1.0]},
    ],
)
def test_what_is_no_study_is_refused(values: dict[tuple[str, str], list[float]]) -> None:
    with pytest.raises(InputError, match="gauge-films"):
        gauge_study(values, tolerance=1.0)
