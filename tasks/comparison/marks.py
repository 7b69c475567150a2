"""What looks different on the sidewalls, beside their shape.

A cut or a scuff is thinner than a surface can be measured, and is seen all the same. The other
tyre's picture is brought onto the new one's; what is darker there than all of the new one's
neighbourhood, or brighter, differs whatever the last pixel of the alignment is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from configs.comparison import CompareConfig
from tasks.atlas.flattened import FlatPart
from tasks.comparison.align import Alignment, other_face
from tasks.comparison.polar import COLUMNS, ROW_M, PolarPicture, polar_picture
from tasks.comparison.scan import Scan
from tasks.surface.robust import robust_sd

FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]

_BROAD_PX = 24.0
"""Sigma of what counts as light, not as a mark."""
_FINE_PX = 0.8
_ARC, _FLAT = 0.025, 0.25
"""Turns that a circle's edge reaches at least, and its rows over its columns at most."""


@dataclass(frozen=True)
class FacePair:
    """A sidewall of both tyres in the new one's place.

    Args:
        part: Name of the new tyre's sidewall.
        new: The new tyre's picture.
        other: The other's, brought onto it.
        difference: ``(H, COLUMNS)`` how far the other is brighter than what surrounds the place on
            the new one, or darker (negative), logarithmic; 0 within the neighbourhood's range.
        noise: What differs by chance, logarithmic.
    """

    part: str
    new: PolarPicture
    other: PolarPicture
    difference: Float32Array
    noise: float


@dataclass(frozen=True)
class VisualMark:
    """A region of a sidewall that looks different.

    Args:
        part: Name of the sidewall.
        angle_deg: Clockwise from the top, as one who looks at the outer face sees it.
        radius_mm: Of its middle.
        length_mm: Of the smallest rectangle around it.
        width_mm: Of the same.
        strength: Median difference, logarithmic; negative where it is darker.
        certainty: 0 to 1.
    """

    part: str
    angle_deg: float
    radius_mm: float
    length_mm: float
    width_mm: float
    strength: float
    certainty: float


def face_pairs(
    new: Scan, other: Scan, alignment: Alignment, config: CompareConfig
) -> list[FacePair]:
    """Both tyres' sidewalls over each other.

    Args:
        new: The new tyre.
        other: The other one, in its own frame.
        alignment: Where it lies on the new one.
        config: Parameters.
    """
    pairs = []
    for name, part in new.parts.items():
        there = other.parts.get(other_face(name, alignment.faces))
        if name == "tread" or there is None:
            continue
        pictures = _over_each_other(part, there, alignment)
        if pictures is not None:
            difference, noise = _difference(*pictures, _tolerance(alignment, config))
            pairs.append(FacePair(name, *pictures, difference, noise))
    return pairs


def _tolerance(alignment: Alignment, config: CompareConfig) -> int:
    """Pixels by which marks may lie off: at least twice what remains of them."""
    if math.isnan(alignment.residual_mm):
        return config.tolerance_px
    return max(config.tolerance_px, math.ceil(2 * alignment.residual_mm / (1000 * ROW_M)))


def _over_each_other(
    new: FlatPart, other: FlatPart, alignment: Alignment
) -> tuple[PolarPicture, PolarPicture] | None:
    """The pictures of a face at the same places."""
    radii = np.arange(new.section[:, 0].max(), new.section[:, 0].min(), -ROW_M)
    scale = alignment.place.scale
    own = scale * other.section[:, 0]
    if len(radii) < 8 or own.max() < radii[-1] or own.min() > radii[0]:
        return None
    first = polar_picture(new, 1.0, radii)
    # where each pixel's place lies on the other tyre
    side = 1.0 if new.clockwise else -1.0
    angle = (np.arange(COLUMNS) + 0.5) * (2 * math.pi / COLUMNS)
    rising = new.section[::-1]
    height = np.interp(radii, np.maximum.accumulate(rising[:, 0]), rising[:, 1])
    points = np.stack(
        [
            side * radii[:, None] * np.sin(angle),
            radii[:, None] * np.cos(angle),
            np.broadcast_to(height[:, None], (len(radii), COLUMNS)),
        ],
        axis=-1,
    )
    back = alignment.place.inverse().apply(points.reshape(-1, 3)).reshape(points.shape)
    radius = scale * np.hypot(back[..., 0], back[..., 1])
    own_side = 1.0 if other.clockwise else -1.0
    turn = np.arctan2(own_side * back[..., 0], back[..., 1]) / (2 * math.pi) % 1.0
    wide = np.arange(max(own.max(), radii[0]) + 0.004, min(own.min(), radii[-1]) - 0.004, -ROW_M)
    second = polar_picture(other, scale, wide)
    rows = ((wide[0] - radius) / ROW_M).astype(np.float32)
    columns = (turn * COLUMNS - 0.5).astype(np.float32)
    return first, _sampled(second, rows, columns, radii)


