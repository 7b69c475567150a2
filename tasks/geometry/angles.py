"""Angles on a circle."""

from __future__ import annotations

import math
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Angle = TypeVar("Angle", float, NDArray[np.float64])


def wrapped(angle: Angle) -> Angle:
    """Angles in radians, of any shape, moved by whole turns to -pi to pi."""
    return (angle + math.pi) % (2 * math.pi) - math.pi


def wrapped_deg(angle: Angle) -> Angle:
    """Angles in degrees, of any shape, moved by whole turns to -180 to 180."""
    return (angle + 180.0) % 360.0 - 180.0
