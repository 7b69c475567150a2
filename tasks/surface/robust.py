"""The spread of values among which some are far off."""

from __future__ import annotations

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
