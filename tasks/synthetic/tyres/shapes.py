"""Closed bodies of which wheels are made: each knows its mesh and its inside, exactly.

Points come as cylinder coordinates ``(r, theta, z)`` about the axle. A solid may consist of several
overlapping bodies; its inside is their union.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tasks.synthetic.tyres.profile import BoolArray, FloatArray
from tasks.synthetic.tyres.spec import Part

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Mesh:
    """A triangle mesh: vertices ``(V, 3)``, faces ``(F, 3)`` outwards, part ``(F,)``."""

    vertices: FloatArray
    faces: IntArray
    part: NDArray[np.uint8]


class Body(Protocol):
    """A closed body."""

    def mesh(self, detail: float) -> Mesh:
        """Its watertight surface."""
        ...

    def contains(self, r: FloatArray, theta: FloatArray, z: FloatArray) -> BoolArray:
        """Whether points in cylinder coordinates ``(N,)`` lie inside."""
        ...


def segments(detail: float, *, least: int = 48) -> int:
    """Number of segments of a full turn at a detail."""
    return max(least, 8 * round(360 * detail / 8))


def grid_faces(n: int, m: int, *, wrap_m: bool) -> IntArray:
    """Two triangles per cell of a grid of ``n`` (cyclic) by ``m`` vertices, ``(F, 3)``."""
    i = np.arange(n)[:, None]
    j = np.arange(m if wrap_m else m - 1)[None, :]
    i1, j1 = (i + 1) % n, (j + 1) % m
    a, b, c, d = i * m + j, i1 * m + j, i1 * m + j1, i * m + j1
    quad = np.stack(np.broadcast_arrays(a, b, c, a, c, d), axis=-1)
    return quad.reshape(-1, 3).astype(np.int64)


def outward(mesh: Mesh) -> Mesh:
    """The same closed mesh with its faces turned outwards."""
    t = mesh.vertices[mesh.faces]
    volume = np.einsum("ij,ij->i", t[:, 0], np.cross(t[:, 1], t[:, 2])).sum()
    return mesh if volume > 0 else Mesh(mesh.vertices, mesh.faces[:, ::-1], mesh.part)


def join(meshes: list[Mesh]) -> Mesh:
    """All meshes in one, still separate bodies."""
    offsets = np.cumsum([0] + [len(m.vertices) for m in meshes])
    return Mesh(
        np.concatenate([m.vertices for m in meshes]),
        np.concatenate([m.faces + o for m, o in zip(meshes, offsets, strict=False)]),
        np.concatenate([m.part for m in meshes]),
    )


@dataclass(frozen=True)
class Lathe:
    """A polygon in the (r, z) half plane turned about the axle.

    Args:
        points: ``(N, 2)`` r, z of a simple polygon; r = 0 is allowed.
        part: What it is.
    """

    points: FloatArray
    part: Part

    def mesh(self, detail: float) -> Mesh:
        """Its watertight surface."""
        r, z = self.points[:, 0], self.points[:, 1]
        n = segments(detail * min(1.0, 0.3 + 3.0 * float(r.max())))
        angle = np.arange(n) * (2 * math.pi / n)
        vertices = np.stack(
            np.broadcast_arrays(
                np.cos(angle)[:, None] * r, np.sin(angle)[:, None] * r, np.zeros((n, 1)) + z
            ),
            axis=-1,
        ).reshape(-1, 3)
        faces = grid_faces(n, len(r), wrap_m=True)
        on_axis = np.flatnonzero(r < 1e-9)
        if len(on_axis):
            index = np.arange(len(vertices)).reshape(n, -1)
            index[:, on_axis] = on_axis
            faces = index.reshape(-1)[faces]
            a, b, c = faces.T
            faces = faces[(a != b) & (b != c) & (c != a)]
        part = np.full(len(faces), self.part, dtype=np.uint8)
        return outward(Mesh(vertices, faces, part))

    def contains(self, r: FloatArray, theta: FloatArray, z: FloatArray) -> BoolArray:
        """Even-odd rule against the polygon."""
        p = self.points
        inside = np.zeros(len(r), dtype=bool)
        lo, hi = p.min(axis=0), p.max(axis=0)
        near = np.flatnonzero((r >= lo[0]) & (r <= hi[0]) & (z >= lo[1]) & (z <= hi[1]))
        if len(near) == 0:
            return inside
        rn, zn = r[near, None], z[near, None]
        r0, z0 = p[:, 0], p[:, 1]
        r1, z1 = np.roll(r0, -1), np.roll(z0, -1)
        keep = z0 != z1
        r0, z0, r1, z1 = r0[keep], z0[keep], r1[keep], z1[keep]
        cross = (z0 > zn) != (z1 > zn)
        at = r0 + (zn - z0) * ((r1 - r0) / (z1 - z0))
        inside[near] = np.count_nonzero(cross & (rn < at), axis=1) % 2 == 1
        return inside


@dataclass(frozen=True)
class Spokes:
    """Equal spokes: a trapezoid, wide in theta, swept from hub to rim.

    Args:
        count: Number of spokes round the axle.
        phase: Angle of the first.
        r: ``(K,)`` knots, ascending.
        turn: ``(K,)`` angle of the spoke's middle at the knots.
        half: ``(K,)`` half width along the arc, metres.
        front, back: ``(K,)`` z of its faces.
        chamfer: Bevel of the front edges along z, metres.
        flat: Share of the width that the bevel leaves flat.
        part: What it is.
    """

    count: int
    phase: float
    r: FloatArray
    turn: FloatArray
    half: FloatArray
    front: FloatArray
    back: FloatArray
    chamfer: float
    flat: float
    part: Part

    def mesh(self, detail: float) -> Mesh:
        """Its watertight surface."""
        k = len(self.r)
        widest = float((self.half / self.r).max())
        # Positions across the spoke, each with a point on the back and one on the front.
        n_mid = max(1, math.ceil(2 * self.flat * widest / 0.1))
        t = np.linspace(-self.flat, self.flat, n_mid + 1)
        if self.flat < 1.0:
            n_bevel = max(1, math.ceil((1.0 - self.flat) * widest / 0.1))
            bevel = np.linspace(self.flat, 1.0, n_bevel + 1)[1:]
            t = np.concatenate([-bevel[::-1], t, bevel])
        n = len(t)
        angle = self.phase + self.turn[:, None] + t * (self.half / self.r)[:, None]
        angle = np.concatenate([angle, angle[:, ::-1]], axis=1)  # along the back, then the front
        drop = self.chamfer * self._bevel(np.abs(t))
        z = np.concatenate(
            [np.repeat(self.back[:, None], n, axis=1), self.front[:, None] - drop[::-1]], axis=1
        )
        m = 2 * n
        turn = np.arange(self.count)[:, None, None] * (2 * math.pi / self.count)
        r = self.r[None, :, None]
        vertices = np.stack(
            np.broadcast_arrays(r * np.cos(angle + turn), r * np.sin(angle + turn), z), axis=-1
        ).reshape(-1, 3)
        j = np.arange(m)
        j1 = (j + 1) % m
        row = np.arange(k - 1)[:, None] * m
        quad = np.stack([row + j, row + m + j, row + m + j1, row + j, row + m + j1, row + j1], -1)
        b = np.arange(n - 1)
        cap = np.concatenate(
            [
                np.stack([b, b + 1, m - 2 - b], -1),
                np.stack([b, m - 2 - b, m - 1 - b], -1),
            ]
        )
        one = np.concatenate([quad.reshape(-1, 3), cap, cap[:, ::-1] + (k - 1) * m])
        faces = (one[None] + (np.arange(self.count) * (k * m))[:, None, None]).reshape(-1, 3)
        return outward(
            Mesh(vertices, faces.astype(np.int64), np.full(len(faces), self.part, np.uint8))
        )

    def contains(self, r: FloatArray, theta: FloatArray, z: FloatArray) -> BoolArray:
        """Whether they are inside, in polar coordinates about the nearest spoke's middle."""
        inside = np.zeros(len(r), dtype=bool)
        near = np.flatnonzero(
            (r >= self.r[0]) & (r <= self.r[-1]) & (z >= self.back.min()) & (z <= self.front.max())
        )
        if len(near) == 0:
            return inside
        rn, zn = r[near], z[near]
        pitch = 2 * math.pi / self.count
        off = theta[near] - self.phase - np.interp(rn, self.r, self.turn)
        off = np.abs(off - pitch * np.round(off / pitch))
        t = off / np.interp(rn, self.r, self.half / self.r)
        front = np.interp(rn, self.r, self.front) - self.chamfer * self._bevel(t)
        inside[near] = (t <= 1.0) & (zn <= front) & (zn >= np.interp(rn, self.r, self.back))
        return inside

    def _bevel(self, t: FloatArray) -> FloatArray:
        """Share of the bevel at a distance from the middle in half widths."""
        return np.clip((t - self.flat) / max(1.0 - self.flat, 1e-9), 0.0, 1.0)


