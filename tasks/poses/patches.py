"""Points seen more exactly: the patches around a track's observations are brought into line.

Detectors place a feature in each frame by itself, half a pixel to several off. Here one observation
of each point, that with the middlemost view, is the reference; every other is moved to where its
surroundings look most like the reference's, warped as the cameras say and a little more.

Source: Baker and Matthews, Lucas-Kanade 20 years on, IJCV 56, 2004; adjusting key points before
bundle adjustment: Lindenberger, Sarlin, Larsson and Pollefeys, Pixel-perfect structure-from-motion
with featuremetric refinement, ICCV 2021.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.geometry.camera import Camera
from tasks.geometry.lens import Lens
from tasks.geometry.sphere import tangents
from tasks.imaging.images import read_grey
from tasks.poses.observations import Observations
from tasks.poses.outline_bundle import Scene

FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]
BoolArray = NDArray[np.bool_]

_REACH_PX = 7
_OFFSETS = np.stack(
    np.meshgrid(*2 * [np.arange(-_REACH_PX, _REACH_PX + 1, dtype=np.float32)]), axis=-1
).reshape(-1, 2)
"""``(P, 2)`` offsets of a patch's samples, pixels."""

_WEIGHTS = np.exp(-(_OFFSETS**2).sum(axis=1) / (2.0 * (0.6 * _REACH_PX) ** 2))
_WEIGHTS /= _WEIGHTS.sum()
"""``(P,)`` of the samples; they sum to 1."""

_BLUR_PX = 0.8
_STEPS = 10
_AT_REST_PX = 0.01

_WARP = 0.15
"""Standard deviation of an entry of the warp about what the cameras say."""

_NOISE = 0.05
"""Variance of a sample of a patch whose own is 1, beside which the warp's deviation counts."""

_LEAST_TEXTURE = 0.01
"""Smaller eigenvalue of the structure tensor of a patch with variance 1, by pixel squared, below
which it slides along an edge."""

_ON_SOLID = 0.1
"""Share of the solid's radius within which points are the tyre's: rims lie deeper than their tyre's
sidewall, and about them as much is flat as not."""

_FACING = float(np.cos(np.radians(50.0)))
"""Cosine between normal and view from which a point is looked for where no detector found it."""

_LEAST_CORRELATION = 0.8
_MOST_MOVED_PX = 4.0

_BATCH = 30_000
"""Rows of an image that OpenCV can map at a time: fewer than 32,768."""


@dataclass(frozen=True)
class _GradientImage:
    """A grey image ``(H, W)`` float32 and its derivatives by column and row."""

    grey: Float32Array
    by_x: Float32Array
    by_y: Float32Array


def align_patches(scene: Scene, seen: Observations, paths: Sequence[Path]) -> Observations:
    """Observations moved to where their surroundings look like those of the track's reference.

    Args:
        scene: Cameras and points.
        seen: Where the points are seen, in pixels of the cameras' images.
        paths: The ``N`` images.

    Returns:
        The references and those observations that came to look like them; others are left out.
    """
    reference = _references(scene, seen)
    warps = _warps(scene, seen, reference)
    own = reference == np.arange(len(reference))
    patches = np.zeros((len(reference), len(_OFFSETS)), np.float32)
    for n, path in enumerate(paths):
        of = seen.frame[reference] == n
        pixels = seen.pixel[reference[of]][:, None] + _OFFSETS
        patches[of] = _normalised(_sampled(_blurred(path), pixels))[0]
    textured = _texture(patches) > _LEAST_TEXTURE
    pixel, good = seen.pixel.copy(), textured & own
    for n, path in enumerate(paths):
        of = (seen.frame == n) & textured & ~own
        found, correlation = _aligned(patches[of], _gradient_image(path), seen.pixel[of], warps[of])
        moved = np.linalg.norm(found - seen.pixel[of], axis=1)
        pixel[of] = found
        good[of] = (correlation > _LEAST_CORRELATION) & (moved < _MOST_MOVED_PX)
    return Observations(seen.frame, seen.point, pixel).chosen(good)


