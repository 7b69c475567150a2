"""The rubber body: a revolved section whose crown carries grooves and wear."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasks.synthetic.tyres.damage import DamageSpec, sidewall_shift, tread_loss
from tasks.synthetic.tyres.profile import BoolArray, FloatArray, Section
from tasks.synthetic.tyres.shapes import IntArray, Mesh, grid_faces, outward, segments
from tasks.synthetic.tyres.spec import Part, WearSpec
from tasks.synthetic.tyres.tread import TWO_PI, Pattern
from tasks.synthetic.tyres.wear import radius_loss

WALL = 4e-5
"""Half the run of a groove's wall in the mesh, metres; the inside query has none."""


@dataclass(frozen=True)
class Rubber:
    """The tyre without its wheel.

    Args:
        section: Outer contour.
        cavity: Hollow of a tyre without a rim; None for a mounted one, whose chamber counts as
            solid.
        pattern: Grooves.
        wear: Loss of radius.
        damage: Further damage.
    """

    section: Section
    cavity: Section | None
    pattern: Pattern
    wear: WearSpec | None
    damage: DamageSpec | None = None

    @property
    def _worn(self) -> bool:
        return self.wear is not None or (self.damage is not None and self.damage.of_tread)

    @property
    def radius(self) -> float:
        """The outer radius of the new tyre."""
        return float(self.section.top_r.max())

    def loss(self, theta: FloatArray, z: FloatArray) -> FloatArray:
        """Radius lost to wear, and to what is torn out."""
        half = float(self.section.top_z[-1])
        # No wear beyond the shoulder: it fades out above the widest point.
        room = (self.section.top(z) - self.section.belly_radius) / (
            0.35 * (self.radius - self.section.belly_radius)
        )
        loss = radius_loss(self.wear, theta, z, radius=self.radius, half=half)
        if self.damage is not None and self.damage.of_tread:
            loss = loss + tread_loss(self.damage, theta, z, self.radius)
        return np.asarray(loss * np.clip(room, 0.0, 1.0))

    def _surface(
        self, theta: FloatArray, z: FloatArray, depth: FloatArray, top: FloatArray
    ) -> FloatArray:
        worn = top - self.loss(theta, z) if self._worn else top
        return np.minimum(worn, self.pattern.cut_radius(self.section, z, depth))

    def contains(self, r: FloatArray, theta: FloatArray, z: FloatArray) -> BoolArray:
        """Below the worn crown, between the sidewalls, not in a groove, not in the hollow."""
        s = self.section
        inside = np.zeros(len(r), dtype=bool)
        if self.damage is not None and self.damage.bulges:
            z = z - sidewall_shift(self.damage, r, theta, z)
        near = np.flatnonzero(
            (r >= s.bead_radius) & (r <= self.radius) & (np.abs(z) <= s.half_width)
        )
        if len(near) == 0:
            return inside
        rn, zn, tn = r[near], z[near], theta[near]
        upper = rn >= s.belly_radius
        ok = np.where(upper, rn <= s.top(zn), np.abs(zn) <= s.side(rn))
        high = np.flatnonzero(upper & ok)
        if len(high):
            rh, zh, th = rn[high], zn[high], tn[high]
            u = th - self.pattern.shift(zh)
            depth = self.pattern.depth[self.pattern.u_cell(u), self.pattern.z_cell(zh)]
            ok[high] = rh <= self._surface(th, zh, depth, s.top(zh))
        if self.cavity is not None:
            c = self.cavity
            hollow = np.where(rn >= c.belly_radius, rn <= c.top(zn), np.abs(zn) <= c.side(rn))
            ok &= ~hollow
        inside[near] = ok
        return inside

    def mesh(self, detail: float) -> Mesh:
        """A grid of u lines and section points, with doubled lines at every groove edge.

        The sidewalls and the inside go without the lines that only the grooves need.
        """
        u, u_cell = self._u_lines(detail)
        z, z_cell = self._z_columns(detail)
        depth = self.pattern.depth[np.ix_(u_cell, z_cell)]
        shift = self.pattern.shift(z)
        theta = u[:, None] + shift
        zz = np.broadcast_to(z, theta.shape)
        crown = self._surface(theta, zz, depth, np.broadcast_to(self.section.top(z), theta.shape))
        kept = self._kept_lines(u, detail)
        rest, rest_part = self._rest()
        fade = np.linspace(1.0, 0.0, len(rest) + 2)[1:-1]
        angle = u[kept, None] + (shift[-1] * fade + shift[0] * (1.0 - fade))
        n, m = theta.shape
        vertices = np.concatenate(
            [
                _cartesian(crown, theta, zz),
                _cartesian(
                    np.broadcast_to(rest[:, 0], angle.shape),
                    angle,
                    np.broadcast_to(rest[:, 1], angle.shape),
                ),
            ]
        )
        if self.damage is not None and self.damage.bulges:
            r, turn, side = cylinder(vertices)
            vertices[:, 2] += sidewall_shift(self.damage, r, turn, side)
        full = np.arange(n * m).reshape(n, m)
        few = n * m + np.arange(angle.size).reshape(angle.shape)
        faces = [
            grid_faces(n, m, wrap_m=False),
            grid_faces(*angle.shape, wrap_m=False) + n * m,
            _join_rings(full[:, -1], few[:, 0], kept),
            _join_rings(full[:, 0], few[:, -1], kept)[:, ::-1],
        ]
        edge = max(self.pattern.floor_z, 0.5 * float(self.section.top_z[-1]))
        tread = np.abs(z[1:] + z[:-1]) / 2 <= edge
        strip = np.where(tread, Part.TREAD, Part.SIDEWALL)
        part = np.concatenate(
            [
                np.tile(np.repeat(strip, 2), n),
                np.tile(np.repeat(rest_part, 2), len(kept)),
                np.full(len(faces[2]) + len(faces[3]), Part.SIDEWALL),
            ]
        )
        return outward(Mesh(vertices, np.concatenate(faces), part.astype(np.uint8)))

    def _kept_lines(self, u: FloatArray, detail: float) -> IntArray:
        """Those u lines that also run over sidewalls and bead."""
        target = np.arange(segments(detail)) * (TWO_PI / segments(detail))
        return np.unique(np.searchsorted(u, target).clip(0, len(u) - 1))

    def _u_lines(self, detail: float) -> tuple[FloatArray, IntArray]:
        edges = self.pattern.u_edges
        step = TWO_PI / segments(detail)
        if len(edges) == 1:
            n = segments(detail)
            return np.arange(n, dtype=np.float64) * step, np.zeros(n, dtype=np.int64)
        gap = np.diff(np.append(edges, edges[0] + TWO_PI))
        small = WALL / self.radius
        n_fill = np.maximum(np.ceil(gap / step).astype(np.int64), 1)  # quads between two edges
        cell = np.repeat(np.arange(len(edges)), n_fill + 1)
        first = np.repeat(np.cumsum(n_fill + 1) - (n_fill + 1), n_fill + 1)
        k = np.arange(len(cell)) - first
        share = k / n_fill[cell]
        u = edges[cell] + small + share * (gap[cell] - 2 * small)
        return u, cell

    def _z_columns(self, detail: float) -> tuple[FloatArray, IntArray]:
        p, s = self.pattern, self.section
        inner = p.z_edges[1:-1]
        plain = np.concatenate([s.top_z, p.sweep_z, [-p.floor_z, p.floor_z]])
        if self._worn:
            n = max(8, round(80 * detail))
            plain = np.concatenate([plain, np.linspace(-p.floor_z, p.floor_z, n)])
        plain = np.unique(plain[(plain >= s.top_z[0]) & (plain <= s.top_z[-1])])
        plain = self._thinned(plain, detail)
        if len(inner):
            near = np.abs(plain[:, None] - inner[None, :]).min(axis=1)
            plain = plain[near > 3 * WALL]
        plain = np.unique(np.round(plain, 7))
        plain[0], plain[-1] = s.top_z[0], s.top_z[-1]
        z = np.concatenate([plain, inner - WALL, inner + WALL])
        k = np.arange(len(inner))
        cell = np.concatenate([p.z_cell(plain), k, k + 1])
        order = np.argsort(z, kind="stable")
        return z[order], cell[order]

    def _thinned(self, z: FloatArray, detail: float) -> FloatArray:
        """Columns of which many stay where the contour or the sweep bends, few elsewhere."""
        step = np.stack(
            [np.diff(z), np.diff(self.section.top(z)), self.radius * np.diff(self.pattern.shift(z))]
        )
        length = np.linalg.norm(step, axis=0)
        way = step / np.maximum(length, 1e-12)
        turn = np.arccos(np.clip((way[:, 1:] * way[:, :-1]).sum(axis=0), -1.0, 1.0))
        gap = 0.006 if self._worn else 0.010
        cost = length / gap
        cost[1:] += turn / 0.09
        slot = np.floor(np.concatenate([[0.0], np.cumsum(cost)]) * min(detail, 2.0))
        keep = np.concatenate([[True], np.diff(slot) > 0])
        keep[-1] = True
        return np.asarray(z[keep])

    def _rest(self) -> tuple[FloatArray, IntArray]:
        """The section's points from the +z belly round the bead to the -z belly.

        Also the parts of the strips between them.
        """
        s = self.section
        right = np.stack([s.side_r, s.side_z], axis=1)[-2::-1]  # belly -> bead
        left = (right * [1.0, -1.0])[::-1]
        walls = np.full(len(right), Part.SIDEWALL, dtype=np.int64)
        bead = np.array([Part.BEAD])
        if self.cavity is None:
            part = np.concatenate([walls[:-1], bead, walls[:-1]])
            return np.concatenate([right, left]), part
        c = self.cavity
        up = np.stack([c.side_r, c.side_z], axis=1)
        over = np.stack([c.top_r, c.top_z], axis=1)[-2:0:-1]
        down = (up * [1.0, -1.0])[::-1]
        hollow = np.concatenate([up, over, down])
        inner = np.full(len(hollow), Part.INNER, dtype=np.int64)
        part = np.concatenate([walls[:-1], bead, inner[:-1], bead, walls[:-1]])
        return np.concatenate([right, hollow, left]), part


def cylinder(points: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Cylinder coordinates ``(r, theta, z)`` of points ``(N, 3)``, theta in -π..π."""
    x, y = points[:, 0], points[:, 1]
    return np.hypot(x, y), np.arctan2(y, x), points[:, 2]


def _cartesian(r: FloatArray, theta: FloatArray, z: FloatArray) -> FloatArray:
    return np.stack([r * np.cos(theta), r * np.sin(theta), z], axis=-1).reshape(-1, 3)


def _join_rings(many: IntArray, few: IntArray, kept: IntArray) -> IntArray:
    """Triangles between a ring of vertices and one that only has those at ``kept``."""
    n, m = len(many), len(few)
    j = np.arange(n)
    near = np.searchsorted(kept, j, side="right") - 1  # -1: before the first, that is the last
    fans = np.stack([many[j], many[(j + 1) % n], few[near % m]], axis=1)
    nxt = (np.arange(m) + 1) % m
    wedges = np.stack([few, many[kept[nxt]], few[nxt]], axis=1)
    return np.concatenate([fans, wedges])
