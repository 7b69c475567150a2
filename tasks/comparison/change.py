"""How far the surface of one tyre lies off that of another, and what of it can be told.

Round the tyre the meshes tell the change; what it is on the average all round, the outlines tell,
which many frames show of every height. Differences are taken along the normals of the new tyre's
profile; minus is material lost.

The level of detection follows M3C2 (Lague, Brodu and Leroux, Accurate 3D comparison of complex
topography with terrestrial laser scanner, ISPRS Journal 82, 2013): 1.96 standard deviations of what
chance does, plus what the alignment leaves. What lies below it is no zero: it cannot be told.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from configs.comparison import CompareConfig
from tasks.comparison.align import Alignment
from tasks.comparison.surface_samples import Measured
from tasks.comparison.tread_section import TreadSection, mean_change, tread_section
from tasks.surface.heights import SurfaceGrid
from tasks.surface.profile import TREAD_NORMAL, ZONES
from tasks.surface.robust import robust_sd

FloatArray = NDArray[np.float64]

_95 = 1.96
_MIN_FRAMES = 8
"""Frames that must show a height for their outlines to tell it."""
_MIN_TOUCHES = 5
"""Points of an outline that must touch a height for its frame to count."""
_BESIDE_ROWS, _SIDEWAYS = 5, 0.75
"""Rows of a band beside the tread, and the part of its normals along the axle from which on it
tells where the tyre lies along that."""


@dataclass(frozen=True)
class Zone:
    """A zone of the tread all round.

    Args:
        name: One of :data:`ZONES`.
        from_mm: Where it begins along the axle, from the tread's middle towards the outer face.
        to_mm: Where it ends.
        mean_change_mm: Minus is material lost; not finite where too little was seen.
        lod95_mm: What the mean must exceed to count as a change.
        coverage: Share of the zone that frames of both films saw.
        frames: Frames whose outlines tell it, of the film that has fewer; 0 where meshes do.
    """

    name: str
    from_mm: float
    to_mm: float
    mean_change_mm: float
    lod95_mm: float
    coverage: float
    frames: int

    @property
    def significant(self) -> bool:
        """Whether the change exceeds what can be told."""
        return bool(abs(self.mean_change_mm) > self.lod95_mm)


@dataclass(frozen=True)
class Change:
    """The change over the outer surface.

    Args:
        grid: Where it is told.
        fine: ``(rows, columns)`` metres; not finite where it is not known.
        measured: ``(rows, columns)`` where frames of both films saw the surface.
        cells: ``(R, C)`` medians over cells, metres.
        cell_lod: ``(R, C)`` level of detection, metres.
        cell_measured: ``(R, C)`` share of each cell that was measured.
        zones: The tread's zones.
        turning: ``(rows, columns)`` part of the difference that a shift across the axle and a tilt
            of it explain, metres; it is taken out.
        off_centre_mm: The shift.
        tread: Rows of the tread, first and last (excluded).
        pixel_m: What a pixel of the coarser film covers, metres.
        misfit_m: How far the outlines of each film lie apart, metres; not finite where unknown.
    """

    grid: SurfaceGrid
    fine: FloatArray
    measured: NDArray[np.bool_]
    cells: FloatArray
    cell_lod: FloatArray
    cell_measured: FloatArray
    zones: list[Zone]
    turning: FloatArray
    off_centre_mm: float
    tread: tuple[int, int]
    pixel_m: float
    misfit_m: tuple[float, float]

    def without_values(self) -> Change:
        """The same where nothing can be told: no change exceeds its level of detection."""
        zones = [replace(zone, lod95_mm=math.inf) for zone in self.zones]
        return replace(self, cell_lod=np.full(self.cell_lod.shape, math.inf), zones=zones)

    @property
    def significant(self) -> NDArray[np.bool_]:
        """``(R, C)`` cells whose change exceeds what can be told."""
        with np.errstate(invalid="ignore"):
            return (np.abs(self.cells) > self.cell_lod) & (self.cell_measured >= 0.5)


@dataclass(frozen=True)
class _AllRound:
    """The change of bands of rows on the average round the tyre, by the outlines.

    Args:
        change: ``(B,)`` metres; not finite where too few frames tell.
        sd: ``(B,)`` its standard deviation.
        frames: ``(B,)`` frames of the film that has fewer.
    """

    change: FloatArray
    sd: FloatArray
    frames: NDArray[np.int64]


@dataclass(frozen=True)
class _Sections:
    """The sections of both treads, and how the other lies along the axle.

    Args:
        new, other: The sections; None where too few frames show one.
        along: How far the other lies towards the outer face, metres.
        along_sd: Its standard deviation.
        sideways: ``(rows,)`` part of the normals along the axle.
    """

    new: TreadSection | None
    other: TreadSection | None
    along: float
    along_sd: float
    sideways: FloatArray


def change_between(
    grid: SurfaceGrid, new: Measured, other: Measured, alignment: Alignment, config: CompareConfig
) -> Change:
    """The change from one surface to another.

    Args:
        grid: The grid of both.
        new: The new tyre.
        other: The other, brought onto it.
        alignment: How it was brought.
        config: Parameters.
    """
    heights = new.heights, other.heights
    measured = np.isfinite(heights[0].height) & np.isfinite(heights[1].height)
    measured &= ~(heights[0].inferred | heights[1].inferred)
    tread = tread_rows(grid)
    turning, off_centre = _turning(grid, heights[1].height - heights[0].height, measured, tread)
    fine = heights[1].height - heights[0].height - turning
    pixel_m = max(new.touches.pixel_size, other.touches.pixel_size)
    remains = 0.0 if math.isnan(alignment.registration_mm) else alignment.registration_mm / 1000
    rows, columns = cell_shape(grid, config)
    bands = np.array_split(np.arange(grid.rows), rows)
    sections = _Sections(
        tread_section(new, grid, tread, 0.0, config.hidden_deg),
        tread_section(other, grid, tread, turning, config.hidden_deg),
        *_along_axle(grid, new, other, turning, tread, config),
        grid.normals[:, 1],
    )
    all_round = _all_round(bands, new, other, sections, turning, config)
    fine = _levelled(fine, measured, bands, all_round)
    outlined = np.isfinite(all_round.sd)
    chance = np.where(outlined, all_round.sd, 0.0)
    floor = np.where(outlined, config.cell_floor_px, config.sidewall_floor_px) * pixel_m
    lod = _95 * np.hypot(np.hypot(chance, remains), floor)
    return Change(
        grid,
        fine,
        measured,
        _by_cell(fine, measured, rows, columns),
        np.repeat(lod[:, None], columns, axis=1),
        _share_of(measured, rows, columns),
        _zones(
            grid, fine, measured, tread, new, other, sections, turning, alignment, pixel_m, config
        ),
        turning,
        1000 * off_centre,
        tread,
        pixel_m,
        (_misfit(sections.new, new), _misfit(sections.other, other)),
    )


def _misfit(section: TreadSection | None, measured: Measured) -> float:
    """How far outlines lie apart: off the section that they show, or, without one, off the mesh."""
    return measured.touches.misfit_m if section is None else section.misfit


def tread_rows(grid: SurfaceGrid) -> tuple[int, int]:
    """First and last row (excluded) of the tread."""
    rows = np.flatnonzero(grid.normals[:, 0] > TREAD_NORMAL)
    return (int(rows[0]), int(rows[-1]) + 1) if len(rows) else (0, grid.rows)


def cell_shape(grid: SurfaceGrid, config: CompareConfig) -> tuple[int, int]:
    """Number of cells along the profile and round the tyre."""
    rows = max(1, round(1000 * grid.profile.length / config.cell_mm))
    return min(rows, grid.rows), min(round(360 / config.cell_deg), grid.columns)


def _turning(
    grid: SurfaceGrid, change: FloatArray, measured: NDArray[np.bool_], tread: tuple[int, int]
) -> tuple[FloatArray, float]:
    """What a shift across the axle and a tilt of it explain of a change, and the shift, metres.

    Films hardly tell an axle's rest of misplacement from wear that goes once round the tyre. Tread
    and sidewalls may each have changed all over: each has an offset of its own beside.
    """
    first, last = tread
    sine, cosine = np.sin(grid.angles), np.cos(grid.angles)
    out, along = grid.normals[:, :1], grid.normals[:, 1:]
    lever = grid.section[:, :1] * along - grid.section[:, 1:] * out  # of a tilt about the centre
    moves = np.stack([out * sine, out * cosine, lever * cosine, -lever * sine])
    part = np.zeros((3, *change.shape))
    for k, rows in enumerate((slice(0, first), slice(first, last), slice(last, None))):
        part[k, rows] = 1.0
    basis = np.concatenate([moves, part])
    if measured.sum() < 100:
        return np.zeros(change.shape), 0.0
    every = np.flatnonzero(measured)[:: max(1, int(measured.sum()) // 40_000)]
    design, target = basis.reshape(len(basis), -1)[:, every].T, change.ravel()[every]
    size = 1e-9 * np.eye(len(basis))
    weight, solved = np.ones(len(target)), np.zeros(len(basis))
    for _ in range(10):  # Cauchy weights: a flat spot must not tilt the axle
        scaled = design * weight[:, None]
        solved = np.linalg.solve(scaled.T @ design + size, scaled.T @ target)
        rest = target - design @ solved
        robust_scale = max(robust_sd(rest, 0.0), 1e-5)
        weight = 1.0 / (1.0 + (rest / (2 * robust_scale)) ** 2)
    return np.tensordot(solved[:4], moves, axes=1), float(np.hypot(*solved[:2]))


def _all_round(
    bands: list[NDArray[np.int64]],
    new: Measured,
    other: Measured,
    sections: _Sections,
    turning: FloatArray,
    config: CompareConfig,
) -> _AllRound:
    """The change of bands of rows on the average round the tyre."""
    change, sds, frames = [], [], []
    for band in bands:
        value, sd, count = _by_section(sections, band)
        if not count:
            value, sd, count = _by_frames(new, other, turning, band, config)
        change.append(value)
        sds.append(sd)
        frames.append(count)
    return _AllRound(np.array(change), np.array(sds), np.array(frames))


def _by_frames(
    new: Measured,
    other: Measured,
    turning: FloatArray,
    band: NDArray[np.int64],
    config: CompareConfig,
) -> tuple[float, float, int]:
    """The change of a band of rows, its standard deviation, and frames; 0 where too few tell."""
    a, b = (_of_frames(m, s, band, config) for m, s in ((new, 0.0), (other, turning)))
    count = min(len(a), len(b))
    if count < _MIN_FRAMES:
        return math.nan, math.nan, 0
    return float(np.median(b) - np.median(a)), math.hypot(_sd(a), _sd(b)), count


def _along_axle(
    grid: SurfaceGrid,
    new: Measured,
    other: Measured,
    turning: FloatArray,
    tread: tuple[int, int],
    config: CompareConfig,
) -> tuple[float, float]:
    """How far the other lies towards the outer face, and its standard deviation, metres.

    Marks tell hardly where a tyre lies along its axle. Outlines do, of the sidewalls beside the
    tread, which do not wear: one comes nearer as the other goes away. 0 where not both are told.
    """
    first, last = tread
    normal = grid.normals[:, 1]
    sides = []
    for rows in (np.arange(first)[::-1], np.arange(last, grid.rows)):
        estimates = []
        for k in range(0, len(rows) - _BESIDE_ROWS + 1, _BESIDE_ROWS):
            band = np.sort(rows[k : k + _BESIDE_ROWS])
            along = float(normal[band].mean())
            value, sd, count = _by_frames(new, other, turning, band, config)
            if count and abs(along) > _SIDEWAYS:
                estimates.append((value / along, sd / abs(along)))
        if not estimates:
            return 0.0, 0.0
        sides.append(np.mean(estimates, axis=0))
    (inner, inner_sd), (outer, outer_sd) = sides
    return float(inner + outer) / 2, math.hypot(inner_sd, outer_sd) / 2


def _by_section(sections: _Sections, band: NDArray[np.int64]) -> tuple[float, float, int]:
    """The change of a band of the tread, its standard deviation, and frames; 0 where none tell."""
    a, b = sections.new, sections.other
    if a is None or b is None:
        return math.nan, math.nan, 0
    value, sd = mean_change(a.of(band), b.of(band))
    sideways = float(sections.sideways[band].mean())
    value -= sideways * sections.along
    sd = math.hypot(sd, sideways * sections.along_sd)
    return value, sd, min(a.frames, b.frames) if math.isfinite(value + sd) else 0


def _of_frames(
    measured: Measured,
    turning: FloatArray | float,
    band: NDArray[np.int64],
    config: CompareConfig,
) -> FloatArray:
    """The median height of a band of rows in every frame whose outline touches it, metres."""
    seen = measured.above_ground(config.hidden_deg, turning)
    used = (seen.row > band[0] - 0.5) & (seen.row < band[-1] + 0.5)
    value, frame = seen.height[used], seen.frame[used]
    order = np.argsort(frame, kind="stable")
    _, first, count = np.unique(frame[order], return_index=True, return_counts=True)
    groups = np.split(value[order], first[1:]) if len(first) else []
    return np.array([np.median(g) for g, n in zip(groups, count, strict=True) if n >= _MIN_TOUCHES])


def _sd(values: FloatArray) -> float:
    """Standard deviation of the median of values that hold outliers."""
    return 1.2533 * robust_sd(values) / math.sqrt(len(values))


def _levelled(
    fine: FloatArray,
    measured: NDArray[np.bool_],
    bands: list[NDArray[np.int64]],
    all_round: _AllRound,
) -> FloatArray:
    """The meshes' change with that of the outlines on the average round the tyre."""
    middles = np.array([band.mean() for band in bands])
    known = np.isfinite(all_round.change)
    if not known.any():
        return fine
    rows = np.arange(len(fine))
    average = np.array(
        [np.median(row[m]) if m.any() else 0.0 for row, m in zip(fine, measured, strict=True)]
    )
    expected = np.interp(rows, middles[known], all_round.change[known])
    near = np.abs(rows[:, None] - middles[known]).min(axis=1) <= 1.5 * len(fine) / len(bands)
    return np.where(near[:, None], fine - average[:, None] + expected[:, None], fine)


