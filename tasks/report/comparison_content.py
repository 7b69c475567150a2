"""What the report on a comparison shows beside its record."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.comparison.change import Change
from tasks.comparison.compare import Comparison
from tasks.comparison.deviation import BELOW, GAIN, LOSS, UNKNOWN, colours_of, limit_mm
from tasks.comparison.findings import Finding
from tasks.comparison.flat_spots import Roundness
from tasks.comparison.part_pairs import PartPair
from tasks.comparison.polar import COLUMNS, PolarImage
from tasks.core.phrasing import signed
from tasks.mesh.glb_reader import ReadMesh
from tasks.mesh.preview import VIEWS
from tasks.mesh.rendering import Studio
from tasks.report.content import data_uri

FloatArray = NDArray[np.float64]

_QUALITY = 82
_VIEW_PX = 360
_STRETCH = 2
"""Rows of the parts' images are shown so many times: they are low and long."""
_MARK = (0, 140, 255)
"""Colour of a finding's circle, BGR."""


def comparison_content(comparison: Comparison) -> dict[str, Any]:
    """What the page shows, in plain JSON types.

    Args:
        comparison: The comparison.
    """
    change = comparison.change
    found = comparison.found
    return {
        "limit_mm": limit_mm(change),
        "legend": _legend(limit_mm(change)),
        "cells": _cells(change),
        "parts": _parts(change),
        "findings": [{**f.to_dict(), "row_share": _row_share(change, f)} for f in found],
        "crown": _crown(change),
        "round_new": _heights_mm(comparison.round_new),
        "round_damaged": _heights_mm(comparison.round_other),
        "faces": [_face(pair, change, found) for pair in comparison.pairs],
    }


def rendering_of(mesh: ReadMesh) -> str:
    """The mesh from three sides, as a ``data:`` address: what is printed, and shown without WebGL.

    Args:
        mesh: As the viewer shows it.
    """
    studio = Studio(mesh)
    views = [studio.render(*_side(eye), _VIEW_PX, _VIEW_PX) for eye in VIEWS.values()]
    return data_uri(np.ascontiguousarray(np.hstack(views)[..., ::-1]), _QUALITY)


def _side(towards_eye: tuple[float, float, float]) -> tuple[float, float]:
    """Azimuth and elevation, degrees, of a direction."""
    x, y, z = towards_eye
    return math.degrees(math.atan2(x, z)), math.degrees(math.atan2(y, math.hypot(x, z)))


def _legend(limit: float) -> list[dict[str, str]]:
    step = limit / len(LOSS)
    lines = [
        {
            "colour": colour,
            "text": f"{sign if k else ''}{step * k:.2g} to {sign}{step * (k + 1):.2g} mm"
            if k < len(ramp) - 1
            else f"{sign}{step * k:.2g} mm and more",
        }
        for sign, ramp in (("−", LOSS), ("+", GAIN))
        for k, colour in enumerate(ramp)
    ]
    return [
        *lines,
        {"colour": BELOW, "text": "below what can be told"},
        {"colour": UNKNOWN, "text": "not compared"},
    ]


def _cells(change: Change) -> dict[str, Any]:
    colours = colours_of(change.cells, change.cell_lod, limit_mm(change))
    texts = [
        [_change(v, lod) for v, lod in zip(row, lods, strict=True)]
        for row, lods in zip(change.cells.tolist(), change.cell_lod.tolist(), strict=True)
    ]
    return {
        "colours": [[f"#{r:02x}{g:02x}{b:02x}" for r, g, b in row] for row in colours.tolist()],
        "texts": texts,
        "measured": (change.cell_measured >= 0.5).tolist(),
    }


def _change(metres: float, lod_m: float) -> str:
    """A cell's change in words."""
    if not math.isfinite(metres):
        return "not compared"
    detectable = f"told from {1000 * lod_m:.2f} mm on" if math.isfinite(lod_m) else "not told"
    return f"{signed(1000 * metres)} mm, {detectable}"


