"""The tread's section by the outlines that touch it, height by height, without the cameras' errors.

An outline touches a section where that bends, a hundred times more often at a shoulder's edge
than on the flat tread beside it, which only the few frames show that look along it. Their cameras
are a millimetre off like all others, and with few of them that does not average out. So heights
are looked for together with what each piece of an outline is off: edges get their height from all
frames, and what lies between them from how it lies to the edges in the pieces that show both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.spatial import ConvexHull

from tasks.comparison.surface_samples import Measured
from tasks.surface.heights import SurfaceGrid
from tasks.surface.robust import robust_sd

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_STRIP_ROWS = 3
_SECTORS = 15
"""Pieces of an outline, round the tyre."""
_MIN_TOUCHES, _MIN_PIECES, _MIN_FRAMES = 2, 3, 8
"""Points of a piece in a strip, pieces that show a strip, and frames, for it to be known."""
_SHRINKAGE = 0.25
"""What a piece is off is held back as if its standard deviation were twice that of its heights."""
_ROUNDS = 12
_BLOCKS = 8
"""Runs of frames that are left out in turn, to see what chance does: neighbours err alike."""
_GROOVE_M = 0.002
"""A section that lies deeper below its envelope is a groove, in which outlines see nothing."""


@dataclass(frozen=True)
class TreadSection:
    """Heights of a tread's strips, by outlines.

    Args:
        rows: ``(S,)`` middle of each strip, rows of the grid.
        height: ``(S,)`` metres over the grid's profile; not finite where not known.
        without: ``(B, S)`` the same with one run of frames left out.
        frames: Frames that tell it.
        misfit: How far the pieces of outlines lie off it, robust standard deviation, metres. It
            grows with every error of the cameras, not with what a mesh makes of gaps in a tread.
    """

    rows: FloatArray
    height: FloatArray
    without: FloatArray
    frames: int
    misfit: float

    def of(self, band: IntArray) -> TreadSection:
        """That of the strips in a band of rows."""
        own = (self.rows >= band[0] - 0.5) & (self.rows <= band[-1] + 0.5)
        return replace(
            self, rows=self.rows[own], height=self.height[own], without=self.without[:, own]
        )


def tread_section(
    measured: Measured,
    grid: SurfaceGrid,
    tread: tuple[int, int],
    turning: FloatArray | float,
    hidden_deg: float,
) -> TreadSection | None:
    """The section of a tread; None where too few frames show it.

    Args:
        measured: What is known of the tyre.
        grid: The grid.
        tread: Rows of the tread, first and last (excluded).
        turning: ``(rows, columns)`` what is taken off the heights, metres.
        hidden_deg: Outlines this close to the lowest point show the ground.
    """
    first, last = tread
    strips = np.array_split(np.arange(first, last), max(1, round((last - first) / _STRIP_ROWS)))
    of_row = np.repeat(np.arange(len(strips)), [len(s) for s in strips])
    seen = measured.above_ground(hidden_deg, turning)
    row = np.rint(seen.row).astype(int)
    used = (row >= first) & (row < last)
    strip = of_row[row[used] - first]
    frames, number = np.unique(seen.frame[used], return_inverse=True)
    if len(frames) < _MIN_FRAMES:
        return None
    piece = number * _SECTORS + (seen.angle_deg[used] * _SECTORS / 360).astype(int) % _SECTORS
    pieces, strip, height = _medians(piece, strip, seen.height[used], len(strips))
    across = np.array([grid.section[s, 1].mean() for s in strips])
    across = (across - across.mean()) / (np.ptp(across) / 2)
    depth = _below_envelope(grid)
    kept = np.array([depth[s].mean() < _GROOVE_M for s in strips])[strip]
    pieces, strip, height = pieces[kept], strip[kept], height[kept]
    if not len(pieces):
        return None
    block = pieces // _SECTORS * _BLOCKS // len(frames)
    (whole, misfit), *others = [
        _solved(pieces[left], strip[left], height[left], across)
        for left in (block >= 0, *(block != k for k in range(_BLOCKS)))
    ]
    rows = np.array([s.mean() for s in strips])
    without = np.stack([left for left, _ in others])
    return TreadSection(rows, whole, without, len(frames), misfit)


def _below_envelope(grid: SurfaceGrid) -> FloatArray:
    """How far rows of a section lie below its convex envelope, ``(rows,)`` metres."""
    equations = ConvexHull(grid.section).equations
    towards = grid.normals @ equations[:, :2].T
    gap = -(grid.section @ equations[:, :2].T + equations[:, 2])
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(towards > 1e-6, gap / towards, np.inf).min(axis=1))


def mean_change(new: TreadSection, other: TreadSection) -> tuple[float, float]:
    """The mean change between two sections of the same strips, and its standard deviation.

    Every strip counts alike, one that is not known as those beside it. Metres; not finite where
    less than a third of the strips is known of both.
    """
    value = _mean_over(new.rows, other.height - new.height)
    variance = 0.0
    for tyre, sign in ((new, 1.0), (other, -1.0)):
        rest = new.height if sign < 0 else other.height
        left = [_mean_over(new.rows, sign * (rest - each)) for each in tyre.without]
        known = np.array([v for v in left if math.isfinite(v)])
        if len(known) < 2:
            return math.nan, math.nan
        variance += (len(known) - 1) * float(np.var(known))  # delete-a-block jackknife
    return value, math.sqrt(variance)


def _mean_over(rows: FloatArray, change: FloatArray) -> float:
    known = np.isfinite(change)
    if known.sum() < max(1, len(rows) / 3):
        return math.nan
    return float(np.interp(rows, rows[known], change[known]).mean())


def _medians(
    piece: IntArray, strip: IntArray, height: FloatArray, count: int
) -> tuple[IntArray, IntArray, FloatArray]:
    """The median height of every strip in every piece with enough points, and which these are."""
    cell = piece * count + strip
    order = np.argsort(cell, kind="stable")
    cells, first, size = np.unique(cell[order], return_index=True, return_counts=True)
    groups = np.split(height[order], first[1:]) if len(first) else []
    medians = np.array([np.median(g) for g in groups])
    enough = size >= _MIN_TOUCHES
    return cells[enough] // count, cells[enough] % count, medians[enough]


def _solved(
    piece: IntArray, strip: IntArray, height: FloatArray, across: FloatArray
) -> tuple[FloatArray, float]:
    """Heights of strips that pieces show, each piece off by an amount and a slope of its own.

    All pieces of a film are off together by what its axle lies beside the grid's: a part that goes
    once round, and of which the ground hides a piece. Robust least squares; amounts and slopes, two
    a piece, are eliminated.

    Returns:
        ``(S,)`` heights, and how far pieces lie off them, robust standard deviation.
    """
    count = len(across)
    _, group = np.unique(piece, return_inverse=True)
    number = np.arange(len(piece))
    to_group = csr_array((np.ones(len(piece)), (group, number)), (int(group.max()) + 1, len(piece)))
    turn = (piece % _SECTORS + 0.5) * (2 * math.pi / _SECTORS)
    design = np.zeros((len(piece), count + 2))
    design[number, strip] = 1.0
    design[:, count], design[:, count + 1] = np.sin(turn), np.cos(turn)
    x, weight = across[strip], np.ones(len(piece))
    solved, ridge = np.zeros(count + 2), 1e-9 * np.eye(count + 2)
    for _ in range(_ROUNDS):
        weighted = weight[:, None] * design
        by, sloped = to_group @ weighted, to_group @ (x[:, None] * weighted)
        u, v = to_group @ (weight * height), to_group @ (weight * x * height)
        a, b = to_group @ weight + _SHRINKAGE, to_group @ (weight * x)
        c = to_group @ (weight * x * x) + _SHRINKAGE
        det = a * c - b * b
        p, q, r = (c / det)[:, None], (-b / det)[:, None], (a / det)[:, None]
        to_amount, to_slope = p * by + q * sloped, q * by + r * sloped
        matrix = design.T @ weighted - by.T @ to_amount - sloped.T @ to_slope
        target = weighted.T @ height - to_amount.T @ u - to_slope.T @ v
        solved = np.linalg.solve(matrix + ridge, target)
        amount = p[:, 0] * u + q[:, 0] * v - to_amount @ solved
        slope = q[:, 0] * u + r[:, 0] * v - to_slope @ solved
        rest = height - design @ solved - amount[group] - slope[group] * x
        weight = 1.0 / (1.0 + (rest / (2 * max(robust_sd(rest, 0.0), 1e-5))) ** 2)
    shown = np.bincount(strip, minlength=count)
    misfit = robust_sd(height - design @ solved, 0.0)
    return np.where(shown >= _MIN_PIECES, solved[:count], np.nan), misfit