def in_all_frames(scene: Scene, seen: Observations) -> Observations:
    """Observations, and besides where the points on the tyre are to be seen in other frames.

    The solid is convex: whatever part of it faces a camera is hidden from it by no other.

    Args:
        scene: Cameras, points and solid.
        seen: Where the points are seen.
    """
    distance, normals = scene.solid.nearest(scene.points)
    on_solid = distance < _ON_SOLID * scene.solid.radius
    lens = Lens(scene.k1)
    known = np.zeros((len(scene.cameras), len(scene.points)), dtype=bool)
    known[seen.frame, seen.point] = True
    found = [(seen.frame, seen.point, seen.pixel)]
    for n, camera in enumerate(scene.cameras):
        away = camera.centre - scene.points
        away /= np.linalg.norm(away, axis=1, keepdims=True)
        at = np.flatnonzero(on_solid & ~known[n] & ((away * normals).sum(axis=1) > _FACING))
        straight = camera.project(scene.points[at])
        pixel, depth = lens.distort_pixels(straight[:, :2], camera), straight[:, 2]
        size = np.array([camera.width, camera.height])
        inside = (depth > 0) & ((pixel > _REACH_PX) & (pixel < size - _REACH_PX)).all(axis=1)
        found.append((np.full(int(inside.sum()), n), at[inside], pixel[inside]))
    frame, point, pixel = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Observations(frame, point, pixel)


def _references(scene: Scene, seen: Observations) -> NDArray[np.intp]:
    """``(K,)`` for each observation that of its point whose view is the middlemost."""
    facing = _facing(scene, seen)
    order = np.lexsort((-facing[1], seen.point))
    points = seen.point[order]
    first = order[np.concatenate([[True], points[1:] != points[:-1]])]
    reference = np.zeros(len(scene.points), np.intp)
    reference[seen.point[first]] = first
    return reference[seen.point]


def _facing(scene: Scene, seen: Observations) -> tuple[FloatArray, FloatArray]:
    """Mean direction ``(M, 3)`` from each point to its cameras, and the views' cosines ``(K,)``."""
    centres = np.stack([c.centre for c in scene.cameras])
    away = centres[seen.frame] - scene.points[seen.point]
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    mean = np.zeros_like(scene.points)
    np.add.at(mean, seen.point, away)
    mean /= np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-12)
    return mean, np.asarray((away * mean[seen.point]).sum(axis=1))


def _warps(scene: Scene, seen: Observations, reference: NDArray[np.intp]) -> FloatArray:
    """``(K, 2, 2)`` from offsets in the reference's image to offsets in that of the observation."""
    normals = _normals(scene, seen)
    planes = np.stack([tangents(n).T for n in normals])[seen.point]  # (K, 3, 2)

    def jacobians(frame: NDArray[np.int64]) -> FloatArray:
        out = np.empty((len(frame), 2, 3))
        for n, camera in enumerate(scene.cameras):
            of = frame == n
            out[of] = _by_world(camera, scene.points[seen.point[of]])
        return np.asarray(out @ planes)

    here, there = jacobians(seen.frame), jacobians(seen.frame[reference])
    singular = np.abs(np.linalg.det(there)) < 1e-9
    there[singular] = here[singular] = np.eye(2)
    return np.asarray(here @ np.linalg.inv(there))


def _normals(scene: Scene, seen: Observations) -> FloatArray:
    """``(M, 3)`` across the surroundings of each point, which are taken to be flat.

    Those on the tyre lie as its solid does there, others face the middle of their cameras.
    """
    distance, normal = scene.solid.nearest(scene.points)
    near = distance < _ON_SOLID * scene.solid.radius
    return np.where(near[:, None], normal, _facing(scene, seen)[0])


def _by_world(camera: Camera, points: FloatArray) -> FloatArray:
    """``(N, 2, 3)`` derivative of the pixels of world points ``(N, 3)``."""
    x, y, z = (points @ camera.rotation.T + camera.translation).T
    out = np.zeros((len(points), 2, 3))
    out[:, 0, 0] = camera.fx / z
    out[:, 1, 1] = camera.fy / z
    out[:, 0, 2] = -camera.fx * x / z**2
    out[:, 1, 2] = -camera.fy * y / z**2
    return np.asarray(out @ camera.rotation)


def _blurred(path: Path) -> Float32Array:
    blurred = cv2.GaussianBlur(read_grey(path).astype(np.float32), (0, 0), _BLUR_PX)
    return np.asarray(blurred, np.float32)


