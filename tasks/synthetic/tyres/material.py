"""Albedo and finish of a tyre's surface, evaluated at points of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.synthetic.tyres.damage import DamageSpec, marks_at
from tasks.synthetic.tyres.profile import FloatArray
from tasks.synthetic.tyres.spec import Lettering, LookSpec, Part

Float32Array = NDArray[np.float32]

COLUMNS = 2048
FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
)


@dataclass(frozen=True)
class Material:
    """What a renderer needs to know of surface points.

    Args:
        albedo: ``(N, 3)`` linear RGB, 0..1.
        specular: ``(N,)`` strength of the reflection, 0..1.
        roughness: ``(N,)`` 0 mirror .. 1 matt.
    """

    albedo: Float32Array
    specular: Float32Array
    roughness: Float32Array


@dataclass(frozen=True)
class SidewallTexture:
    """Colour and coverage over (angle, height) of one sidewall.

    Args:
        colour: ``(H, W, 3)`` linear RGB, row 0 at the outer edge; columns run with the reading
            direction as seen from outside.
        cover: ``(H, W)`` 0..1.
        low, high: Radii of the last and the first row.
    """

    colour: Float32Array
    cover: Float32Array
    low: float
    high: float


def paint_sidewall(look: LookSpec, low: float, high: float) -> SidewallTexture:
    """Draw the bands and words of a look between two radii."""
    pixel = 2 * math.pi * (low + high) / 2 / COLUMNS
    rows = max(16, round((high - low) / pixel))
    colour = np.zeros((rows, COLUMNS, 3), dtype=np.float32)
    cover = np.zeros((rows, COLUMNS), dtype=np.float32)
    share = 1.0 - (np.arange(rows) + 0.5) / rows
    angle = (np.arange(COLUMNS) + 0.5) * (2 * math.pi / COLUMNS)
    for band in look.bands:
        mask = ((share > band.low) & (share < band.high))[:, None] * np.ones(COLUMNS, dtype=bool)
        if band.arcs:
            turn = (angle - band.phase) * band.arcs / (2 * math.pi)
            mask &= np.abs(turn - np.round(turn)) < band.fill / 2
        colour[mask], cover[mask] = band.colour, 1.0
    for text in look.letterings:
        ink = _word(text, rows)
        room = int(0.95 * COLUMNS / text.repeats / len(look.letterings))
        if ink.shape[1] > room:
            size = (room, ink.shape[0])
            ink = np.asarray(cv2.resize(ink, size, interpolation=cv2.INTER_AREA), np.float32)
        top = int((1.0 - text.high) * rows)
        ink = ink[: rows - top]
        for k in range(text.repeats):
            middle = (text.phase / (2 * math.pi) + k / text.repeats) * COLUMNS
            columns = (int(middle) - ink.shape[1] // 2 + np.arange(ink.shape[1])) % COLUMNS
            block = np.ix_(np.arange(top, top + len(ink)), columns)
            a = ink[..., None]
            colour[block] = colour[block] * (1 - a) + a * np.asarray(text.colour, np.float32)
            cover[block] = np.maximum(cover[block], ink)
    return SidewallTexture(colour, cover, low, high)


def _word(text: Lettering, rows: int) -> Float32Array:
    height = max(4, round((text.high - text.low) * rows))
    font = FONTS[text.font % len(FONTS)]
    stroke = max(1, round(text.bold * 48))
    (w, h), base = cv2.getTextSize(text.text, font, 2.0, stroke)
    pad = stroke + 2
    canvas = np.zeros((h + base + 2 * pad, w + 2 * pad), dtype=np.uint8)
    cv2.putText(canvas, text.text, (pad, pad + h), font, 2.0, 255, stroke, cv2.LINE_AA)
    ys, xs = np.nonzero(canvas)
    if len(ys):
        canvas = canvas[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
    width = max(4, round(canvas.shape[1] * height / canvas.shape[0] * text.stretch))
    ink = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(ink, dtype=np.float32) / np.float32(255.0)


def noise(points: FloatArray, scale: float, seed: int) -> FloatArray:
    """Smooth noise in 0..1 of points ``(N, 3)``, features about ``scale`` metres wide."""
    rng = np.random.default_rng(seed)
    size = 24
    table = rng.random((size, size, size), dtype=np.float32)
    p = np.asarray(points, dtype=np.float32) / np.float32(scale) + np.float32(1000.0)
    i = np.floor(p).astype(np.int64)
    f = p - i
    f = f * f * (3 - 2 * f)
    i0, i1 = i % size, (i + 1) % size
    total = np.zeros(len(p), dtype=np.float32)
    for corner in range(8):
        pick = [(corner >> a) & 1 for a in range(3)]
        index = [i1[:, a] if pick[a] else i0[:, a] for a in range(3)]
        weight = np.ones(len(p), dtype=np.float32)
        for a in range(3):
            weight *= f[:, a] if pick[a] else 1 - f[:, a]
        total += weight * table[index[0], index[1], index[2]]
    return np.asarray(total)


def evaluate(
    look: LookSpec,
    texture: SidewallTexture,
    part: NDArray[np.uint8],
    points: FloatArray,
    tread_depth: FloatArray,
    lip_radius: float,
    damage: DamageSpec | None = None,
    tread_radius: float = 0.0,
) -> Material:
    """The material of points whose part is known.

    Args:
        look: Colours and finish.
        texture: Texture of the outer sidewall.
        part: ``(N,)`` :class:`Part` of each point.
        points: ``(N, 3)`` in the axle frame.
        tread_depth: ``(N,)`` metres below the crown.
        lip_radius: Inside of the rim's lip.
        damage: The tyre's damage.
        tread_radius: Outer radius of the new tyre.
    """
    n = len(points)
    albedo = np.empty((n, 3), dtype=np.float32)
    specular = np.full(n, 0.04, dtype=np.float32)
    rough = np.full(n, look.rubber_roughness, dtype=np.float32)
    r = np.hypot(points[:, 0], points[:, 1])
    albedo[:] = look.rubber
    tread = part == Part.TREAD
    albedo[tread] = look.tread
    rough[tread] = min(1.0, look.rubber_roughness + 0.2)
    groove = tread & (tread_depth > 0.0015)
    albedo[groove] = 0.7 * np.asarray(look.rubber, dtype=np.float32)
    _write_sidewall(look, texture, part, points, r, albedo, specular, rough)
    for kinds, colour in (
        ((Part.RIM,), look.rim),
        ((Part.SPOKE, Part.COVER), look.face),
        ((Part.HUB,), look.accent),
        ((Part.BOLT,), (0.25, 0.25, 0.25)),
    ):
        here = np.isin(part, kinds)
        albedo[here], specular[here], rough[here] = colour, look.metal, look.rim_roughness
    if look.polished_lip:
        lip = (part == Part.RIM) & (r > lip_radius - 0.002)
        albedo[lip], specular[lip], rough[lip] = (0.6, 0.6, 0.61), 0.8, 0.2
    brake = part == Part.BRAKE
    albedo[brake], specular[brake], rough[brake] = (0.16, 0.15, 0.145), 0.3, 0.5
    if damage is not None:
        marks = marks_at(damage, points, tread, part == Part.SIDEWALL, tread_radius)
        albedo += marks.cover[:, None] * (marks.paint - albedo)
        specular *= 1 - 0.7 * marks.matt
        rough += marks.matt * (1 - rough)
    fine = noise(points, 0.012, look.seed)
    coarse = noise(points, 0.09, look.seed + 1)
    mottle = 0.7 * coarse + 0.3 * fine
    albedo *= (1.0 + look.mottle * (mottle - 0.5))[:, None]
    if look.dirt_seed is not None:
        mottle = 0.7 * noise(points, 0.09, look.dirt_seed) + 0.3 * fine
    dust = look.dirt * np.clip(2.2 * mottle - 0.7 + 0.5 * groove, 0.0, 1.0)
    dust = np.where(part >= Part.RIM, 0.5 * dust, dust).astype(np.float32)
    albedo += dust[:, None] * (np.asarray(look.dirt_colour, dtype=np.float32) - albedo)
    specular *= 1 - 0.8 * dust
    rough += dust * (1 - rough)
    return Material(np.clip(albedo, 0.0, 1.0), np.clip(specular, 0.0, 1.0), np.clip(rough, 0.02, 1))


def _write_sidewall(
    look: LookSpec,
    texture: SidewallTexture,
    part: NDArray[np.uint8],
    points: FloatArray,
    r: FloatArray,
    albedo: Float32Array,
    specular: Float32Array,
    rough: Float32Array,
) -> None:
    inside = (r > texture.low) & (r < texture.high)
    face = inside if look.both_faces else inside & (points[:, 2] > 0)
    wall = np.flatnonzero((part == Part.SIDEWALL) & face)
    if len(wall) == 0:
        return
    theta = np.arctan2(points[wall, 1], points[wall, 0])
    # Seen from outside, words run clockwise on the outer face, counter-clockwise on the inner.
    turn = np.where(points[wall, 2] > 0, -theta, theta) / (2 * math.pi)
    column = np.floor((turn % 1.0) * COLUMNS).astype(np.int64) % COLUMNS
    rows = len(texture.cover)
    height = (texture.high - r[wall]) / (texture.high - texture.low)
    row = np.clip((height * rows).astype(np.int64), 0, rows - 1)
    a = texture.cover[row, column]
    albedo[wall] += a[:, None] * (texture.colour[row, column] - albedo[wall])
    rough[wall] += a * (0.6 - rough[wall])
    specular[wall] += a * (0.05 - specular[wall])
