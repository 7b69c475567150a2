"""Tread patterns: a table of groove depths over cells that mesh and inside query share.

The pattern lives in ``(u, z)`` with ``u = theta - sweep(z)``: lateral grooves follow the sweep, so
every groove edge is a line of constant u or z and a mesh with lines there is exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.synthetic.tyres.profile import FloatArray, Section
from tasks.synthetic.tyres.spec import TreadSpec

TWO_PI = 2.0 * math.pi


@dataclass(frozen=True)
class Pattern:
    """Groove depths over a grid of cells.

    Args:
        u_edges: ``(M,)`` ascending angles in 0..2π; cell m runs from edge m to edge m + 1, cyclic.
        z_edges: ``(K + 1,)`` ascending, metres.
        depth: ``(M, K)`` metres below the crown, 0 where nothing is cut.
        sweep_z, sweep: Knots of the curve that lateral grooves follow.
        floor_z: Up to here the floor of a groove follows the crown; beyond it runs on straight.
    """

    u_edges: FloatArray
    z_edges: FloatArray
    depth: FloatArray
    sweep_z: FloatArray
    sweep: FloatArray
    floor_z: float

    @property
    def max_depth(self) -> float:
        """Depth of the deepest groove."""
        return float(self.depth.max())

    def shift(self, z: FloatArray) -> FloatArray:
        """Angle by which the pattern is turned at z."""
        return np.asarray(np.interp(z, self.sweep_z, self.sweep))

    def u_cell(self, u: FloatArray) -> NDArray[np.intp]:
        """Index of the cell along u."""
        found = np.searchsorted(self.u_edges, np.mod(u, TWO_PI), side="right") - 1
        return np.asarray(np.where(found < 0, len(self.u_edges) - 1, found))

    def z_cell(self, z: FloatArray) -> NDArray[np.intp]:
        """Index of the cell along z."""
        found = np.searchsorted(self.z_edges, z, side="right") - 1
        return np.asarray(np.clip(found, 0, len(self.z_edges) - 2))

    def cut_radius(self, section: Section, z: FloatArray, depth: FloatArray) -> FloatArray:
        """Radius of the surface inside a cut of this depth (infinite where nothing is cut)."""
        lim = min(self.floor_z, float(section.top_z[-1]) * 0.999)
        inner = section.top(np.clip(z, -lim, lim))
        edge = np.array([lim - 0.002, lim])
        r = section.top(edge)
        slope = max((r[1] - r[0]) / 0.002, -0.6)
        floor = inner + slope * np.maximum(np.abs(z) - lim, 0.0) - depth
        floor = np.maximum(floor, section.belly_radius + 0.001)
        return np.where(depth > 0.0, floor, np.inf)


def build_pattern(spec: TreadSpec, section: Section, tread_half: float) -> Pattern:
    """The table of a spec's cuts over a section."""
    half = float(section.top_z[-1])
    sweep = np.asarray(spec.sweep, dtype=np.float64)
    lengths = np.asarray(spec.pitches, dtype=np.float64)
    starts = np.concatenate([[0.0], np.cumsum(lengths)]) * (TWO_PI / lengths.sum())
    n = len(lengths)
    z_lines = [-half, half]
    u_lines = [np.zeros(1)]
    spans: list[tuple[FloatArray, FloatArray]] = []
    for cut in spec.cuts:
        z_lines += [cut.z0 * half, cut.z1 * half]
        if cut.u1 - cut.u0 >= 1.0:
            spans.append((np.zeros(0), np.zeros(0)))
            continue
        first = np.arange(0, n, cut.every)
        step = starts[first + 1] - starts[first]
        a, b = starts[first] + cut.u0 * step, starts[first] + cut.u1 * step
        spans.append((a, b))
        u_lines += [np.mod(a, TWO_PI), np.mod(b, TWO_PI)]
    u_all = np.concatenate(u_lines)
    u_edges = _distinct(u_all[u_all < TWO_PI - 1e-3], 1e-3)
    z_edges = _distinct(np.clip(np.asarray(z_lines), -half, half), 4e-4)
    z_edges[0], z_edges[-1] = -half, half
    u_mid = (u_edges + np.append(u_edges[1:], u_edges[0] + TWO_PI)) / 2
    z_mid = (z_edges[1:] + z_edges[:-1]) / 2
    depth = np.zeros((len(u_mid), len(z_mid)))
    for cut, (a, b) in zip(spec.cuts, spans, strict=True):
        in_z = (z_mid > cut.z0 * half) & (z_mid < cut.z1 * half)
        in_u = np.ones(len(u_mid), dtype=bool)
        if len(a):
            in_u = np.zeros(len(u_mid), dtype=bool)
            for turn in (-TWO_PI, 0.0, TWO_PI):
                k = np.searchsorted(a, u_mid + turn, side="right") - 1
                in_u |= (k >= 0) & (u_mid + turn < b[np.maximum(k, 0)])
        cell = in_u[:, None] & in_z[None, :]
        depth = np.where(cell, np.maximum(depth, cut.depth), depth)
    return Pattern(u_edges, z_edges, depth, sweep[:, 0] * half, sweep[:, 1], tread_half)


def _distinct(values: FloatArray, gap: float) -> FloatArray:
    values = np.sort(values)
    keep = np.concatenate([[True], np.diff(values) > gap])
    return np.asarray(values[keep])
