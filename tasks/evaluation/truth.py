"""Known objects to measure against: generated tyres and imported wheels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import trimesh
from numpy.typing import NDArray

from tasks.evaluation.distance import SurfaceDistance
from tasks.evaluation.metrics import Truth
from tasks.geometry.camera import Camera
from tasks.geometry.ray_caster import RayCaster
from tasks.synthetic.scenes.visibility import visible_surface
from tasks.synthetic.tyres.imported_wheels import ImportedWheel
from tasks.synthetic.tyres.tyre import Tyre

SURFACE_SAMPLES = 200_000
VISIBLE_SAMPLES = 30_000

Region = NDArray[np.bool_]

_LEAST_FACING = 0.1
"""Cosine between a surface's normal and the way to a camera that is said to see it."""


def truth_of(wheel: Tyre | ImportedWheel) -> Truth:
    """Dense samples of a wheel's surface and of its visible part; seeds are fixed.

    Args:
        wheel: A generated tyre (with an exact inside query) or an imported wheel (without).
    """
    mesh = trimesh.Trimesh(wheel.vertices, wheel.faces, process=False)
    visible, normals = visible_surface(mesh, VISIBLE_SAMPLES, seed=2)
    return Truth(
        surface=SurfaceDistance(mesh, SURFACE_SAMPLES),
        visible=visible,
        visible_normals=normals,
        diameter=float(wheel.diameter),
        width=float(wheel.width),
        contains=wheel.contains if isinstance(wheel, Tyre) else None,
    )


def seen_by(wheel: Tyre | ImportedWheel, truth: Truth, cameras: Sequence[Camera]) -> Region:
    """Which of a truth's visible samples ``(N,)`` at least one camera saw.

    Args:
        wheel: The object.
        truth: From :func:`truth_of` of the same.
        cameras: In its frame.
    """
    caster = RayCaster(wheel.vertices, wheel.faces)
    lift = truth.visible + 2e-4 * truth.diameter * truth.visible_normals
    seen = np.zeros(len(lift), dtype=bool)
    for camera in cameras:
        u, v, z = camera.project(lift).T
        inside = (z > 0) & (u > 0) & (u < camera.width) & (v > 0) & (v < camera.height)
        left = np.flatnonzero(inside & ~seen)
        towards = camera.centre - lift[left]
        away = np.linalg.norm(towards, axis=1)
        towards /= away[:, None]
        facing = np.einsum("ij,ij->i", towards, truth.visible_normals[left]) > _LEAST_FACING
        blocked = caster.occluded(lift[left], towards, away.astype(np.float32))
        seen[left[facing & ~blocked]] = True
    return seen
