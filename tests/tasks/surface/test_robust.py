"""Middle and spread of a distribution, whatever a few values say."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tasks.surface.robust import finite_median, random_effects_sd, robust_sd

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


def test_groups_that_agree_are_as_certain_as_all_their_values() -> None:
    groups = [np.tile([2.0, -2.0], 200)] * 3
    assert random_effects_sd(groups) == pytest.approx(2.0 / math.sqrt(1200), rel=0.01)
    assert random_effects_sd(groups[:1]) == pytest.approx(2.0 / math.sqrt(400), rel=0.01)


def test_what_groups_disagree_by_counts_however_many_values_they_have() -> None:
    """The means of n groups with a shared error of sd s are known to s / sqrt(n)."""
    rng = np.random.default_rng(2)
    found = [
        random_effects_sd([e + rng.normal(0.0, 0.1, 500) for e in rng.normal(0.0, 3.0, 8)])
        for _ in range(200)
    ]
    assert np.sqrt(np.mean(np.square(found))) == pytest.approx(3.0 / math.sqrt(8), rel=0.05)


def test_a_group_of_noise_takes_nothing_from_a_sharp_one() -> None:
    sharp, noise = np.tile([0.1, -0.1], 50), 1.0 + np.tile([9.0, -9.0], 6)
    alone = random_effects_sd([sharp])
    assert random_effects_sd([sharp, noise]) == pytest.approx(alone, rel=0.01)


def test_groups_without_spread_and_no_groups() -> None:
    assert random_effects_sd([np.ones(3), 3.0 + np.ones(3)]) == pytest.approx(1.5, rel=1e-6)
    assert random_effects_sd([np.ones(3)] * 2) < 1e-9
    assert math.isnan(random_effects_sd([]))
