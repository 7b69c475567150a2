"""Where marks of a sidewall lie, from the single frames that show them.

A flattened picture shows a mark where the mesh lies: a millimetre too high, and what is seen at a
slant moves by as much along the radius, on either face by an amount of its own. So marks are looked
for in the frames themselves, and their rays are intersected. Both tyres' frames are matched with
one patch, of the new tyre's picture: what is found is the same place of the rubber in both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.atlas.flattened import FlatPart
from tasks.comparison.polar import COLUMNS, ROW_M, PolarPicture, on_face
from tasks.comparison.scan import Scan
from tasks.core.parallel import in_threads
from tasks.geometry.camera import Camera
from tasks.imaging.images import read_image

FloatArray = NDArray[np.float64]

STEP_M = 0.001
"""Distance of a patch's pixels."""
PATCH = 33
"""Pixels of a patch's sides."""
_SECTORS, _IN_SECTOR = 24, 40
"""Marks that are looked for: so many in each sector of a face."""
_SEARCH = 8
"""Pixels by which a mark may lie beside its place."""
_FINE_PX = 6.0
"""Sigma of what counts as light, not as a mark."""
_LEAST_CONTRAST = 0.012
"""Standard deviation of a patch, logarithmic: what shows less is noise of the picture."""
_MOST_FRAMES = 64
_LEAST_COSINE = 0.45
"""Of the angle between a ray and the sidewall's normal: flatter views smear letters."""
_LEAST_LIKENESS = 0.7
_LEAST_RAYS = 4
_LEAST_SPREAD = 0.015
"""Least eigenvalue of the mean of ``I - d dᵀ``: rays that differ by some 15° all in all."""
_LONGEST_M = 0.0015
"""Rays that miss their common point by more are left out."""


@dataclass(frozen=True)
class Sites:
    """Places of a tyre at which patches are looked for, in a scan's frame.

    Args:
        points: ``(M, 3)`` where they are thought to be, metres.
        along: ``(M, 3)`` unit vectors of the patches' columns.
        down: ``(M, 3)`` unit vectors of their rows.
        step_m: Distance of a patch's pixels in the scan's lengths.
    """

    points: FloatArray
    along: FloatArray
    down: FloatArray
    step_m: float

    @property
    def normals(self) -> FloatArray:
        """``(M, 3)`` unit vectors towards whom the patches show upright."""
        return np.cross(self.down, self.along)


def spread_out(angle: FloatArray) -> NDArray[np.int64]:
    """Of marks at angles ``(M,)``, the clearest first, some in each sector, ``(K,)`` indices."""
    sector = (angle / (2 * math.pi) * _SECTORS).astype(int) % _SECTORS
    chosen = [np.flatnonzero(sector == k)[:_IN_SECTOR] for k in range(_SECTORS)]
    return np.concatenate(chosen)


def sites_on(at: FloatArray, part: FlatPart, scale: float) -> Sites:
    """Where marks of a face are looked for; the arguments are those of :func:`on_face`."""
    points = on_face(at, part, scale)
    below = on_face(at - [0.0, 2 * STEP_M], part, scale) - points
    side = 1.0 if part.clockwise else -1.0
    along = np.stack([side * np.cos(at[:, 0]), -np.sin(at[:, 0]), 0.0 * at[:, 0]], axis=1)
    down = below / np.linalg.norm(below, axis=1, keepdims=True)
    return Sites(points, along, down, STEP_M / scale)


