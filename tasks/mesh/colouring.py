"""Colours that tell what is known of a surface: what frames saw, and how far they disagree.

The palette is here alone: the viewer in reports is given it, so that images and viewer are alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from tasks.imaging.srgb import linear_from_srgb
from tasks.mesh.glb_reader import FloatArray, ReadMesh
from tasks.mesh.palette import PALETTE

Colouring = Literal["photo", "provenance", "disagreement"]

TOP_PERCENTILE = 98.0
"""Percentile of the disagreement that has the last colour of its ramp."""


def coloured(mesh: ReadMesh, colouring: Colouring) -> FloatArray:
    """Colours of the vertices, linear, ``(V, 3)``.

    Args:
        mesh: A mesh as it was read; attributes that it lacks count as zero.
        colouring: What the colours tell.
    """
    count = len(mesh.vertices)
    if colouring == "photo":
        if mesh.colours is not None:
            return mesh.colours[:, :3]
        return np.tile(_light_of([PALETTE["body"]]), (count, 1))
    nothing = np.zeros(count)
    if colouring == "disagreement":
        disagreement = mesh.attributes.get("disagreement", nothing)
        top = max(float(np.percentile(disagreement, TOP_PERCENTILE)), 1e-6)
        return _along(PALETTE["spread"], disagreement / top)
    seen = mesh.attributes.get("seen_by", nothing)
    colours = _along(PALETTE["seen"], (seen - 1) / max(float(seen.max()) - 1, 1.0))
    inferred = mesh.attributes.get("inferred", nothing) > 0.5
    colours[inferred] = _light_of([PALETTE["inferred"]])
    return colours


def _light_of(colours: Sequence[str]) -> FloatArray:
    values = [[int(colour[k : k + 2], 16) for k in (1, 3, 5)] for colour in colours]
    return np.asarray(linear_from_srgb(np.array(values) / 255.0))


def _along(ramp: Sequence[str], share: FloatArray) -> FloatArray:
    stops = np.linspace(0, 1, len(ramp))
    return np.stack(
        [np.interp(np.clip(share, 0, 1), stops, channel) for channel in _light_of(ramp).T], axis=1
    )
