"""The atlas as images for people: both sidewalls and the tread, laid flat, with their scale."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.atlas.record import Provenance, TyreAtlas
from tasks.imaging.images import Image, encode_image
from tasks.surface.profile import TREAD_NORMAL, OuterProfile


@dataclass(frozen=True)
class FlatPart:
    """A part of the outer surface, laid flat as an eye outside sees it.

    Args:
        name: ``outer-sidewall``, ``tread`` or ``inner-sidewall``.
        colours: ``(H, W, 3)`` uint8 RGB.
        provenance: ``(H, W)`` uint8, values of `Provenance`.
        clockwise: Whether columns run clockwise as seen from the outer face, or the other way.
        section: ``(H, 2)`` radius and height of the rows' middles, metres.
    """

    name: str
    colours: Image
    provenance: NDArray[np.uint8]
    clockwise: bool
    section: NDArray[np.float64]


def flat_parts(atlas: TyreAtlas) -> list[FlatPart]:
    """Sidewalls, outward up, and the tread between them, the inner face up; none without a profile.

    Args:
        atlas: The atlas.
    """
    if len(atlas.section) == 0:
        return []
    profile = OuterProfile(atlas.section)
    first, last = atlas.layout.rows
    middles = (np.arange(last - first) + 0.5) * atlas.layout.texel_m
    section = np.stack([np.interp(middles, profile.arc, atlas.section[:, k]) for k in (0, 1)], 1)
    radial = np.interp(middles, profile.arc, profile.normals[:, 0])
    tread = np.flatnonzero(radial > TREAD_NORMAL)
    start, end = (int(tread[0]), int(tread[-1]) + 1) if len(tread) else (0, last - first)
    colours, provenance = atlas.colours[first:last], atlas.provenance[first:last]
    inner = slice(0, start)
    parts = [
        FlatPart(name, colours[rows], provenance[rows], True, section[rows])
        for name, rows in (("outer-sidewall", slice(end, None)), ("tread", slice(start, end)))
    ]
    turned = colours[inner][::-1, ::-1], provenance[inner][::-1, ::-1]
    parts.append(FlatPart("inner-sidewall", *turned, False, section[inner][::-1]))
    return [part for part in parts if part.colours.size]


def flat_files(atlas: TyreAtlas) -> dict[str, bytes]:
    """The images as PNG and their scale as JSON, by what is added to the mesh's name."""
    files = {}
    images = []
    for part in flat_parts(atlas):
        files[f".{part.name}.png"] = _png(part.colours[..., ::-1])
        files[f".{part.name}.provenance.png"] = _png(part.provenance)
        images.append(_scale(part, atlas))
    record = {
        "angle": "degrees clockwise from the top, as seen from the outer face",
        "provenance": {kind.name.lower(): int(kind) for kind in Provenance},
        "pictures": images,
    }
    files[".atlas.json"] = json.dumps(record, indent=2).encode() + b"\n"
    return files


def _png(image: NDArray[np.uint8]) -> bytes:
    options = [cv2.IMWRITE_PNG_COMPRESSION, 6]
    return encode_image(".png", np.ascontiguousarray(image), options)


def _scale(part: FlatPart, atlas: TyreAtlas) -> dict[str, Any]:
    """Where the image's pixels lie on the tyre, in plain JSON types."""
    height, width = part.provenance.shape
    step = 360.0 / width
    around = 2000.0 * np.pi * part.section[:, 0] / width
    return {
        "part": part.name,
        "suffix": f".{part.name}.png",
        "provenance_suffix": f".{part.name}.provenance.png",
        "width_px": width,
        "height_px": height,
        "first_column_deg": round(step / 2 if part.clockwise else 360.0 - step / 2, 6),
        "degrees_per_column": round(step if part.clockwise else -step, 6),
        "mm_per_row": round(1000.0 * atlas.layout.texel_m, 6),
        "mm_per_column_top": round(float(around[0]), 6),
        "mm_per_column_bottom": round(float(around[-1]), 6),
        "radius_mm": [round(1000.0 * float(v), 3) for v in part.section[[0, -1], 0]],
        "height_along_axle_mm": [round(1000.0 * float(v), 3) for v in part.section[[0, -1], 1]],
        "measured": round(float((part.provenance == Provenance.MEASURED).mean()), 4),
    }