@dataclass(frozen=True)
class Prisms:
    """Equal upright prisms with regular base: bolts, nuts.

    Args:
        count: Number round the axle (1 with ``at`` = 0: one in the middle).
        phase: Angle of the first.
        at: Distance of their middles from the axle.
        sides: Number of sides of the base.
        radius: Radius of the base's circumscribed circle, at the bottom and at the top.
        z0, z1: Ends along the axle.
        part: What it is.
    """

    count: int
    phase: float
    at: float
    sides: int
    radius: tuple[float, float]
    z0: float
    z1: float
    part: Part

    def mesh(self, detail: float) -> Mesh:
        """Its watertight surface."""
        n = self.sides
        angle = np.arange(n) * (2 * math.pi / n)
        ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        xy = np.concatenate([ring * self.radius[0], ring * self.radius[1]])
        z = np.repeat([self.z0, self.z1], n)
        x, y = xy[:, 0] + self.at, xy[:, 1]
        turn = self.phase + np.arange(self.count)[:, None] * (2 * math.pi / self.count)
        c, s = np.cos(turn), np.sin(turn)
        vertices = np.stack(np.broadcast_arrays(c * x - s * y, s * x + c * y, z), -1).reshape(-1, 3)
        j = np.arange(n)
        j1 = (j + 1) % n
        fan = np.stack([np.zeros(n - 2, dtype=np.int64), j[1:-1], j[2:]], -1)
        one = np.concatenate(
            [
                np.stack([j, j1, n + j1], -1),
                np.stack([j, n + j1, n + j], -1),
                fan[:, ::-1],
                fan + n,
            ]
        )
        faces = (one[None] + (np.arange(self.count) * 2 * n)[:, None, None]).reshape(-1, 3)
        return outward(Mesh(vertices, faces, np.full(len(faces), self.part, np.uint8)))

    def contains(self, r: FloatArray, theta: FloatArray, z: FloatArray) -> BoolArray:
        """Whether they are inside, by the distance from the nearest prism's sides."""
        inside = np.zeros(len(r), dtype=bool)
        reach = self.at + max(self.radius)
        near = np.flatnonzero((r <= reach) & (z >= self.z0) & (z <= self.z1))
        if len(near) == 0:
            return inside
        pitch = 2 * math.pi / self.count
        off = theta[near] - self.phase
        off = off - pitch * np.round(off / pitch)
        x, y = r[near] * np.cos(off) - self.at, r[near] * np.sin(off)
        side = 2 * math.pi / self.sides
        angle = np.mod(np.arctan2(y, x), side) - side / 2
        share = (z[near] - self.z0) / (self.z1 - self.z0)
        radius = self.radius[0] + share * (self.radius[1] - self.radius[0])
        inside[near] = np.hypot(x, y) * np.cos(angle) <= radius * math.cos(side / 2)
        return inside
