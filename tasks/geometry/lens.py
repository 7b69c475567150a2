"""Radial distortion of a lens: what it does to points and images, and how it is undone.

A point at normalised coordinates ``x`` (offset from the principal point over the focal length) is
seen at ``x (1 + k1 r² + k2 r⁴)`` with ``r = |x|``: the model that COLMAP calls RADIAL.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.geometry.camera import Camera

FloatArray = NDArray[np.float64]

_NEWTON_STEPS = 12


@dataclass(frozen=True)
class Lens:
    """Coefficients of the radial distortion; both 0 for a pinhole."""

    k1: float = 0.0
    k2: float = 0.0

    @property
    def is_pinhole(self) -> bool:
        """Whether the lens distorts nothing."""
        return self.k1 == 0.0 and self.k2 == 0.0

    def distort(self, points: FloatArray) -> FloatArray:
        """Where the lens shows normalised points ``(N, 2)`` of a pinhole camera."""
        square = (points * points).sum(axis=1, keepdims=True)
        return np.asarray(points * (1.0 + square * (self.k1 + square * self.k2)))

    def undistort(self, points: FloatArray) -> FloatArray:
        """The inverse of :meth:`distort`, as far as :meth:`reach`: points beyond it stay there."""
        seen = np.sqrt((points * points).sum(axis=1))
        r = seen.copy()
        reach = self.reach
        for _ in range(_NEWTON_STEPS):
            square = r * r
            value = r * (1.0 + square * (self.k1 + square * self.k2)) - seen
            slope = 1.0 + square * (3.0 * self.k1 + 5.0 * square * self.k2)
            r = np.clip(r - value / np.maximum(slope, 1e-3), 0.0, reach)
        factor = np.divide(r, seen, out=np.ones_like(r), where=seen > 0)
        return np.asarray(points * factor[:, None])

    @property
    def reach(self) -> float:
        """The radius up to which points farther out are seen farther out; infinite for most."""
        # the smallest positive root in r² of 1 + 3 k1 r² + 5 k2 r⁴
        roots = np.roots([5.0 * self.k2, 3.0 * self.k1, 1.0])
        real = [float(r.real) for r in roots if abs(r.imag) < 1e-12 and r.real > 0]
        return float(np.sqrt(min(real))) if real else float("inf")

    def undistort_pixels(self, pixels: FloatArray, camera: Camera) -> FloatArray:
        """Where a pinhole camera would have seen what the lens shows at pixels ``(N, 2)``.

        Args:
            pixels: Pixels of the image behind the lens.
            camera: Focal lengths and principal point, the same for both.
        """
        if self.is_pinhole:
            return pixels
        focal, middle = _intrinsics(camera)
        return self.undistort((pixels - middle) / focal) * focal + middle

    def distort_pixels(self, pixels: FloatArray, camera: Camera) -> FloatArray:
        """The inverse of :meth:`undistort_pixels`."""
        if self.is_pinhole:
            return pixels
        focal, middle = _intrinsics(camera)
        return self.distort((pixels - middle) / focal) * focal + middle

    def shift_px(self, camera: Camera) -> float:
        """How far the lens moves a corner of the image, in pixels: where it distorts most."""
        corner = np.zeros((1, 2))
        return float(np.linalg.norm(self.distort_pixels(corner, camera) - corner))

    def undistort_image(
        self, image: NDArray[np.uint8], camera: Camera, *, labels: bool = False
    ) -> NDArray[np.uint8]:
        """The image ``(H, W)`` or ``(H, W, C)`` that a pinhole camera would have taken.

        Args:
            image: What the lens showed, of the camera's size.
            camera: Focal lengths and principal point, the same for both.
            labels: Whether pixels are names of things rather than light, and must not be mixed.

        Returns:
            An image of the same size; what lies outside the given one is black.
        """
        height, width = image.shape[:2]
        if self.is_pinhole:
            return image
        focal, middle = _intrinsics(camera)
        # OpenCV counts pixels from the centre of the first one.
        matrix = np.array(
            [[focal[0], 0, middle[0] - 0.5], [0, focal[1], middle[1] - 0.5], [0, 0, 1]]
        )
        coefficients = np.array([self.k1, self.k2, 0.0, 0.0])
        size = (width, height)
        seen_u, seen_v = cv2.initUndistortRectifyMap(
            matrix, coefficients, np.eye(3), matrix, size, cv2.CV_32FC1
        )
        corners = np.array([[0.0, 0.0], [width, 0.0], [0.0, height], [width, height]])
        if np.linalg.norm((corners - middle) / focal, axis=1).max() > self.reach:
            u, v = (np.arange(n) + 0.5 for n in size)
            square = ((u - middle[0]) / focal[0]) ** 2 + (((v - middle[1]) / focal[1]) ** 2)[
                :, None
            ]
            seen_u[square > self.reach**2] = -2.0  # outside the image
        how = cv2.INTER_NEAREST if labels else cv2.INTER_CUBIC
        return np.asarray(cv2.remap(image, seen_u, seen_v, how), dtype=np.uint8)

    def to_dict(self) -> dict[str, Any]:
        """The lens as plain JSON types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Lens:
        """The inverse of :meth:`to_dict`."""
        return cls(**record)


def _intrinsics(camera: Camera) -> tuple[FloatArray, FloatArray]:
    return np.array([camera.fx, camera.fy]), np.array([camera.cx, camera.cy])
