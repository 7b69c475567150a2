"""Middle and spread of a distribution, whatever a few values say."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tasks.surface.robust import finite_median, robust_sd

VALUES = np.random.default_rng(0).normal(5.0, 2.0, 20_000)


def test_it_is_the_standard_deviation() -> None:
    assert robust_sd(VALUES) == pytest.approx(2.0, rel=0.03)


def test_values_far_off_and_none_do_not_count() -> None:
    assert robust_sd(np.append(VALUES, [1e6] * 200 + [np.nan] * 200)) == pytest.approx(2, rel=0.04)


def test_deviations_may_count_from_elsewhere() -> None:
    assert robust_sd(np.full(9, 3.0), about=1.0) == pytest.approx(2.0 * 1.4826)


def test_a_median_is_of_the_finite_values() -> None:
    assert finite_median([math.nan, 3.0, math.inf, 1.0]) == 2.0
    assert math.isnan(finite_median([math.nan]))
    assert math.isnan(finite_median([]))