def _gradient_image(path: Path) -> _GradientImage:
    grey = _blurred(path)
    by_x, by_y = (cv2.Sobel(grey, cv2.CV_32F, *d, ksize=3, scale=0.125) for d in ((1, 0), (0, 1)))
    return _GradientImage(*(np.asarray(image, np.float32) for image in (grey, by_x, by_y)))


def _sampled(image: Float32Array, pixels: FloatArray) -> Float32Array:
    """The image at pixels ``(N, P, 2)``, bilinearly: ``(N, P)``."""
    at = (pixels - 0.5).astype(np.float32)  # OpenCV counts from the centre of the first pixel
    parts = [
        cv2.remap(
            image,
            part[..., 0],
            part[..., 1],
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        for part in (at[k : k + _BATCH] for k in range(0, len(at), _BATCH))
    ]
    return np.concatenate([np.empty((0, pixels.shape[1]), np.float32), *parts])


def _normalised(patches: Float32Array) -> tuple[Float32Array, Float32Array]:
    """Patches ``(N, P)`` of mean 0 and variance 1, and their standard deviations ``(N, 1)``."""
    centred = patches - (patches @ _WEIGHTS.astype(np.float32))[:, None]
    deviation = np.sqrt((centred**2) @ _WEIGHTS.astype(np.float32))[:, None]
    deviation = np.maximum(deviation, 0.5)
    return centred / deviation, deviation


def _texture(patches: Float32Array) -> FloatArray:
    """``(N,)`` smaller eigenvalue of the patches' structure tensors."""
    side = 2 * _REACH_PX + 1
    square = patches.reshape(-1, side, side)
    by_y, by_x = (d.reshape(len(patches), -1) for d in np.gradient(square, axis=(1, 2)))
    xx, xy, yy = ((a * b) @ _WEIGHTS for a, b in ((by_x, by_x), (by_x, by_y), (by_y, by_y)))
    return np.asarray(0.5 * (xx + yy) - np.sqrt(0.25 * (xx - yy) ** 2 + xy**2))


def _aligned(
    patches: Float32Array, image: _GradientImage, start: FloatArray, warps: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Where patches are seen in an image.

    Args:
        patches: ``(N, P)`` of mean 0 and variance 1.
        image: Where they are sought.
        start: ``(N, 2)`` pixels to start from.
        warps: ``(N, 2, 2)`` of offsets in the patches to offsets in the image.

    Returns:
        Pixels ``(N, 2)`` and correlations ``(N,)``.
    """
    pixel, warp = start.copy(), warps.copy()
    stiff = np.array([0.0, 0.0, *4 * [_NOISE / _WARP**2]])
    active = np.arange(len(pixel))
    for _ in range(_STEPS):
        if len(active) == 0:
            break
        pixels = _sample_pixels(pixel[active], warp[active])
        now, deviation = _normalised(_sampled(image.grey, pixels))
        slopes = [_sampled(d, pixels) / deviation for d in (image.by_x, image.by_y)]
        slopes = [s - (s @ _WEIGHTS)[:, None] for s in slopes]
        by = np.stack([*slopes, *(s * o for s in slopes for o in _OFFSETS.T)], axis=1)  # (N, 6, P)
        weighted = by * _WEIGHTS
        left = weighted @ by.transpose(0, 2, 1)
        right = (weighted @ (patches[active] - now)[:, :, None])[:, :, 0]
        left[:, np.arange(6), np.arange(6)] += stiff + 1e-9
        right[:, 2:] -= stiff[2:] * (warp[active] - warps[active]).reshape(-1, 4)
        step = np.linalg.solve(left, right[:, :, None])[:, :, 0]
        shift = np.clip(step[:, :2], -1.0, 1.0)
        pixel[active] += shift
        warp[active] += step[:, 2:].reshape(-1, 2, 2)
        active = active[np.abs(shift).max(axis=1) > _AT_REST_PX]
    now, _ = _normalised(_sampled(image.grey, _sample_pixels(pixel, warp)))
    return pixel, (now * patches) @ _WEIGHTS


def _sample_pixels(pixel: FloatArray, warp: FloatArray) -> FloatArray:
    """``(N, P, 2)`` pixels of the samples of warped patches."""
    return pixel[:, None] + _OFFSETS @ warp.transpose(0, 2, 1)
