"""What a session says of a frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from tasks.geometry.crop import Crop


@dataclass(frozen=True)
class Matte:
    """The foreground of one frame.

    Args:
        alpha: ``(H, W)`` uint8.
        peak: The network's largest output before its range is stretched, 0..1.
        parts: ``(H, W)`` uint8, see :mod:`tasks.matting.parts`; None where the session tells none.
    """

    alpha: NDArray[np.uint8]
    peak: float
    parts: NDArray[np.uint8] | None = None


class MatteSession(Protocol):
    """Something that mattes images."""

    def matte(self, images: Sequence[NDArray[np.uint8]]) -> list[Matte]:
        """Mattes of BGR images."""


@runtime_checkable
class FollowingSession(MatteSession, Protocol):
    """One that can be told where the tyre is."""

    def matte_in(self, image: NDArray[np.uint8], square: Crop) -> Matte:
        """The matte of a BGR image whose tyre fills a square as a chosen frame's fills its own."""
