"""Similarities: rotation, translation and one scale."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tasks.geometry.camera import Camera

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Similarity:
    """``x_out = scale * rotation @ x_in + translation``."""

    scale: float
    rotation: FloatArray
    translation: FloatArray

    def apply(self, points: FloatArray) -> FloatArray:
        """Transform points ``(N, 3)``."""
        return np.asarray(self.scale * points @ self.rotation.T + self.translation)

    def inverse(self) -> Similarity:
        """The inverse similarity."""
        r = self.rotation.T
        return Similarity(1.0 / self.scale, r, -(r @ self.translation) / self.scale)

    def compose(self, first: Similarity) -> Similarity:
        """``self`` after ``first``."""
        return Similarity(
            self.scale * first.scale,
            self.rotation @ first.rotation,
            self.scale * self.rotation @ first.translation + self.translation,
        )


def camera_moved(camera: Camera, transform: Similarity) -> Camera:
    """The same camera, posed in the frame that a similarity leads to."""
    rotation = camera.rotation @ transform.rotation.T
    centre = transform.apply(camera.centre[None])[0]
    return replace(camera, rotation=rotation, translation=-rotation @ centre)
