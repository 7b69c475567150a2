"""What looks different on sidewalls and tread, beside their shape.

A cut or a scuff is thinner than a surface can be measured, a torn block is smoothed over by it, and
both are seen all the same. The other tyre's image is brought onto the new one's; what is told is
darker or brighter there than all of the new one's neighbourhood, so that the last pixel of the
alignment does not matter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from configs.comparison import CompareConfig
from tasks.comparison.part_pairs import TREAD, PartPair
from tasks.comparison.polar import COLUMNS, ROW_M
from tasks.comparison.ridges import (
    blurred,
    darker_than_around,
    dilated,
    filtered,
    line_kernels,
    standing_out,
    without_dark_lines,
    without_mean,
)
from tasks.geometry.angles import wrapped_deg

FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]
Region = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Rows and columns; columns may count beyond the last."""

_ARC, _FLAT = 0.025, 0.25
"""Turns that a circle's edge reaches at least, and its rows over its columns at most."""
_EDGE, _FOOT = 0.5, 0.4
"""A region ends where it falls to these shares of what it must reach, and of its greatest."""

_LINE_MM, _LINE_WIDTH_MM, _LINE_MARGIN_PX = 6.0, 1.5, 14
_MIN_LINE_DEVIATION, _MIN_PATCH_DEVIATION = 0.004, 0.01
"""Least deviations, logarithmic. Images of one film of a clean, smooth tyre at two sizes differ by
two or three levels of 8 bits in places, which would stand out of smaller ones."""
_LETTER_PX = 3
"""Half the distance of a letter's strokes."""

_PATCH_MM, _PATCH_PX, _PATCH_MARGIN_PX = 13.0, 3.0, 7
"""Wider than grooves."""
_UNEVEN_SECTORS = 32

_GRAIN_MM = 4.0
_QUIET = 0.05
"""Where the new tyre's lines are weaker, logarithmic, there is no edge of its pattern."""
_BAND_PX, _MIN_QUIET_PX = 8, 300
_MIN_QUIET = 0.15
"""Share of what both show of a band that must be quiet: at a groove's edge little is, and what is
shows the groove a pixel beside."""
_BAND_GAP, _MIN_BANDS = 4, 8
"""Bands further apart do not belong together; from fewer the rest of the tread is not known."""
_ALONE = 1.5
"""A band by itself, 8 mm wide, is rougher by the edge of a groove; graining is wider, or strong."""
_SECTORS, _MIN_SECTORS = 12, 0.6


@dataclass(frozen=True)
class VisualMark:
    """A region that looks different.

    Args:
        part: Where it is.
        angle_deg: Clockwise from the top, as one who looks at the outer face sees it; None for
            what goes all round.
        radius_mm: How far its middle is from the axle.
        height_mm: Where its middle is along the axle.
        length_mm: Length of the smallest rectangle around it.
        width_mm: Width of the same.
        strength: Median difference, logarithmic; negative where it is darker.
        certainty: 0 to 1.
    """

    part: str
    angle_deg: float | None
    radius_mm: float
    height_mm: float
    length_mm: float
    width_mm: float
    strength: float
    certainty: float


def visual_marks(pair: PartPair, pixel_m: float, config: CompareConfig) -> list[VisualMark]:
    """Regions of a part that look different, the strongest first.

    Args:
        pair: The part.
        pixel_m: Size of a pixel of the coarser film on the tyre, metres.
        config: Parameters.
    """
    if pair.part == TREAD:
        found = [*_dark_patches(pair, config), *_rough_bands(pair, config)]
    else:
        lines = _dark_lines(pair, config)
        found = [*lines, *(m for m in _plain_regions(pair, config) if not _is_of(m, lines))]
    shortest = max(config.min_visual_mm, config.min_visual_px * 1000 * pixel_m)
    found = [m for m in found if m.length_mm >= shortest]
    found.sort(key=lambda m: -m.certainty * m.length_mm)
    return found[: config.most_visual]


def _plain_regions(pair: PartPair, config: CompareConfig) -> list[VisualMark]:
    """Regions that are darker, or brighter, than the noise between both images allows."""
    least = max(config.min_difference, config.difference_noises * pair.noise)
    found = []
    for sign in (-1, 1):
        for region in _regions(sign * pair.difference / np.float32(least), 1.0, 1.0):
            strength = sign * abs(float(np.median(pair.difference[_inside(region)])))
            if len(region[0]) * _area(pair, region) > config.min_visual_mm2:
                found.append(_mark(pair, region, strength, abs(strength) / (2 * least)))
    return found