def patches_of(
    picture: PolarPicture, at: FloatArray, part: FlatPart
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Patches of a picture about marks, logarithmic brightness.

    Args:
        picture: The face's picture.
        at: ``(M, 2)`` angle clockwise (radians) and radius (metres) of the marks.
        part: The face's flattened sidewall.

    Returns:
        ``(M, PATCH, PATCH)``, and ``(M,)`` which of them are known whole and show something.
    """
    offsets = (np.arange(PATCH) - PATCH // 2) * STEP_M
    inwards = np.linalg.norm(
        sites_on(at, part, 1.0).down[:, :2], axis=1
    )  # of a step down, so much is radius
    # straight lines across the sidewall, as the frames' patches have them, not along circles
    down = at[:, 1, None, None] - inwards[:, None, None] * offsets[None, :, None]
    across = offsets[None, None, :]
    radius, angle = np.hypot(down, across), at[:, 0, None, None] + np.arctan2(across, down)
    column = (angle * COLUMNS / (2 * math.pi) - 0.5) % COLUMNS
    row = np.broadcast_to((picture.radii[0] - radius) / ROW_M, column.shape)
    pad = 2
    wide = np.pad(picture.brightness, ((0, 0), (pad, pad)), mode="wrap")
    known = np.pad(picture.known.astype(np.float32), ((0, 0), (pad, pad)), mode="wrap")
    x, y = ((column + pad).astype(np.float32), row.astype(np.float32))
    flat = (-1, PATCH)
    values, sure = (
        cv2.remap(image, x.reshape(flat), y.reshape(flat), cv2.INTER_LINEAR).reshape(x.shape)
        for image in (wide, known)
    )
    patches = np.asarray(values, np.float32)
    shows = np.array([_fine(p).std() > _LEAST_CONTRAST for p in patches], np.bool_)
    return patches, shows & (sure.min(axis=(1, 2)) > 0.99)


def triangulate(scan: Scan, sites: Sites, patches: NDArray[np.float32]) -> FloatArray:
    """The places of patches, ``(M, 3)`` metres; not finite where too few frames show one well.

    Args:
        scan: The scan.
        sites: Where they are looked for.
        patches: ``(M, PATCH, PATCH)`` logarithmic brightness.

    Source: Hartley and Zisserman, Multiple View Geometry, chapter 12 (the midpoint of many rays).
    """
    indices = sorted(scan.cameras)
    indices = indices[:: max(1, math.ceil(len(indices) / _MOST_FRAMES))]

    def rays(index: int) -> FloatArray:
        return _rays(scan.cameras[index], read_image(scan.frame_paths[index]), sites, patches)

    found = np.stack([*in_threads(rays, indices)])  # (N, M, 3), not finite where not seen
    centres = np.stack([scan.cameras[i].centre for i in indices])
    return np.stack([_meet(centres, found[:, m]) for m in range(len(patches))])


def _rays(
    camera: Camera, image: NDArray[np.uint8], sites: Sites, patches: NDArray[np.float32]
) -> FloatArray:
    """Unit vectors from the camera to the patches, ``(M, 3)``."""
    grey = np.log(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.float32) + 8.0)
    to_eye = camera.centre - sites.points
    cosine = (to_eye * sites.normals).sum(axis=1) / np.linalg.norm(to_eye, axis=1)
    half = PATCH // 2 + _SEARCH
    at = np.arange(-half, half + 1) * sites.step_m
    found = np.full(sites.points.shape, np.nan)
    for m in np.flatnonzero(cosine > _LEAST_COSINE):
        grid = (
            sites.points[m] + at[None, :, None] * sites.along[m] + at[:, None, None] * sites.down[m]
        )
        uvz = camera.project(grid.reshape(-1, 3))
        u, v, depth = (c.reshape(len(at), len(at)) for c in uvz.T)
        inside = (u > 1) & (v > 1) & (u < camera.width - 2) & (v < camera.height - 2) & (depth > 0)
        if not inside.all():
            continue
        seen = cv2.remap(
            grey, (u - 0.5).astype(np.float32), (v - 0.5).astype(np.float32), cv2.INTER_LINEAR
        )
        shift = _shift(seen, patches[m])
        if shift is not None:
            offset = sites.step_m * (shift[0] * sites.along[m] + shift[1] * sites.down[m])
            ray = sites.points[m] + offset - camera.centre
            found[m] = ray / np.linalg.norm(ray)
    return found


def _shift(seen: NDArray[np.float32], patch: NDArray[np.float32]) -> tuple[float, float] | None:
    """Columns and rows by which a patch lies beside the middle; None where it is not found."""
    like = cv2.matchTemplate(_fine(seen), _fine(patch), cv2.TM_CCOEFF_NORMED)
    _, most, _, (x, y) = cv2.minMaxLoc(like)
    last = like.shape[0] - 1
    if most < _LEAST_LIKENESS or x in (0, last) or y in (0, last):
        return None
    return _peak(like[y, x - 1 : x + 2]) + x - _SEARCH, _peak(like[y - 1 : y + 2, x]) + y - _SEARCH


def _fine(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """A patch without light, which changes from film to film."""
    return values - cv2.GaussianBlur(values, (0, 0), _FINE_PX)


def _peak(values: NDArray[Any]) -> float:
    """Place of the vertex of the parabola through three values, from the middle one."""
    left, top, right = (float(v) for v in values)
    return 0.5 * (left - right) / min(left - 2 * top + right, -1e-9)


def _meet(centres: FloatArray, rays: FloatArray) -> FloatArray:
    """The point that rays come nearest to, ``(3,)``; those that miss it are left out in turn.

    Args:
        centres: ``(N, 3)`` where they begin.
        rays: ``(N, 3)`` unit vectors, not finite where there is none.
    """
    used = np.isfinite(rays[:, 0])
    while used.sum() >= _LEAST_RAYS:
        across = np.eye(3) - rays[used, :, None] * rays[used, None, :]
        if np.linalg.eigvalsh(across.mean(axis=0))[0] < _LEAST_SPREAD:
            break
        point = np.linalg.solve(across.sum(axis=0), np.einsum("nij,nj->i", across, centres[used]))
        missed = np.linalg.norm(np.einsum("nij,nj->ni", across, point - centres[used]), axis=1)
        if missed.max() <= _LONGEST_M:
            return np.asarray(point)
        used[np.flatnonzero(used)[missed.argmax()]] = False
    return np.full(3, np.nan)
