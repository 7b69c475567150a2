"""Where the axle of a spinning tyre points, by what its images show on average.

Averaged over the frames a body that turns shows circles about its axle: the rim's edge, steps of
the sidewall. Images of the average unrolled about the axle hold them as straight lines, about any
other axle as waves. That holds for faces on which no feature can be followed, and tells both the
slant, which outlines do not (a wider tyre seen more from the front looks the same), and, as far as
perspective does, the side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from tasks.geometry.camera import Camera
from tasks.geometry.sphere import fibonacci_half_sphere, tangents
from tasks.poses.outline import Outline
from tasks.poses.stabilisation import Steadying

FloatArray = NDArray[np.float64]

_RINGS: FloatArray = np.linspace(0.15, 0.93, 80)
"""Radii of the rings, in radii of the tyre."""

_AROUND = 2.0 * np.pi * np.arange(120) / 120
"""Angles at which a ring is looked at."""

_SATURATION = 4.0
"""Step of grey from ring to ring, of 256, from which on an edge counts whole: where edges lie
counts, not how the light makes them stand out."""

_MOST_SLANT = np.radians(65.0)
_NEAR_FACES = (0.15, 0.3, 0.45)
"""Distances of the near face from the tyre's centre that are tried, in radii."""

_STARTS = 16
"""So many of the axles tried are refined."""

_APART = np.radians(6.0)
"""Starts nearer to each other, at the same distance of the face, are one."""

_COARSE, _FINE = 0.02, 0.007
"""Blur of the average in which is searched, and in which is refined, in radii of the tyre."""

_TILT, _SHIFT = np.radians(4.0), 0.03
"""First steps of the search: of the axle, and of the position of the face, in radii."""

CLEAR = 0.3
"""From this sharpness on circles on the images' average tell the axle; right ones have 0.4."""


@dataclass(frozen=True)
class Circles:
    """Circles about an axle, in the coordinates of the camera at rest.

    Args:
        axle: ``(3,)`` unit vector from the tyre towards the camera.
        face: ``(3,)`` a point of the axle in the plane of the face, at depth 1.
        sharpness: How far edges lie on circles, from 0 to 1.
    """

    axle: FloatArray
    face: FloatArray
    sharpness: float


class MeanImage:
    """What frames show on average, to a camera at rest.

    Args:
        images: Grey images.
        steadying: To where a camera at rest would see the same.
        outline: What it would see of the tyre's outline.
    """

    def __init__(
        self, images: Sequence[NDArray[np.uint8]], steadying: Steadying, outline: Outline
    ) -> None:
        height, width = images[0].shape
        total = np.zeros((height, width))
        for k, image in enumerate(images):
            scale = 1.0 / steadying.scale[k]  # of the pixel's centre, at a half
            u, v = steadying.shaken(k, np.array([[0.5, 0.5]]))[0] - 0.5
            to = np.array([[scale, 0.0, u], [0.0, scale, v]])
            flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            total += cv2.warpAffine(
                image, to, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE
            )
        self.outline = outline
        mean = (total / len(images)).astype(np.float32)
        self._radius_px = 0.5 * outline.size
        self._blurred = {
            share: cv2.GaussianBlur(mean, (0, 0), share * self._radius_px)
            for share in (_COARSE, _FINE)
        }

    def sharpness(
        self, camera: Camera, axle: FloatArray, face: FloatArray, *, blur: float = _FINE
    ) -> float:
        """How far edges lie on circles about an axle through a point of the face, from 0 to 1."""
        radius = self._radius_px * face[2] / camera.fx
        first, second = tangents(axle)
        circle = np.cos(_AROUND)[:, None] * first + np.sin(_AROUND)[:, None] * second
        points = face + radius * _RINGS[:, None, None] * circle
        at = camera.fx * points[..., :2] / points[..., 2:] + [camera.cx - 0.5, camera.cy - 0.5]
        u, v = np.moveaxis(at, 2, 0).astype(np.float32)
        shown = cv2.remap(self._blurred[blur], u, v, cv2.INTER_LINEAR)
        step = np.diff(shown.astype(np.float64), axis=0)
        step /= np.abs(step) + _SATURATION
        return float(
            (step.mean(axis=1) ** 2).sum() / max(float((step**2).mean(axis=1).sum()), 1e-9)
        )

    def best(self, camera: Camera) -> Circles:
        """The axle on whose circles most edges lie, of all that a face can have.

        Args:
            camera: The camera at rest, at the origin.
        """
        tried = []
        for axle in self._axles(camera):
            for height in _NEAR_FACES:
                face = self._face(camera, axle, height)
                tried.append((self.sharpness(camera, axle, face, blur=_COARSE), axle, face))
        starts: list[tuple[FloatArray, FloatArray]] = []
        for _, axle, face in sorted(tried, key=lambda t: -t[0]):
            if all(axle @ other < np.cos(_APART) for other, _ in starts):
                starts.append((axle, face))
            if len(starts) == _STARTS:
                break
        rough = [self.refined(camera, *start, blur=_COARSE) for start in starts]
        fine = [self.refined(camera, c.axle, c.face) for c in rough]
        # seen along its edge a face is a line, on which any edges lie
        seen = [c for c in fine if -c.axle @ c.face > np.cos(_MOST_SLANT) * np.linalg.norm(c.face)]
        return max(seen, key=lambda c: c.sharpness, default=Circles(*starts[0], sharpness=0.0))

    def refined(
        self, camera: Camera, axle: FloatArray, face: FloatArray, *, blur: float = _FINE
    ) -> Circles:
        """The axle near a given one on whose circles most edges lie."""
        radius = self._radius_px / camera.fx
        across = tangents(axle)

        def moved(x: FloatArray) -> tuple[FloatArray, FloatArray]:
            tilted = axle + x[:2] @ across
            return tilted / np.linalg.norm(tilted), face + radius * np.append(x[2:], 0.0)

        found = minimize(
            lambda x: -self.sharpness(camera, *moved(x), blur=blur),
            np.zeros(4),
            method="Nelder-Mead",
            options={
                "initial_simplex": np.vstack(
                    [np.zeros(4), np.diag([_TILT, _TILT, _SHIFT, _SHIFT])]
                ),
                "maxfev": 200,
                "xatol": 5e-4,
                "fatol": 1e-5,
            },
        )
        return Circles(*moved(found.x), -float(found.fun))

    def _axles(self, camera: Camera) -> FloatArray:
        """``(K, 3)`` unit vectors towards the camera, along which a face may be seen."""
        towards = -self._ray(camera, self.outline.centre)
        both = fibonacci_half_sphere(300)
        axles = both * np.sign(both @ towards)[:, None]
        return np.asarray(axles[axles @ towards > np.cos(_MOST_SLANT)])

    def _face(self, camera: Camera, axle: FloatArray, height: float) -> FloatArray:
        """Where the axle meets the face, if it goes through the middle of the outline."""
        ray = self._ray(camera, self.outline.centre)
        middle = ray / ray[2]
        face = middle + height * self._radius_px / camera.fx * axle
        return np.asarray(face / face[2])

    @staticmethod
    def _ray(camera: Camera, pixel: FloatArray) -> FloatArray:
        ray = camera.rays(pixel[None])[0]
        return np.asarray(ray / np.linalg.norm(ray))
