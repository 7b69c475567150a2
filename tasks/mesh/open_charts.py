"""A mesh without the charts that its texture cuts it open for: all of them, or the small ones.

Every border of a chart is written twice. A surface of revolution has one long one; a rim has
hundreds of charts, and a ragged one so many that their borders fill the file of a level of detail.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from tasks.imaging.images import decode_embedded, encode_image
from tasks.mesh.glb_reader import FloatArray, ReadMesh

_LARGE = 0.05
"""Share of all faces from which a chart counts as large."""
_MARGIN_PX = 8
"""Rows of the texture that stay beyond a chart: neighbours from which a reduced one takes."""
_WHITE_PART = 32
"""The rows that are white take this part of the texture's width, so that some are left of them
after the texture was made as small as may be."""


def without_charts(full: ReadMesh) -> ReadMesh:
    """The mesh without its texture, closed where charts cut it open; its vertices keep colours.

    Args:
        full: A mesh as it was read.
    """
    return _joined(full, np.zeros(len(full.vertices), np.bool_), None, None)


def without_small_charts(full: ReadMesh) -> ReadMesh | None:
    """The mesh with its texture on large charts alone, closed where the others cut it open.

    Elsewhere vertices have their colours: all point to a white texel of the texture, which their
    tint is multiplied by. So the mesh stays one, with one material.

    Args:
        full: A mesh as it was read.

    Returns:
        None where it has no texture that can be read, or none or only such charts.
    """
    if full.uv is None or full.texture is None or full.colours is None:
        return None
    image = decode_embedded(full.texture)
    large = _of_large_charts(full)
    if image is None or large.all() or not large.any():
        return None
    height, width = image.shape[:2]
    rows = np.floor(full.uv[large, 1] * height)
    if rows.min() < 0 or rows.max() > height:
        return None  # the texture repeats from top to bottom
    top = max(int(rows.min()) - _MARGIN_PX, 0)
    bottom = min(int(rows.max()) + 1 + _MARGIN_PX, height)
    white = max(width // _WHITE_PART, 2 * _MARGIN_PX)
    kept = np.concatenate([image[top:bottom, :, :3], np.full((white, width, 3), 255, np.uint8)])
    uv = np.empty_like(full.uv)
    uv[large, 0] = full.uv[large, 0]
    uv[large, 1] = (full.uv[large, 1] * height - top) / len(kept)
    uv[~large] = (0.5, 1 - 0.5 * white / len(kept))
    tint = np.where(large[:, None], 1.0, full.colours[:, :3])
    texture = encode_image(".png", kept, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    return _joined(replace(full, texture=texture, tint=tint), large, uv, tint)


def _of_large_charts(full: ReadMesh) -> NDArray[np.bool_]:
    """Vertices ``(V,)`` of charts that have many faces; a chart is what hangs together."""
    count = len(full.vertices)
    ends = full.faces, np.roll(full.faces, 1, axis=1)
    pairs = coo_matrix(
        (np.ones(full.faces.size), (ends[0].ravel(), ends[1].ravel())), shape=(count, count)
    )
    _, chart = connected_components(pairs, directed=False)
    faces = np.bincount(chart[full.faces[:, 0]], minlength=chart.max() + 1)
    return np.asarray((faces >= _LARGE * len(full.faces))[chart])


def _joined(
    full: ReadMesh,
    apart: NDArray[np.bool_],
    uv: FloatArray | None,
    tint: FloatArray | None,
) -> ReadMesh:
    """The mesh with one vertex at each position, but for vertices ``(V,)`` that stay apart."""
    number = np.where(apart, np.arange(len(full.vertices)) + 1.0, 0.0)
    _, first, position = np.unique(
        np.column_stack([full.vertices, number]), axis=0, return_index=True, return_inverse=True
    )
    faces = position.reshape(-1)[full.faces]
    whole = (faces != np.roll(faces, 1, axis=1)).all(axis=1)
    return replace(
        full,
        vertices=full.vertices[first],
        faces=faces[whole].astype(np.int32),
        normals=None if full.normals is None else full.normals[first],
        colours=None if full.colours is None else full.colours[first],
        uv=None if uv is None else uv[first],
        tint=None if tint is None else tint[first],
        texture=None if uv is None else full.texture,
        attributes={name: values[first] for name, values in full.attributes.items()},
    )