def _dark_lines(pair: PartPair, config: CompareConfig) -> list[VisualMark]:
    """Dark lines of the other tyre where the new one shows no line: what cuts look like.

    What is as dark in all directions, such as a blotch of dirt, is no line.
    """
    first, second, usable = pair.comparable(_LINE_MARGIN_PX)
    size = 1000 * pair.column_m(), 1000 * ROW_M
    kernels = list(line_kernels(*size, _LINE_MM, _LINE_WIDTH_MM))
    # about letters lines are no cuts, which a film may show better than the other
    lines = np.max([np.abs(filtered(first, kernel)) for kernel in kernels], axis=0)
    written = dilated(lines, 2 * (pair.tolerance_px + _LETTER_PX) + 1)
    before, now = darker_than_around(first), darker_than_around(second)
    at_first, darkness = (
        without_mean(np.stack([filtered(image, kernel) for kernel in kernels]))
        for image in (before, now)
    )
    best = np.zeros(first.shape, np.float32)
    for was, dark in zip(at_first, darkness, strict=True):
        best = np.maximum(
            best, standing_out(dark - was, usable, _MIN_LINE_DEVIATION, dark - written)
        )
    return _stood_out(pair, best, config.line_noises)


def _dark_patches(pair: PartPair, config: CompareConfig) -> list[VisualMark]:
    """Patches of the tread that got darker, are dark and are wider than grooves: torn rubber.

    What hides in grooves is not seen; that wear makes these paler all round does not count, nor
    where only the new tyre was bright.
    """
    first, second, usable = pair.comparable(_PATCH_MARGIN_PX)
    size = round(_PATCH_MM / (1000 * pair.column_m())), round(_PATCH_MM / (1000 * ROW_M))
    before, now = (without_dark_lines(image, *size) for image in (first, second))
    darker, dark = (
        standing_out(values, usable, _MIN_PATCH_DEVIATION) / _uneven(values, usable)
        for values in (blurred(image, _PATCH_PX) for image in (before - now, -now))
    )
    return _stood_out(pair, np.minimum(darker, dark), config.patch_noises)


def _uneven(values: Float32Array, usable: NDArray[np.bool_]) -> Float32Array:
    """``(COLUMNS,)`` how much more values spread about a column than all round, at least 1.

    Towards the end of what a film shows its image is smeared, blocks and grooves alike.
    """
    away = np.abs(values - np.median(values[usable])) if usable.any() else np.zeros_like(values)

    def median_deviation(columns: NDArray[np.int64]) -> float:
        here = away[:, columns % COLUMNS][usable[:, columns % COLUMNS]]
        return max(float(np.median(here)) if here.size else 0.0, _MIN_PATCH_DEVIATION)

    step = COLUMNS // _UNEVEN_SECTORS
    middles = np.arange(_UNEVEN_SECTORS) * step
    around = np.arange(-step, step)  # half of either neighbour, too
    ratio = np.array([median_deviation(m + around) for m in middles]) / median_deviation(
        np.arange(COLUMNS)
    )
    ratio = np.maximum(ratio, 1.0)
    return np.interp(np.arange(COLUMNS), middles, ratio, period=COLUMNS).astype(np.float32)


def _rough_bands(pair: PartPair, config: CompareConfig) -> list[VisualMark]:
    """Bands of the tread that show more fine lines than the rest of it, all round: graining.

    Only where the new tyre shows none counts, within its blocks; the rest of the tread tells how
    much sharper the one film is, and how much dirtier its tyre.
    """
    first, second, usable = pair.comparable(_LINE_MARGIN_PX)
    size = 1000 * pair.column_m(), 1000 * ROW_M
    kernels = list(line_kernels(*size, _GRAIN_MM, _LINE_WIDTH_MM))
    before, now = (
        np.max([np.abs(filtered(image, kernel)) for kernel in kernels], axis=0)
        for image in (first, second)
    )
    edges = dilated(before, 2 * (pair.tolerance_px + _LETTER_PX) + 1)
    quiet = usable & (edges < _QUIET)
    bands = [slice(k, k + _BAND_PX) for k in range(0, len(quiet) - _BAND_PX + 1, _BAND_PX)]
    for b in bands:
        quiet[b] &= quiet[b].sum() >= _MIN_QUIET * usable[b].sum()
    rougher = np.array([_rougher(before[b], now[b], quiet[b]) for b in bands])
    if np.isfinite(rougher).sum() < _MIN_BANDS:
        return []
    rougher -= np.nanmedian(rougher)
    least = math.log(config.rough_times)
    found = []
    rough = [
        k for k in np.flatnonzero(rougher >= least) if _is_all_round(before, now, quiet, bands[k])
    ]
    for group in np.split(rough, np.flatnonzero(np.diff(rough) > _BAND_GAP) + 1):
        if len(group) == 0 or (len(group) == 1 and rougher[group[0]] < _ALONE * least):
            continue
        rows = np.arange(bands[group[0]].start, bands[group[-1]].stop)
        radius, height = (1000 * pair.section[rows].mean(axis=0)).tolist()
        certainty = min(1.0, float(rougher[group].max()) / (2 * least))
        found.append(
            VisualMark(
                pair.part, None, radius, height,
                2 * math.pi * radius, 1000 * ROW_M * len(rows), -least, certainty,
            )
        )  # fmt: skip
    return found


