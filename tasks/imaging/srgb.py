"""The transfer function of sRGB. Source: IEC 61966-2-1."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def linear_from_srgb(encoded: FloatArray) -> FloatArray:
    """Linear light, 0 to 1, of sRGB values of any shape, 0 to 1."""
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def srgb_from_linear(light: FloatArray) -> FloatArray:
    """SRGB values, 0 to 1, of linear light of any shape, 0 to 1."""
    curve = 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055
    return np.where(light <= 0.0031308, 12.92 * light, curve)
