"""Middle and spread of values among which some are far off, or none at all."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

_OF_NORMAL = 1.4826
"""Standard deviation over median absolute deviation, of a normal distribution."""


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
