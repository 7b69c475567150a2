"""From the fused field to one closed surface: marching cubes.

Source: Lorensen and Cline, Marching cubes, SIGGRAPH 1987; here in the variant of Lewiner et al.,
Efficient implementation of marching cubes' cases with topological guarantees, 2003.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import fast_simplification
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, diags
from scipy.sparse.csgraph import connected_components
from skimage.measure import marching_cubes

from tasks.fusion.grid import CylinderGrid, Field

FloatArray = NDArray[np.float64]
Faces = NDArray[np.int64]


@dataclass(frozen=True)
class TriangleMesh:
    """A triangle mesh: ``(V, 3)`` metres and ``(F, 3)`` wound outwards."""

    vertices: FloatArray
    faces: Faces


def cartesian_field(
    grid: CylinderGrid, field: Field, resolution: int, *, outside: float
) -> tuple[Field, FloatArray, float]:
    """Resample a field ``(R, T, Z)`` to voxels of equal sides, padded with the value outside.

    Args:
        grid: The grid of the field.
        field: ``(R, T, Z)``.
        resolution: Voxels along the box's longest side.
        outside: Value of the padding, negative.

    Returns:
        ``(X, Y, Z)`` float32, the position of its first voxel, the voxel's side in metres.
    """
    reach = float(grid.radii[-1])
    voxel = 2.0 * reach / resolution
    z_low, z_high = float(grid.heights[0]), float(grid.heights[-1])
    n_z = max(2, math.ceil((z_high - z_low) / voxel))
    along = np.arange(resolution) * voxel - reach + 0.5 * voxel
    heights = z_low + (np.arange(n_z) + 0.5) * ((z_high - z_low) / n_z)
    at = (heights - z_low) / (grid.heights[1] - grid.heights[0])
    k = np.clip(at.astype(np.int64), 0, len(grid.heights) - 2)
    share = (at - k).astype(np.float32)
    columns = (1 - share) * field[:, :, k] + share * field[:, :, k + 1]  # (R, T, n_z)
    n_r, n_t, _ = columns.shape
    columns = columns.reshape(n_r * n_t, n_z)
    out = np.full((resolution + 2, resolution + 2, n_z + 2), outside, np.float32)
    for i, x in enumerate(along):
        r = np.hypot(x, along) / grid.step
        t = np.arctan2(along, x) % (2 * math.pi) * (n_t / (2 * math.pi))
        rows = np.nonzero(r < n_r - 1)[0]
        r, t = r[rows], t[rows]
        ri, ti = r.astype(np.int64), t.astype(np.int64) % n_t
        fr = (r - ri).astype(np.float32)[:, None]
        ft = (t - np.floor(t)).astype(np.float32)[:, None]
        tj = (ti + 1) % n_t
        near = (1 - ft) * columns[ri * n_t + ti] + ft * columns[ri * n_t + tj]
        far = (1 - ft) * columns[(ri + 1) * n_t + ti] + ft * columns[(ri + 1) * n_t + tj]
        out[i + 1, rows + 1, 1:-1] = (1 - fr) * near + fr * far
    origin = np.array([along[0] - voxel, along[0] - voxel, heights[0] - (z_high - z_low) / n_z])
    return out, origin, voxel


def march(
    field: Field, origin: FloatArray, spacing: tuple[float, float, float]
) -> TriangleMesh | None:
    """The closed surfaces at zero that count; ``None`` where the field is empty."""
    if not (field > 0).any():
        return None
    # a value of exactly zero puts several vertices on one point and tears the surface
    field = np.where(np.abs(field) < 1e-5, np.float32(1e-5), field)
    vertices, faces, _, _ = marching_cubes(  # type: ignore[no-untyped-call]
        field, 0.0, spacing=spacing, gradient_direction="descent"
    )
    surface = TriangleMesh(vertices.astype(np.float64) + origin, faces.astype(np.int64))
    return without_small_parts(surface)


def signed_volume(surface: TriangleMesh) -> float:
    """Volume in cubic metres; negative for a surface wound inwards."""
    a, b, c = (surface.vertices[surface.faces[:, k]] for k in range(3))
    return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6.0)


def without_small_parts(surface: TriangleMesh, min_share: float = 0.003) -> TriangleMesh:
    """Drop cavities and bodies of less than a share of the largest body's volume.

    A hub whose spokes were too thin to see stays: it was seen.
    """
    faces = surface.faces
    n = len(surface.vertices)
    edges = coo_matrix(
        (np.ones(2 * len(faces), np.int8), (faces[:, [0, 1]].ravel(), faces[:, [1, 2]].ravel())),
        shape=(n, n),
    )
    count, label = connected_components(edges, directed=False)
    a, b, c = (surface.vertices[faces[:, k]] for k in range(3))
    volume = np.einsum("ij,ij->i", a, np.cross(b, c)) / 6.0
    by_part = np.bincount(label[faces[:, 0]], volume, minlength=count)
    if by_part[np.argmax(np.abs(by_part))] < 0:
        by_part, surface = -by_part, TriangleMesh(surface.vertices, faces[:, ::-1])
    kept = by_part >= min_share * by_part.max()
    if kept.all():
        return surface
    return _compact(TriangleMesh(surface.vertices, surface.faces[kept[label[faces[:, 0]]]]))


def _compact(surface: TriangleMesh) -> TriangleMesh:
    """Drop vertices that no face uses."""
    used = np.unique(surface.faces)
    lookup = np.full(len(surface.vertices), -1, np.int64)
    lookup[used] = np.arange(len(used))
    return TriangleMesh(surface.vertices[used], lookup[surface.faces])


def smooth(surface: TriangleMesh, *, rounds: int) -> TriangleMesh:
    """Taubin smoothing, which takes terraces off and keeps the volume.

    Source: Taubin, A signal processing approach to fair surface design, SIGGRAPH 1995.
    """
    if rounds == 0:
        return surface
    faces, n = surface.faces, len(surface.vertices)
    i = faces[:, [0, 1, 2]].ravel()
    j = faces[:, [1, 2, 0]].ravel()
    links = coo_matrix((np.ones(len(i)), (i, j)), shape=(n, n)).tocsr()
    mean = diags(1.0 / np.maximum(np.asarray(links.sum(axis=1)).ravel(), 1.0)) @ links
    v = surface.vertices
    for _ in range(rounds):
        v = v + 0.5 * (mean @ v - v)
        v = v - 0.53 * (mean @ v - v)
    return TriangleMesh(v, faces)


def simplify(surface: TriangleMesh, face_budget: int) -> TriangleMesh:
    """Reduce the faces to a budget; keeps the surface as it is where that would open it."""
    if face_budget <= 0 or len(surface.faces) <= face_budget:
        return surface
    vertices, faces = fast_simplification.simplify(
        surface.vertices.astype(np.float32),
        surface.faces.astype(np.int32),
        target_count=face_budget,
    )
    reduced = without_small_parts(TriangleMesh(vertices.astype(np.float64), faces.astype(np.int64)))
    return reduced if is_watertight(reduced) else surface


def is_watertight(surface: TriangleMesh) -> bool:
    """True where every edge belongs to exactly two faces that run along it in opposite senses."""
    f = surface.faces
    if len(f) == 0:
        return False
    n = len(surface.vertices)
    a, b = f.ravel(), f[:, [1, 2, 0]].ravel()
    forward = np.sort(a * n + b)
    backward = np.sort(b * n + a)
    return bool((forward == backward).all() and (np.diff(forward) > 0).all())


def outer_radius(vertices: FloatArray, sectors: int = 90) -> float:
    """Median over sectors around the axle of the largest distance from it, in metres."""
    r = np.hypot(vertices[:, 0], vertices[:, 1])
    k = np.arctan2(vertices[:, 1], vertices[:, 0]) % (2 * math.pi) / (2 * math.pi) * sectors
    farthest = np.zeros(sectors)
    np.maximum.at(farthest, k.astype(np.int64) % sectors, r)
    return float(np.median(farthest[farthest > 0]))
