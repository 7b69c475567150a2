"""Where a mesh's faces lie in its texture.

The outer surface lies as the atlas unrolls it: around the tyre along the rows, the profile's arc
length down the columns. What is not of it (rim, inner side) is cut into charts, below.

Angles run clockwise from the top as one who looks at the outer face sees them, and rows from the
inner face's bead to the outer face's: so the image is what an eye outside sees, not its mirror.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from configs.stages import AtlasConfig
from tasks.atlas.charts import cut_into_charts
from tasks.surface.profile import OuterProfile

FloatArray = NDArray[np.float64]

GUTTER_PX = 8
"""Rows beside the atlas that are left free; between charts it is half of that."""
_MAX_DISTANCE = 0.035
"""What lies farther from the profile is not of the outer surface, outer radii."""


@dataclass(frozen=True)
class Layout:
    """A mesh cut open for a texture; positions and the order of faces stay as they are.

    Args:
        uv: ``(W, 2)`` float32, pixels from the texture's left and top edge; a face that crosses the
            end of the atlas's rows has vertices beyond its right edge, where the texture repeats.
        source: ``(W,)`` int32, the mesh's vertex that each one is a copy of.
        faces: ``(F, 3)`` int32 of ``uv``.
        on_atlas: ``(F,)`` whether a face is of the outer surface.
        width: Width of the texture, pixels: once round the tyre.
        height: Its height.
        rows: First and last row (excluded) of the atlas.
        texel_m: Side of a texel along the profile, metres.
    """

    uv: NDArray[np.float32]
    source: NDArray[np.int32]
    faces: NDArray[np.int32]
    on_atlas: NDArray[np.bool_]
    width: int
    height: int
    rows: tuple[int, int]
    texel_m: float


def lay_out(
    vertices: NDArray[np.floating[Any]],
    faces: NDArray[np.integer[Any]],
    profile: OuterProfile | None,
    texel_m: float,
    config: AtlasConfig,
) -> Layout:
    """Lay a mesh out.

    Args:
        vertices: ``(V, 3)`` in the tyre frame, metres.
        faces: ``(F, 3)``.
        profile: The outer surface's profile; None where there is none.
        texel_m: Side of a texel on the tread, metres, as the film has it.
        config: Bounds.
    """
    reach = float(np.hypot(vertices[:, 0], vertices[:, 1]).max())
    around = 2 * math.pi * reach
    width = int(np.clip(round(around / texel_m), config.min_around_px, config.max_around_px))
    texel = around / width
    on_atlas = np.zeros(len(faces), np.bool_)
    uv, source = np.zeros((0, 2)), np.zeros(0, np.int64)
    written = np.zeros((len(faces), 3), np.int64)
    rows = (0, 0)
    if profile is not None:
        at = _unrolled(vertices, profile, width, texel)
        on_atlas = _outer_faces(at, faces, width, reach)
        uv, source, written[on_atlas] = _closed_around(at[:, :2], faces[on_atlas], width)
        rows = (GUTTER_PX, GUTTER_PX + math.ceil(profile.length / texel))
    height = rows[1] + GUTTER_PX
    if not on_atlas.all():
        charts = cut_into_charts(
            vertices,
            faces[~on_atlas],
            width=width,
            texel_m=texel * config.chart_coarseness,
            gutter_px=GUTTER_PX // 2,
        )
        written[~on_atlas] = charts.faces + len(uv)
        uv = np.concatenate([uv, charts.uv + np.array([0.0, height])])
        source = np.concatenate([source, charts.source])
        height += charts.height
    return Layout(
        uv.astype(np.float32),
        source.astype(np.int32),
        written.astype(np.int32),
        on_atlas,
        width,
        height,
        rows,
        texel,
    )


def _unrolled(
    vertices: NDArray[np.floating[Any]], profile: OuterProfile, width: int, texel: float
) -> FloatArray:
    """Column and row of vertices in the atlas, pixels, and their distance from it, ``(V, 3)``."""
    turns = 0.25 - np.arctan2(vertices[:, 1], vertices[:, 0]) / (2 * math.pi)
    arc, distance = profile.unroll(vertices)
    return np.stack([(turns % 1.0) * width, GUTTER_PX + arc / texel, distance], axis=1)


def _outer_faces(
    at: FloatArray, faces: NDArray[np.integer[Any]], width: int, reach: float
) -> NDArray[np.bool_]:
    """Faces ``(F,)`` on the profile that unrolling does not turn over: those that look outwards."""
    row = at[:, 1]
    near = np.abs(at[:, 2]) < _MAX_DISTANCE * reach
    near &= (row > row.min() + 1.0) & (row < row.max() - 1.0)  # what lies beyond gathers there
    corners = at[faces]
    right = (corners[:, 1:, 0] - corners[:, :1, 0] + width / 2) % width - width / 2
    down = corners[:, 1:, 1] - corners[:, :1, 1]
    turned = right[:, 0] * down[:, 1] - right[:, 1] * down[:, 0]  # rows count downwards
    return np.asarray(near[faces].all(axis=1) & (turned < 0))


def _closed_around(
    at: FloatArray, faces: NDArray[np.integer[Any]], width: int
) -> tuple[FloatArray, NDArray[np.int64], NDArray[np.int64]]:
    """Copy the vertices of faces across the rows' end to beyond it.

    Args:
        at: ``(V, 2)`` columns and rows of all vertices.
        faces: ``(F, 3)`` faces of the atlas.
        width: Columns of a turn.

    Returns:
        ``(W, 2)`` columns and rows, ``(W,)`` vertices that they are of, ``(F, 3)`` faces of them.
    """
    column = at[faces, 0]
    across = np.ptp(column, axis=1) > width / 2
    beyond = across[:, None] & (column < width / 2)
    keys, written = np.unique(2 * faces.astype(np.int64) + beyond, return_inverse=True)
    source = keys // 2
    uv = at[source].copy()
    uv[:, 0] += width * (keys % 2)
    return uv, source, written.reshape(faces.shape)