def _by_cell(
    values: FloatArray, measured: NDArray[np.bool_], rows: int, columns: int
) -> FloatArray:
    """Medians ``(rows, columns)`` of the measured values in each cell."""
    known = np.where(measured, values, np.nan)
    out = np.full((rows, columns), np.nan)
    for i, band in enumerate(np.array_split(known, rows, axis=0)):
        for k, cell in enumerate(np.array_split(band, columns, axis=1)):
            there = cell[np.isfinite(cell)]
            if len(there):
                out[i, k] = np.median(there)
    return out


def _share_of(measured: NDArray[np.bool_], rows: int, columns: int) -> FloatArray:
    return np.array(
        [
            [cell.mean() for cell in np.array_split(band, columns, axis=1)]
            for band in np.array_split(measured, rows, axis=0)
        ]
    )


def _zones(
    grid: SurfaceGrid,
    fine: FloatArray,
    measured: NDArray[np.bool_],
    tread: tuple[int, int],
    new: Measured,
    other: Measured,
    sections: _Sections,
    turning: FloatArray,
    alignment: Alignment,
    pixel_m: float,
    config: CompareConfig,
) -> list[Zone]:
    """Means of the fifths of the tread, and what they must exceed."""
    bands = np.array_split(np.arange(*tread), len(ZONES))
    all_round = _all_round(bands, new, other, sections, turning, config)
    height = grid.section[:, 1]
    middle = float(height[slice(*tread)].mean())
    # without an anchor the scale is that of a worn tread: nothing can be told
    scale = math.inf if alignment.anchor == "diameter" else alignment.scale_sd
    zones = []
    for k, (name, rows) in enumerate(zip(ZONES, bands, strict=True)):
        coverage = float(measured[rows].mean())
        mean, chance, floor = (
            float(all_round.change[k]),
            float(all_round.sd[k]),
            config.zone_floor_px,
        )
        if not all_round.frames[k]:  # the meshes' profile is all there is
            there = fine[rows][measured[rows]]
            mean = float(np.median(there)) if coverage >= config.min_coverage else math.nan
            chance, floor = 0.0, config.cell_floor_px
        radius = float(grid.section[rows, 0].mean())
        sd = math.hypot(chance, scale * radius)
        lod = _95 * sd + floor * pixel_m
        ends = 1000 * (height[rows[[0, -1]]] - middle)
        frames = int(all_round.frames[k])
        zones.append(
            Zone(name, float(ends[0]), float(ends[1]), 1000 * mean, 1000 * lod, coverage, frames)
        )
    return zones
