"""The texture of a mesh as numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.imaging.images import decode_embedded
from tasks.imaging.sampling import sample_repeating
from tasks.imaging.srgb import linear_from_srgb

Float32Array = NDArray[np.float32]
FloatArray = NDArray[np.float64]


def decoded(texture: bytes | None) -> Float32Array | None:
    """A texture, linear RGB ``(H, W, 3)``; None where there is none that can be read.

    Args:
        texture: Its file; None for none.
    """
    image = None if texture is None else decode_embedded(texture)
    if image is None:
        return None
    return linear_from_srgb(image[..., ::-1].astype(np.float64) / 255.0).astype(np.float32)


def sampled(texture: Float32Array, uv: NDArray[np.floating[Any]]) -> Float32Array:
    """Bilinear samples ``(N, 3)``; the texture repeats.

    Args:
        texture: ``(H, W, 3)``, from :func:`decoded`.
        uv: ``(N, 2)`` texture coordinates.
    """
    height, width = texture.shape[:2]
    at = uv.astype(np.float32) * np.array([width, height], np.float32) - np.float32(0.5)
    return sample_repeating(texture, at[:, 0], at[:, 1])


def uv_gradients(vertices: FloatArray, faces: NDArray[np.int32], uv: FloatArray) -> FloatArray:
    """How texture coordinates change along a surface, at its vertices.

    Args:
        vertices: ``(V, 3)`` metres.
        faces: ``(F, 3)``.
        uv: ``(V, 2)``.

    Returns:
        ``(V, 3, 2)`` change per metre along each axis, the mean of the faces about a vertex, by
        area; zero along their normals.
    """
    corner = vertices[faces]
    a, b = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
    normal = np.cross(a, b)
    area = np.linalg.norm(normal, axis=1)
    good = area > 1e-9 * area.max(initial=0.0)
    faces, a, b, normal, area = faces[good], a[good], b[good], normal[good], area[good, None, None]
    first, second = (uv[faces[:, k]] - uv[faces[:, 0]] for k in (1, 2))
    across, along = np.cross(b, normal), np.cross(normal, a)
    by_area = across[:, :, None] * first[:, None] + along[:, :, None] * second[:, None]
    corners = faces.ravel()
    weight = np.bincount(corners, np.repeat(area.ravel(), 3), len(vertices))
    sums = [
        np.bincount(corners, np.repeat(column, 3), len(vertices))
        for column in (by_area / area).reshape(-1, 6).T
    ]
    return (np.stack(sums, axis=1) / np.maximum(weight, 1e-30)[:, None]).reshape(-1, 3, 2)
