"""Middle and standard deviation of values among which some are far off, or none at all."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_OF_NORMAL = 1.4826
"""Standard deviation over median absolute deviation, of a normal distribution."""
_LEAST_VARIANCE = 1e-24
"""Keeps weights finite where all values of a group are the same."""


def robust_sd(values: NDArray[np.floating[Any]], about: float | None = None) -> float:
    """Standard deviation by the median absolute deviation; values that are no numbers do not count.

    Args:
        values: An array of any shape, at least one a number.
        about: What deviations count from; None for the median.
    """
    middle = np.nanmedian(values) if about is None else about
    return _OF_NORMAL * float(np.nanmedian(np.abs(values - middle)))


def finite_median(values: Iterable[float]) -> float:
    """Median of the finite values, NaN where there is none."""
    finite = [v for v in values if math.isfinite(v)]
    return float(np.median(finite)) if finite else math.nan


def random_effects_sd(groups: Sequence[NDArray[np.floating[Any]]]) -> float:
    """Standard deviation of the mean of groups of values that share an error within each group.

    How far the groups' means disagree beyond what their values' deviation explains is the variance
    of the shared errors: DerSimonian and Laird, Controlled Clinical Trials 7 (1986).

    Args:
        groups: Values of each group, at least two of each.

    Returns:
        Of the means weighted by their variance; NaN without a group.
    """
    if not groups:
        return math.nan
    mean = np.array([g.mean() for g in groups])
    variance = np.array([g.var(ddof=1) / len(g) for g in groups]) + _LEAST_VARIANCE
    weight = 1.0 / variance
    excess = (weight * (mean - np.average(mean, weights=weight)) ** 2).sum() - (len(groups) - 1)
    total = weight.sum()
    shared = max(0.0, excess / (total - (weight**2).sum() / total)) if len(groups) > 1 else 0.0
    return float(1.0 / math.sqrt((1.0 / (variance + shared)).sum()))
