"""What a session says of a frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


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
