"""What changed, told as findings: kind, position, size, depth and certainty."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label

from configs.comparison import CompareConfig
from tasks.comparison.change import Change
from tasks.comparison.flat_spots import FlatSpot
from tasks.comparison.marks import VisualMark
from tasks.comparison.part_pairs import TREAD
from tasks.comparison.surface_samples import Measured
from tasks.core.phrasing import bearing
from tasks.surface.robust import robust_sd

FloatArray = NDArray[np.float64]

Kind = Literal["flat-spot", "bulge", "dent", "cut", "visual"]

_CUT_SLIMNESS, _CUT_WIDTH_MM = 2.5, 14.0
"""A dark mark of a sidewall this slim and this narrow looks like a cut."""
_NOISES = 6.0
_ROW_NOISES = 4.0
"""The same of the height's own noise: rims' edges, where a mesh bends, differ most all round."""
_RESTS = 3.0
_MIN_CELLS = 3
_MIN_TOUCHES, _MIN_FRAMES = 3, 3
"""Points of an outline in a region, and frames with so many, from which on outlines tell of it."""


@dataclass(frozen=True)
class Finding:
    """One change that has a position.

    Args:
        kind: What it is; ``visual`` for what looks different and is no known damage.
        part: ``tread``, ``outer-sidewall`` or ``inner-sidewall``.
        angle_deg: Where its middle is, clockwise from the new tyre's top as one who looks at its
            outer face sees it; None for what goes all round.
        radius_mm: How far its middle is from the axle.
        across_mm: Along the axle from the tread's middle, towards the outer face.
        length_mm: Its longer side.
        width_mm: Its shorter side.
        depth_mm: Material lost; negative where there is more; None where shape does not tell.
        certainty: 0 to 1; from 0.5 it is told as found.
    """

    kind: Kind
    part: str
    angle_deg: float | None
    radius_mm: float
    across_mm: float
    length_mm: float
    width_mm: float
    depth_mm: float | None
    certainty: float

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON types, rounded to what can be meant; angles lie below 360°."""
        rounded = {
            k: round(v, 2) + 0.0 if isinstance(v, float) else v for k, v in asdict(self).items()
        }
        angle = rounded["angle_deg"]
        return rounded | {"angle_deg": None if angle is None else angle % 360}


def location_of(finding: Mapping[str, Any]) -> str:
    """Where a finding of a record is, for people: part and angle."""
    angle = finding["angle_deg"]
    part = str(finding["part"]).replace("-", " ")
    return f"{part}, {'all round' if angle is None else bearing(angle)}"


def depth_of(finding: Mapping[str, Any]) -> str:
    """How deep a finding of a record is, for people; empty where shape does not tell."""
    depth = finding["depth_mm"]
    if depth is None:
        return ""
    return f"{depth:.1f} mm deep" if depth >= 0 else f"{-depth:.1f} mm outwards"


def findings_of(
    change: Change,
    spots: Sequence[FlatSpot],
    marks: Sequence[VisualMark],
    rest_m: float,
    measured: tuple[Measured, Measured],
    config: CompareConfig,
) -> list[Finding]:
    """All findings, the most certain first.

    Args:
        change: How the surface changed.
        spots: Flat spots of the tread.
        marks: Regions that look different.
        rest_m: How far marks lie apart after the alignment.
        measured: The new tyre and the other, whose outlines are asked about bulges and dents.
        config: Parameters.
    """
    section = change.grid.section
    tread = section[slice(*change.tread)]
    width = 1000 * float(np.ptp(tread[:, 1]))
    radius = 1000 * float(tread[:, 0].max())
    found = [
        Finding(
            "flat-spot", "tread", s.angle_deg, radius, 0.0,
            s.length_mm, width, s.depth_mm, s.certainty,
        )
        for s in spots
    ]  # fmt: skip
    found += _local(change, rest_m, measured, config)
    middle = float(tread[:, 1].mean())
    for mark in marks:
        slim = mark.length_mm >= _CUT_SLIMNESS * mark.width_mm and mark.width_mm <= _CUT_WIDTH_MM
        is_cut = slim and mark.strength < 0 and mark.part != TREAD
        kind: Kind = "cut" if is_cut else "visual"
        across = mark.height_mm - 1000 * middle
        found.append(
            Finding(
                kind, mark.part, mark.angle_deg, mark.radius_mm, across,
                mark.length_mm, mark.width_mm, None, mark.certainty,
            )
        )  # fmt: skip
    return sorted(found, key=lambda f: -f.certainty)


def _rows_of(change: Change, part: str) -> NDArray[np.int64]:
    first, last = change.tread
    if part.startswith("outer"):
        return np.arange(last, change.grid.rows)
    return np.arange(first) if part.startswith("inner") else np.arange(first, last)


