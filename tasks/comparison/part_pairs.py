"""Sidewalls and treads of two tyres over each other, point by point."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from configs.comparison import CompareConfig
from tasks.atlas.flattened import FlatPart
from tasks.comparison.align import Alignment
from tasks.comparison.polar import COLUMNS, ROW_M, PolarImage, polar_image, strip_image
from tasks.comparison.ridges import blurred, dilated
from tasks.comparison.scan import Scan
from tasks.comparison.spin import other_face
from tasks.surface.robust import robust_sd

FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]

TREAD = "tread"
_BEYOND_M = 0.004
"""Rows beyond those that both show."""
_BROAD_PX = 24.0
"""Sigma of what counts as light, not as a mark."""
_FINE_PX = 0.8
_END_ROWS, _SHOULDER_ROWS = 4, 10
"""Rows that say nothing at a part's ends, and at a sidewall's upper one: blocks of the tread reach
over the shoulder, and how much of their sides is seen differs from film to film."""


@dataclass(frozen=True)
class PartPair:
    """A sidewall or the tread of both tyres in the new one's frame.

    Args:
        part: Its name on the new tyre.
        section: ``(H, 2)`` radius and height of the rows, metres.
        new: The new tyre's image.
        other: The other's, brought onto it.
        difference: ``(H, COLUMNS)`` how far the other is brighter than what surrounds the point on
            the new one, or darker (negative), logarithmic; 0 within the neighbourhood's range.
        noise: What differs by chance, logarithmic.
        tolerance_px: Pixels by which marks may lie off.
    """

    part: str
    section: FloatArray
    new: PolarImage
    other: PolarImage
    difference: Float32Array
    noise: float
    tolerance_px: int

    def comparable(self, margin_px: int) -> tuple[Float32Array, Float32Array, NDArray[np.bool_]]:
        """Both images without their light, and where nothing unknown is near.

        Args:
            margin_px: How near.
        """
        both = self.new.known & self.other.known
        within = _within(self.part, len(both))
        shown = within | (self.part == TREAD)  # filters would bring a shoulder's blocks in
        first, second = (
            np.where(shown, levelled(p.brightness, both), np.float32(0.0))
            for p in (self.new, self.other)
        )
        away = dilated((~both).astype(np.float32), 2 * margin_px + 1) < 0.5
        return first, second, away & within

    def column_m(self, rows: NDArray[np.int64] | slice = slice(None)) -> float:
        """Metres of a column in some rows, or in all."""
        return float(2 * math.pi * self.section[rows, 0].mean() / COLUMNS)


def part_pairs(
    new: Scan, other: Scan, alignment: Alignment, config: CompareConfig
) -> list[PartPair]:
    """Both tyres' sidewalls and treads over each other.

    Args:
        new: The new tyre.
        other: The other one, in its own frame.
        alignment: Where it lies on the new one.
        config: Parameters.
    """
    pairs = []
    for name, part in new.parts.items():
        there = other.parts.get(other_face(name, alignment.faces))
        if there is None:
            continue
        section = _rows_of(part)
        images = _over_each_other(part, there, section, alignment)
        if images is not None:
            tolerance = _tolerance(alignment, config)
            difference, noise = _difference(*images, tolerance)
            difference *= _within(name, len(section))
            pairs.append(PartPair(name, section, *images, difference, noise, tolerance))
    return pairs


def _tolerance(alignment: Alignment, config: CompareConfig) -> int:
    """Pixels by which marks may lie off: at least twice what remains of them."""
    if math.isnan(alignment.residual_mm):
        return config.tolerance_px
    return max(config.tolerance_px, math.ceil(2 * alignment.residual_mm / (1000 * ROW_M)))


def _within(part: str, rows: int) -> NDArray[np.bool_]:
    """``(H, 1)`` which rows of a part's image lie within its ends."""
    row = np.arange(rows)[:, None]
    first = _END_ROWS if part == TREAD else _SHOULDER_ROWS
    return np.asarray((row >= first) & (row < rows - _END_ROWS))