def _parts(change: Change) -> list[tuple[float, str]]:
    """Where parts begin, as shares of the profile from the inner face's bead, and their names."""
    first, last = change.tread
    rows = change.grid.rows
    return [(0.0, "inner"), (first / rows, "tread"), (last / rows, "outer")]


def _row_share(change: Change, finding: Finding) -> float | None:
    off = np.linalg.norm(change.grid.section - _position(change, finding), axis=1)
    return round((int(off.argmin()) + 0.5) / len(off), 4)


def _position(change: Change, finding: Finding) -> FloatArray:
    """Radius and height of a finding, metres."""
    middle = float(change.grid.section[slice(*change.tread), 1].mean())
    return np.array([finding.radius_mm / 1000, finding.across_mm / 1000 + middle])


def _crown(change: Change) -> dict[str, Any]:
    """Radius over width of both treads, relative to the new one's greatest."""
    first, last = change.tread
    section = change.grid.section[first:last]
    known = np.where(change.measured[first:last], change.fine[first:last], np.nan)
    mean = np.array([np.nanmedian(row) if np.isfinite(row).any() else np.nan for row in known])
    across = 1000 * (section[:, 1] - section[:, 1].mean())
    new = 1000 * (section[:, 0] - section[:, 0].max())
    damaged = new + 1000 * mean * change.grid.normals[first:last, 0]
    every = slice(None, None, max(1, len(across) // 120))
    return {
        "across_mm": _numbers(across[every]),
        "new_mm": _numbers(new[every]),
        "damaged_mm": _numbers(damaged[every]),
    }


def _heights_mm(roundness: Roundness) -> list[float | None]:
    return _numbers(1000 * roundness.height)


def _numbers(values: FloatArray) -> list[float | None]:
    return [round(v, 3) + 0.0 if math.isfinite(v) else None for v in values.tolist()]


def _face(pair: PartPair, change: Change, found: list[Finding]) -> dict[str, Any]:
    """A part of both tyres and what differs, as one image of three strips."""
    apart = np.clip(128 + 150 * pair.difference, 0, 255).astype(np.uint8)
    strips = [_shown(pair.new), _shown(pair.other), np.repeat(apart[..., None], 3, axis=2)]
    size = (COLUMNS, _STRETCH * len(pair.section))
    strips = [np.asarray(cv2.resize(strip, size), np.uint8) for strip in strips]
    for number, finding in enumerate(found, 1):
        if finding.part != pair.part or finding.angle_deg is None:
            continue
        sign = -1 if pair.part.startswith("inner") else 1
        x = int(sign * finding.angle_deg / 360 % 1.0 * COLUMNS)
        row = int(np.linalg.norm(pair.section - _position(change, finding), axis=1).argmin())
        for strip in strips:
            cv2.circle(strip, (x, _STRETCH * row), 30, _MARK, 3, cv2.LINE_AA)
            cv2.putText(
                strip, str(number), (x + 34, _STRETCH * row + 12), cv2.FONT_HERSHEY_SIMPLEX, 1.1,
                _MARK, 3, cv2.LINE_AA,
            )  # fmt: skip
    line = np.full((12, COLUMNS, 3), 255, np.uint8)
    whole = np.vstack([strips[0], line, strips[1], line, strips[2]])
    return {
        "title": pair.part.replace("-", " ").capitalize(),
        "picture": data_uri(np.ascontiguousarray(whole), _QUALITY),
    }


def _shown(image: PolarImage) -> NDArray[np.uint8]:
    """An image with its light evened out, so that both can be looked at side by side."""
    known = image.brightness[image.known]
    if not known.size:
        return np.zeros((*image.known.shape, 3), np.uint8)
    low, high = np.quantile(known, (0.01, 0.99))
    grey = np.clip((image.brightness - low) / max(high - low, 1e-3), 0, 1)
    grey = np.where(image.known, 30 + 200 * grey, 20)
    return np.ascontiguousarray(cv2.cvtColor(grey.astype(np.uint8), cv2.COLOR_GRAY2BGR))