def _rougher(before: Float32Array, now: Float32Array, quiet: NDArray[np.bool_]) -> float:
    """How much more lines stand out, logarithmic; not finite where too little is quiet."""
    if quiet.sum() < _MIN_QUIET_PX:
        return math.nan
    return math.log(float(np.median(now[quiet])) + 1e-4) - math.log(
        float(np.median(before[quiet])) + 1e-4
    )


def _is_all_round(
    before: Float32Array, now: Float32Array, quiet: NDArray[np.bool_], rows: slice
) -> bool:
    """Whether lines stand out more in most sectors of a band where it is seen."""
    votes = []
    for sector in np.array_split(np.arange(COLUMNS), _SECTORS):
        here = quiet[rows, sector]
        if here.sum() >= _MIN_QUIET_PX / _SECTORS:
            at = before[rows, sector][here], now[rows, sector][here]
            votes.append(float(np.median(at[1])) > 1.5 * float(np.median(at[0])))
    return len(votes) >= 3 and float(np.mean(votes)) >= _MIN_SECTORS


def _stood_out(pair: PartPair, values: Float32Array, least: float) -> list[VisualMark]:
    """Regions that reach ``least``, as dark marks."""
    found = []
    for rows, columns in _regions(values, _EDGE * least, least):
        reached = values[rows, columns % COLUMNS]
        kept = reached >= _FOOT * reached.max()
        region = rows[kept], columns[kept]
        strength = min(float(np.median(pair.difference[_inside(region)])), -1e-3)
        found.append(_mark(pair, region, strength, float(reached.max()) / (2 * least)))
    return found


def _regions(values: Float32Array, edge: float, least: float) -> list[Region]:
    """Regions of ``(H, COLUMNS)`` above ``edge`` that reach ``least``, and follow no circle."""
    mask = (values > edge).astype(np.uint8)
    wide = np.hstack([mask, mask[:, : COLUMNS // 8]])  # a region across the end is found whole
    closed = cv2.morphologyEx(wide, cv2.MORPH_CLOSE, np.ones((3, 5), np.uint8))
    count, labels = cv2.connectedComponents(closed, connectivity=8)
    found = []
    for label in range(1, count):
        rows, columns = np.nonzero(labels == label)
        if columns.min() >= COLUMNS or (columns.min() == 0 and mask[:, -1].any()):
            continue
        region = rows, columns
        if values[_inside(region)].max() >= least and not _is_ring(region):
            found.append(region)
    return found


def _inside(region: Region) -> Region:
    """The region's pixels in an image that goes round once."""
    return region[0], region[1] % COLUMNS


def _is_ring(region: Region) -> bool:
    """Whether a region follows a circle over a long arc: the edge of one that lies a bit off."""
    rows, columns = region
    return bool(np.ptp(columns) > _ARC * COLUMNS and np.ptp(rows) < _FLAT * np.ptp(columns))


def _is_of(mark: VisualMark, others: Sequence[VisualMark]) -> bool:
    """Whether a mark lies on one of others."""
    for other in others:
        assert mark.angle_deg is not None
        assert other.angle_deg is not None
        turn = math.radians(wrapped_deg(mark.angle_deg - other.angle_deg))
        off = math.hypot(turn * other.radius_mm, mark.radius_mm - other.radius_mm)
        if off < (mark.length_mm + other.length_mm) / 2:
            return True
    return False


def _area(pair: PartPair, region: Region) -> float:
    """Square millimetres of a pixel of a region."""
    return 1e6 * ROW_M * pair.column_m(region[0])


def _mark(pair: PartPair, region: Region, strength: float, certainty: float) -> VisualMark:
    rows, columns = region
    radius, height = pair.section[rows].mean(axis=0).tolist()
    step = pair.column_m(rows)
    flat = np.stack([columns * step, rows * ROW_M], axis=1).astype(np.float32)
    _, size, _ = cv2.minAreaRect(flat)
    angle = (float(columns.mean()) + 0.5) * 360.0 / COLUMNS
    if pair.part.startswith("inner"):
        angle = -angle
    return VisualMark(
        pair.part,
        angle % 360.0,
        1000.0 * radius,
        1000.0 * height,
        1000.0 * (max(size) + step),
        1000.0 * (min(size) + ROW_M),
        strength,
        min(1.0, certainty),
    )
