"""A film from a hand as a camera at rest would have seen it, by where the outlines lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tasks.poses.outline import DIRECTIONS, Outline

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Steadying:
    """Maps pixels of each frame to where a camera at rest would see them: ``s (x - c) + c0``."""

    scale: FloatArray
    centre: FloatArray
    middle: FloatArray

    @classmethod
    def of(cls, outlines: Sequence[Outline], *, shaking: bool) -> Steadying:
        """By position and size of the outlines where the camera shakes, else nothing is moved."""
        centre = np.stack([o.centre for o in outlines])
        sizes = np.array([o.size for o in outlines])
        middle = np.median(centre, axis=0)
        if not shaking:
            return cls(np.ones(len(outlines)), np.tile(middle, (len(outlines), 1)), middle)
        return cls(np.median(sizes) / sizes, centre, middle)

    def pixels(self, k: int, pixels: FloatArray) -> FloatArray:
        """Pixels ``(N, 2)`` of the k-th frame, steadied."""
        return np.asarray(self.scale[k] * (pixels - self.centre[k]) + self.middle)

    def shaken(self, k: int, pixels: FloatArray) -> FloatArray:
        """Where the k-th frame shows what a camera at rest would see at pixels ``(N, 2)``."""
        return np.asarray((pixels - self.middle) / self.scale[k] + self.centre[k])

    def outline(self, k: int, outline: Outline) -> Outline:
        """The outline of the k-th frame, steadied."""
        shift = self.middle - self.scale[k] * self.centre[k]
        support = self.scale[k] * outline.support + DIRECTIONS @ shift
        return replace(outline, hull=self.pixels(k, outline.hull), support=support)

    def shake(self, focal: float) -> FloatArray:
        """The camera's own motion ``(N, 6)`` that would do this: turns, and steps ahead."""
        moved = (self.centre - self.middle) / focal
        none = np.zeros(len(moved))
        ahead = self.scale - 1.0
        return np.stack([-moved[:, 1], moved[:, 0], none, none, none, ahead], axis=1)