def _sampled(
    picture: PolarPicture, rows: Float32Array, columns: Float32Array, radii: FloatArray
) -> PolarPicture:
    """A picture at other places; its columns go round."""
    pad = 8

    def sample(values: NDArray[np.floating]) -> Float32Array:
        wide = np.pad(np.asarray(values, np.float32), ((0, 0), (pad, pad)), mode="wrap")
        moved = cv2.remap(
            wide, columns + np.float32(pad), rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        return np.asarray(moved, np.float32)

    inside = (rows >= 0) & (rows <= len(picture.radii) - 1)
    known = (sample(picture.known.astype(np.float32)) > 0.99) & inside
    return PolarPicture(sample(picture.brightness), sample(picture.marks), known, radii)


def _difference(
    new: PolarPicture, other: PolarPicture, tolerance_px: int
) -> tuple[Float32Array, float]:
    """How far the other lies outside of the range of the new one's neighbourhood."""
    both = new.known & other.known
    first, second = (_levelled(p.brightness, both) for p in (new, other))
    kernel = np.ones((2 * tolerance_px + 1, 2 * tolerance_px + 1), np.uint8)
    pad = 2 * tolerance_px
    wide = np.pad(first, ((0, 0), (pad, pad)), mode="wrap")
    high = cv2.dilate(wide, kernel)[:, pad:-pad]
    low = cv2.erode(wide, kernel)[:, pad:-pad]
    out = np.where(second > high, second - high, np.where(second < low, second - low, 0.0))
    plain = (first - second)[both]
    noise = robust_sd(plain) if plain.size else 0.0
    margin = cv2.erode(both.astype(np.uint8), np.ones((7, 7), np.uint8), borderValue=0) > 0
    return np.where(margin, out, 0.0).astype(np.float32), noise


def _levelled(values: Float32Array, known: NDArray[np.bool_]) -> Float32Array:
    """Brightness less its broad variation."""
    share = known.astype(np.float32)
    pad = int(4 * _BROAD_PX)

    def blurred(image: Float32Array, sigma: float) -> Float32Array:
        wide = np.pad(image, ((0, 0), (pad, pad)), mode="wrap")
        return np.asarray(cv2.GaussianBlur(wide, (0, 0), sigma)[:, pad:-pad], np.float32)

    weight = np.maximum(blurred(share, _BROAD_PX), 1e-3)
    broad = blurred(values * share, _BROAD_PX) / weight
    return blurred(np.where(known, values - broad, 0.0).astype(np.float32), _FINE_PX)


def visual_marks(pair: FacePair, config: CompareConfig) -> list[VisualMark]:
    """Regions of a sidewall that look different, the strongest first.

    Args:
        pair: The sidewall.
        config: Parameters.
    """
    least = max(config.min_difference, config.difference_noises * pair.noise)
    found = []
    for sign in (-1, 1):
        mask = (sign * pair.difference > least).astype(np.uint8)
        wide = np.hstack([mask, mask[:, : COLUMNS // 8]])  # a region across the end is found whole
        closed = cv2.morphologyEx(wide, cv2.MORPH_CLOSE, np.ones((3, 5), np.uint8))
        count, labels = cv2.connectedComponents(closed, connectivity=8)
        for label in range(1, count):
            rows, columns = np.nonzero(labels == label)
            if columns.min() >= COLUMNS or (columns.min() == 0 and mask[:, -1].any()):
                continue
            mark = _mark(pair, rows, columns, sign, least)
            if _is_ring(rows, columns):
                continue
            if mark.length_mm >= config.min_visual_mm and len(rows) * _area(pair, rows) > (
                config.min_visual_mm2
            ):
                found.append(mark)
    found.sort(key=lambda m: -abs(m.strength) * m.length_mm)
    return found[: config.most_visual]


def _is_ring(rows: NDArray[np.int64], columns: NDArray[np.int64]) -> bool:
    """Whether a region follows a circle over a long arc: the edge of one that lies a bit off."""
    return bool(np.ptp(columns) > _ARC * COLUMNS and np.ptp(rows) < _FLAT * np.ptp(columns))


def _area(pair: FacePair, rows: NDArray[np.int64]) -> float:
    """Square millimetres of a pixel in these rows."""
    return float(1e6 * ROW_M * 2 * math.pi * pair.new.radii[rows].mean() / COLUMNS)


def _mark(
    pair: FacePair, rows: NDArray[np.int64], columns: NDArray[np.int64], sign: int, least: float
) -> VisualMark:
    radius = float(pair.new.radii[rows].mean())
    step = 2 * math.pi * radius / COLUMNS
    flat = np.stack([columns * step, rows * ROW_M], axis=1).astype(np.float32)
    _, size, _ = cv2.minAreaRect(flat)
    strength = float(np.median(pair.difference[rows, columns % COLUMNS]))
    angle = (float(columns.mean()) + 0.5) * 360.0 / COLUMNS
    if pair.part.startswith("inner"):
        angle = -angle
    return VisualMark(
        pair.part,
        angle % 360.0,
        1000.0 * radius,
        1000.0 * (max(size) + step),
        1000.0 * (min(size) + ROW_M),
        sign * abs(strength),
        float(min(1.0, abs(strength) / (2 * least))),
    )