def _rows_of(part: FlatPart) -> FloatArray:
    """``(H, 2)`` radius and height of the rows of a part's image, metres."""
    radius, height = part.section.T
    if part.name == TREAD:
        rows = np.arange(height.min(), height.max(), ROW_M)
        rising = np.maximum.accumulate(height)
        return np.stack([np.interp(rows, rising, radius), rows], axis=1)
    rows = np.arange(radius.max(), radius.min(), -ROW_M)
    rising = np.maximum.accumulate(radius[::-1])
    return np.stack([rows, np.interp(rows, rising, height[::-1])], axis=1)


def _over_each_other(
    new: FlatPart, other: FlatPart, section: FloatArray, alignment: Alignment
) -> tuple[PolarImage, PolarImage] | None:
    """The images of a part at the same points, rows as of ``section``."""
    scale = alignment.transform.scale
    across = 1 if new.name == TREAD else 0
    rows, own = section[:, across], scale * other.section[:, across]
    if len(rows) < 8 or own.max() < rows.min() or own.min() > rows.max():
        return None
    # where each pixel's point lies on the other tyre
    side = 1.0 if new.clockwise else -1.0
    angle = (np.arange(COLUMNS) + 0.5) * (2 * math.pi / COLUMNS)
    radius, height = section[:, :1], section[:, 1:]
    points = np.stack(
        [
            side * radius * np.sin(angle),
            radius * np.cos(angle),
            np.broadcast_to(height, (len(rows), COLUMNS)),
        ],
        axis=-1,
    )
    back = alignment.transform.inverse().apply(points.reshape(-1, 3)).reshape(points.shape)
    own_side = 1.0 if other.clockwise else -1.0
    turn = np.arctan2(own_side * back[..., 0], back[..., 1]) / (2 * math.pi) % 1.0
    columns = (turn * COLUMNS - 0.5).astype(np.float32)
    wide = max(own.max(), rows.max()) + _BEYOND_M, min(own.min(), rows.min()) - _BEYOND_M
    if new.name == TREAD:
        heights = np.arange(wide[1], wide[0], ROW_M)
        first, second = strip_image(new, 1.0, rows), strip_image(other, scale, heights)
        at = (scale * back[..., 2] - heights[0]) / ROW_M
    else:
        radii = np.arange(wide[0], wide[1], -ROW_M)
        first, second = polar_image(new, 1.0, rows), polar_image(other, scale, radii)
        at = (radii[0] - scale * np.hypot(back[..., 0], back[..., 1])) / ROW_M
    return first, _sampled(second, at.astype(np.float32), columns, section[:, 0])


def _sampled(
    image: PolarImage, rows: Float32Array, columns: Float32Array, radii: FloatArray
) -> PolarImage:
    """An image at other positions; its columns go round."""
    pad = 8

    def sample(values: NDArray[np.floating]) -> Float32Array:
        wide = np.pad(np.asarray(values, np.float32), ((0, 0), (pad, pad)), mode="wrap")
        moved = cv2.remap(
            wide, columns + np.float32(pad), rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        return np.asarray(moved, np.float32)

    inside = (rows >= 0) & (rows <= len(image.known) - 1)
    known = (sample(image.known.astype(np.float32)) > 0.99) & inside
    return PolarImage(sample(image.brightness), sample(image.marks), known, radii)


def _difference(
    new: PolarImage, other: PolarImage, tolerance_px: int
) -> tuple[Float32Array, float]:
    """How far the other lies outside of the range of the new one's neighbourhood."""
    both = new.known & other.known
    first, second = (levelled(p.brightness, both) for p in (new, other))
    side = 2 * tolerance_px + 1
    high, low = dilated(first, side), -dilated(-first, side)
    out = np.where(second > high, second - high, np.where(second < low, second - low, 0.0))
    plain = (first - second)[both]
    noise = robust_sd(plain) if plain.size else 0.0
    margin = cv2.erode(both.astype(np.uint8), np.ones((7, 7), np.uint8), borderValue=0) > 0
    return np.where(margin, out, 0.0).astype(np.float32), noise


def levelled(values: Float32Array, known: NDArray[np.bool_]) -> Float32Array:
    """Brightness less its broad variation."""
    share = known.astype(np.float32)
    weight = np.maximum(blurred(share, _BROAD_PX), 1e-3)
    broad = blurred(values * share, _BROAD_PX) / weight
    return blurred(np.where(known, values - broad, 0.0).astype(np.float32), _FINE_PX)
