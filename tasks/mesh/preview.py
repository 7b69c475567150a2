"""The mesh as images: for the run's page, and to look at before any viewer is opened."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.geometry.ray_caster import RayCaster
from tasks.imaging.contact_sheet import BACKGROUND
from tasks.imaging.images import Image
from tasks.mesh.merged import MergedMesh

VIEWS = {"outer face": (0, 0, 1), "at a slant": (1, 0.35, 1), "tread": (1, 0, 0)}
"""Directions from the tyre to the eye, in the tyre frame."""


def preview(mesh: MergedMesh) -> Image:
    """The mesh from every side in ``VIEWS``, side by side, ``(240, 720, 3)`` BGR."""
    return np.hstack(render(mesh, VIEWS.values()))


def render(
    mesh: MergedMesh, towards_eye: Iterable[Sequence[float]], size_px: int = 240
) -> list[Image]:
    """The mesh in parallel projection, lit from the eye's upper left.

    Args:
        mesh: Mesh in the tyre frame.
        towards_eye: Direction from the tyre to the eye, for each image.
        size_px: Side of an image, pixels.

    Returns:
        Images ``(size_px, size_px, 3)`` BGR.
    """
    corners = mesh.vertices.astype(float)
    centre = (corners.min(axis=0) + corners.max(axis=0)) / 2
    scale = 1.0 / max(float(np.linalg.norm(corners - centre, axis=1).max()), 1e-9)
    corners = (corners - centre) * scale
    caster = RayCaster(corners, mesh.faces)  # what costs is building it, once for all images
    return [_look(caster, mesh, corners, direction, size_px) for direction in towards_eye]


def _look(
    caster: RayCaster,
    mesh: MergedMesh,
    corners: NDArray[np.float64],
    towards_eye: Sequence[float],
    size_px: int,
) -> Image:
    """One image of the mesh, its corners in the unit sphere."""
    eye = np.asarray(towards_eye, float) / np.linalg.norm(towards_eye)
    right = np.cross((0.0, 1.0, 0.0), eye)
    right /= np.linalg.norm(right)
    up = np.cross(eye, right)
    fine = 2 * size_px  # drawn at twice the size and reduced: smooth edges
    steps = (np.arange(fine) + 0.5) / fine * 2 - 1
    across, down = np.meshgrid(steps, steps)
    origins = across[..., None] * right - down[..., None] * up + 3.0 * eye
    rays = origins.reshape(-1, 3).astype(np.float32)
    directions = np.tile(-eye.astype(np.float32), (len(rays), 1))
    face = caster.intersect(rays, directions).face
    seen = face >= 0
    triangles = mesh.faces[face[seen]]
    a, b, c = (corners[triangles[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    light = eye + 0.5 * up - 0.5 * right
    shade = 0.35 + 0.65 * np.abs(normal @ (light / np.linalg.norm(light)))
    colour = mesh.colours[triangles].astype(float).mean(axis=1)[:, ::-1]
    image = np.full((fine * fine, 3), BACKGROUND, np.uint8)
    # tyres are black: without the offset their shape would not be seen
    image[seen] = np.clip((colour * 0.8 + 50.0) * shade[:, None] * 1.1, 0, 255)
    small = cv2.resize(
        image.reshape(fine, fine, 3), (size_px, size_px), interpolation=cv2.INTER_AREA
    )
    return np.asarray(small, np.uint8)
