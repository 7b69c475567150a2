"""Posed frames in the tyre frame: scaled cameras, clean masks, signed distances."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.geometry.camera import Camera
from tasks.geometry.similarity import Similarity
from tasks.imaging.images import read_mask
from tasks.imaging.masks import MaskArray, foreground, largest_filled, signed_pixels
from tasks.imaging.resizing import bounded
from tasks.poses.record import ObjectEstimate

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class TyrePlacement:
    """Where the tyre frame lies in the world: ``p_tyre = scale * axes @ (p_world - centre)``.

    Args:
        axes: ``(3, 3)``, rows are the tyre frame's x, y (up) and z (axle) in the world.
        centre: ``(3,)`` world.
        scale: Metres per world unit.
    """

    axes: FloatArray
    centre: FloatArray
    scale: float

    def camera(self, camera: Camera) -> Camera:
        """The same camera, posed in the tyre frame (metres)."""
        return replace(
            camera,
            rotation=camera.rotation @ self.axes.T,
            translation=self.scale * (camera.rotation @ self.centre + camera.translation),
        )

    @property
    def similarity(self) -> Similarity:
        """World to tyre frame, as a similarity."""
        return Similarity(self.scale, self.axes, -self.scale * self.axes @ self.centre)

    def moved(self, rotation: FloatArray, shift: FloatArray, stretch: float) -> TyrePlacement:
        """The placement after ``p_new = stretch * rotation.T @ (p_old - shift)``."""
        return TyrePlacement(
            axes=rotation.T @ self.axes,
            centre=self.centre + self.axes.T @ shift / self.scale,
            scale=self.scale * stretch,
        )


def place_tyre(tyre: ObjectEstimate, diameter_m: float) -> TyrePlacement:
    """The tyre frame of an estimate, in metres for the given outer diameter."""
    axle = tyre.axle / np.linalg.norm(tyre.axle)
    up = tyre.up - (tyre.up @ axle) * axle
    axes = replace(tyre, axle=axle, up=up / np.linalg.norm(up)).axes
    return TyrePlacement(axes, np.asarray(tyre.centre, float), diameter_m / (2.0 * tyre.radius))


@dataclass(frozen=True)
class View:
    """A posed frame with its mask, reduced to a working size.

    Args:
        index: The frame's index.
        camera: Pinhole of the reduced mask, posed in the tyre frame.
        mask: ``(H, W)`` largest component of the foreground, its holes filled.
        signed: ``(H, W)`` float32, pixels to the mask's outline, positive inside.
    """

    index: int
    camera: Camera
    mask: MaskArray
    signed: NDArray[np.float32]


def load_views(
    cameras: Mapping[int, Camera],
    alpha_paths: Mapping[int, Path],
    placement: TyrePlacement,
    *,
    longest_px: int,
) -> list[View]:
    """Read the masks of all posed frames whose foreground is not empty."""
    views = []
    for index in sorted(set(cameras) & set(alpha_paths)):
        camera = cameras[index]
        alpha = read_mask(alpha_paths[index])
        alpha = bounded(alpha, longest_px)
        height, width = alpha.shape
        mask = largest_filled(foreground(alpha))
        if mask.any():
            posed = placement.camera(camera.resized(width, height))
            views.append(View(index, posed, mask, signed_pixels(mask)))
    return views


def repose_views(
    views: Iterable[View], cameras: dict[int, Camera], placement: TyrePlacement
) -> list[View]:
    """The same views after the placement of the tyre frame changed."""
    return [
        replace(
            v,
            camera=placement.camera(cameras[v.index].resized(v.camera.width, v.camera.height)),
        )
        for v in views
    ]