def _local(
    change: Change, rest_m: float, measured: tuple[Measured, Measured], config: CompareConfig
) -> list[Finding]:
    """Bulges and dents of the sidewalls: what stands out from the same height all round.

    Where marks of the sidewalls do not come to lie on each other, their surfaces do not either. A
    mesh may bend where the tyre does not: where outlines touch a region, they correct it.
    """
    cells, grid = change.cells, change.grid
    rows, columns = cells.shape
    known = np.isfinite(cells) & (change.cell_measured >= 0.5)
    there = np.where(known, cells, np.nan)
    counted = known.sum(axis=1) >= columns // 3
    if not counted.any():
        return []
    local = np.full(cells.shape, np.nan)
    local[counted] = there[counted] - np.nanmedian(there[counted], axis=1, keepdims=True)
    noise = [robust_sd(row, 0.0) if of else 0.0 for row, of in zip(local, counted, strict=True)]
    everywhere = max(
        _NOISES * robust_sd(local, 0.0), config.min_local_px * change.pixel_m, _RESTS * rest_m
    )
    least = np.maximum(_ROW_NOISES * np.array(noise), everywhere)
    height = grid.section[:, 1]
    middle = float(height[slice(*change.tread)].mean())
    bands = np.array_split(np.arange(grid.rows), rows)
    found = []
    for part in ("inner-sidewall", "outer-sidewall"):
        own = set(_rows_of(change, part).tolist())
        here = np.array([band[len(band) // 2] in own for band in bands])
        kinds: tuple[tuple[float, Kind], ...] = ((1.0, "bulge"), (-1.0, "dent"))
        for sign, kind in kinds:
            with np.errstate(invalid="ignore"):
                out = (sign * local > least[:, None]) & here[:, None]
            for region in _regions(out):
                if len(region[0]) < _MIN_CELLS:
                    continue
                first, second = (_above_mesh(m, region, bands, columns, config) for m in measured)
                moved = local + (second - first)
                if (sign * moved[region[0], region[1] % columns] > least[region[0]]).any():
                    found.append(_region(change, moved, region, part, kind, least, bands, middle))
    return found


def _regions(out: NDArray[np.bool_]) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Rows and columns of connected cells; columns go round, and may count beyond the last."""
    columns = out.shape[1]
    numbers, count = label(np.hstack([out, out]))
    regions = []
    for k in range(1, count + 1):
        rows, at = np.nonzero(numbers == k)
        if at.min() >= columns or (at.min() == 0 and out[rows[at == 0], -1].any()):
            continue  # found whole elsewhere
        regions.append((rows, at))
    return regions


def _above_mesh(
    measured: Measured,
    region: tuple[NDArray[np.int64], NDArray[np.int64]],
    bands: Sequence[NDArray[np.int64]],
    columns: int,
    config: CompareConfig,
) -> float:
    """How far outlines lie above the mesh in a region, against the same heights elsewhere.

    Args:
        measured: The tyre.
        region: Rows and columns of its cells.
        bands: Rows of the grid in each row of cells.
        columns: Cells round the tyre.
        config: Parameters.

    Returns:
        Metres; 0 where too few frames touch the region.
    """
    seen = measured.above_ground(config.hidden_deg)
    ends = np.array([band[-1] for band in bands]) + 0.5
    row = np.minimum(np.searchsorted(ends, seen.row), len(bands) - 1)
    column = (seen.angle_deg * columns / 360).astype(int) % columns
    inside = np.zeros((len(bands), columns), np.bool_)
    inside[region[0], region[1] % columns] = True
    within = inside[row, column]
    offset = seen.offset.copy()
    for k in np.unique(region[0]):
        elsewhere = offset[(row == k) & ~within]
        offset[(row == k) & within] -= np.median(elsewhere) if len(elsewhere) else 0.0
    frame, offset = seen.frame[within], offset[within]
    frames, count = np.unique(frame, return_counts=True)
    offsets = [np.median(offset[frame == f]) for f in frames[count >= _MIN_TOUCHES]]
    return float(np.median(offsets)) if len(offsets) >= _MIN_FRAMES else 0.0


def _region(
    change: Change,
    local: FloatArray,
    region: tuple[NDArray[np.int64], NDArray[np.int64]],
    part: str,
    kind: Kind,
    least: FloatArray,
    bands: Sequence[NDArray[np.int64]],
    middle: float,
) -> Finding:
    rows, at = region
    columns = local.shape[1]
    values = local[rows, at % columns]
    weights = np.abs(values)
    section = change.grid.section
    row = [float(section[bands[r], 0].mean()) for r in rows]
    along = [float(section[bands[r], 1].mean()) for r in rows]
    radius = float(np.average(row, weights=weights))
    around = 2 * math.pi * radius / columns * (np.ptp(at) + 1)
    across = change.grid.profile.length / local.shape[0] * (np.ptp(rows) + 1)
    angle = (float(np.average(at, weights=weights)) + 0.5) * 360 / columns
    highest = int(weights.argmax())
    peak = float(values[highest])
    return Finding(
        kind,
        part,
        angle % 360,
        1000 * radius,
        1000 * (float(np.average(along, weights=weights)) - middle),
        1000 * max(around, across),
        1000 * min(around, across),
        -1000 * peak,
        min(1.0, abs(peak) / (2 * float(least[rows[highest]]))),
    )
