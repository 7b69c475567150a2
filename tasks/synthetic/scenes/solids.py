"""Simple solids of which stands, buckets, people and rooms are made, and how they look.

World frame: metres, +Y up. All builders return closed or open triangle meshes whose normals point
outwards and whose texture coordinates count metres along the surface.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.geometry.camera import FloatArray
from tasks.geometry.sphere import tangents
from tasks.imaging.srgb import linear_from_srgb
from tasks.synthetic.scenes.raycast import Float32Array, IntArray
from tasks.synthetic.scenes.textures import Texture
from tasks.synthetic.tyres.imported_wheels import Paint

_LINEAR = linear_from_srgb(np.arange(256) / 255.0).astype(np.float32)
_LEVELS = 6
_COLUMNS = 4096
"""Positions go to ``cv2.remap`` as images of this width: it takes at most 32767 columns."""
_GRAIN = 0.12
"""Metres between vertices, at most: occlusion is stored by vertex."""

WHITE = (1.0, 1.0, 1.0)


class MipMap:
    """A texture with its smaller levels side by side, so that a look-up at any level is one.

    Args:
        texture: ``(h, w, 3)`` uint8 sRGB.
    """

    def __init__(self, texture: Texture) -> None:
        height, width = texture.shape[:2]
        self._atlas = np.zeros((height, 2 * width + 2 * _LEVELS, 3), dtype=np.uint8)
        tiles, left, level = [], 0, texture
        for _ in range(_LEVELS):
            h, w = level.shape[:2]
            self._atlas[:h, left : left + w] = level
            tiles.append((left, w, h))
            left += w + 1
            size = (max(w // 2, 1), max(h // 2, 1))
            level = np.asarray(cv2.resize(level, size, interpolation=cv2.INTER_AREA), np.uint8)
        self._tiles = np.array(tiles, dtype=np.float32)
        self.width = width

    def linear(self, st: Float32Array, level: Float32Array) -> Float32Array:
        """Linear RGB ``(N, 3)`` at shares ``st`` ``(N, 2)`` of a texture that repeats.

        Args:
            st: Any numbers; only what is behind the point counts.
            level: ``(N,)`` 0 the finest, rounded.
        """
        tile = self._tiles[np.clip(np.rint(level), 0, _LEVELS - 1).astype(np.int32)]
        inside = (st % 1.0) * (tile[:, 1:] - 1)
        count = len(st)
        rows = max(-(-count // _COLUMNS), 1)
        xy = np.zeros((2, rows * _COLUMNS), dtype=np.float32)
        xy[0, :count], xy[1, :count] = inside[:, 0] + tile[:, 0], inside[:, 1]
        x, y = xy.reshape(2, rows, _COLUMNS)
        found = cv2.remap(self._atlas, x, y, cv2.INTER_LINEAR).reshape(-1, 3)[:count]
        return np.asarray(_LINEAR[found], dtype=np.float32)


@dataclass(frozen=True)
class Surface:
    """How a solid reflects light.

    Args:
        albedo: Linear RGB; a texture is multiplied with it.
        texture: What is painted on it, or None.
        repeat: Metres after which the texture repeats along both axes.
        specular: Mirror reflectance at normal incidence.
        roughness: 0 (mirror) to 1.
    """

    albedo: tuple[float, float, float] = WHITE
    texture: MipMap | None = None
    repeat: tuple[float, float] = (1.0, 1.0)
    specular: float = 0.04
    roughness: float = 0.7


@dataclass(frozen=True)
class Solid:
    """A triangle mesh of one surface.

    Args:
        vertices: ``(V, 3)`` metres.
        faces: ``(F, 3)``.
        normals: ``(V, 3)`` unit, outwards.
        uv: ``(V, 2)`` metres along the surface.
        surface: How it looks.
    """

    vertices: FloatArray
    faces: NDArray[np.int64]
    normals: FloatArray
    uv: FloatArray
    surface: Surface

    def moved(self, rotation: FloatArray, shift: FloatArray) -> Solid:
        """The same solid turned by ``(3, 3)``, then shifted by ``(3,)``."""
        return replace(
            self,
            vertices=self.vertices @ rotation.T + shift,
            normals=self.normals @ rotation.T,
        )


class Solids:
    """Several solids as one renderable, looked at from one place.

    Args:
        solids: At least one.
    """

    def __init__(self, solids: Sequence[Solid]) -> None:
        offsets = np.cumsum([0, *(len(s.vertices) for s in solids)])
        self.vertices: Float32Array = _stacked([s.vertices for s in solids])
        self.normals: Float32Array = _stacked([s.normals for s in solids])
        self._uv: Float32Array = _stacked([s.uv for s in solids])
        self.faces: IntArray = np.concatenate(
            [s.faces + o for s, o in zip(solids, offsets[:-1], strict=True)]
        ).astype(np.int32)
        self._owner = np.repeat(np.arange(len(solids)), [len(s.faces) for s in solids])
        self._surfaces = [s.surface for s in solids]
        self._eye: FloatArray = np.zeros(3)
        self._pixel = 1e-3

    def look_from(self, eye: FloatArray, focal_px: float) -> None:
        """Choose the levels of textures for a camera's centre ``(3,)`` and focal length."""
        self._eye, self._pixel = eye, 1.0 / focal_px

    def material(self, face_index: IntArray, points: Float32Array) -> Paint:
        """The material at points ``(N, 3)`` on the faces ``(N,)``."""
        owner = self._owner[face_index]
        albedo = np.array([s.albedo for s in self._surfaces], dtype=np.float32)[owner]
        specular = np.array([s.specular for s in self._surfaces], dtype=np.float32)[owner]
        rough = np.array([s.roughness for s in self._surfaces], dtype=np.float32)[owner]
        for index, surface in enumerate(self._surfaces):
            if surface.texture is None:
                continue
            here = np.flatnonzero(owner == index)
            if len(here) == 0:
                continue
            corners = self.faces[face_index[here]]
            uv = np.einsum("nk,nkd->nd", self._weights(corners, points[here]), self._uv[corners])
            away = np.linalg.norm(points[here] - self._eye, axis=1)
            texel = surface.repeat[0] / surface.texture.width
            level = np.log2(np.maximum(1.4 * away * self._pixel / texel, 1e-6))
            st = (uv / np.asarray(surface.repeat)).astype(np.float32)
            albedo[here] *= surface.texture.linear(st, level.astype(np.float32))
        return Paint(albedo, specular, rough)

    def _weights(self, corners: IntArray, points: Float32Array) -> Float32Array:
        a = self.vertices[corners[:, 0]]
        b, c, p = (
            x - a for x in (self.vertices[corners[:, 1]], self.vertices[corners[:, 2]], points)
        )
        bb, bc, cc, pb, pc = (
            np.einsum("ij,ij->i", x, y) for x, y in ((b, b), (b, c), (c, c), (p, b), (p, c))
        )
        area = np.maximum(bb * cc - bc * bc, 1e-20)
        v, w = (cc * pb - bc * pc) / area, (bb * pc - bc * pb) / area
        return np.asarray(np.stack([1 - v - w, v, w], axis=1), dtype=np.float32)


def _stacked(arrays: Sequence[FloatArray]) -> Float32Array:
    return np.concatenate(arrays).astype(np.float32)


def sheet(
    origin: FloatArray,
    along: FloatArray,
    across: FloatArray,
    surface: Surface,
    *,
    knots: tuple[FloatArray, FloatArray] | None = None,
) -> Solid:
    """A rectangle that is seen from where ``across × along`` points to.

    Args:
        origin: ``(3,)`` a corner.
        along: ``(3,)`` an edge.
        across: ``(3,)`` the other edge, orthogonal.
        surface: How it looks.
        knots: Shares of the two edges, ascending from 0 to 1, at which vertices lie.
    """
    length, width = float(np.linalg.norm(along)), float(np.linalg.norm(across))
    s, t = knots if knots is not None else (_steps(length), _steps(width))
    u, v = (a.ravel() for a in np.meshgrid(s, t, indexing="ij"))
    normal = np.cross(across, along)
    vertices = origin + u[:, None] * along + v[:, None] * across
    normals = np.broadcast_to(normal / np.linalg.norm(normal), vertices.shape)
    uv = np.stack([u * length, v * width], axis=1)
    return Solid(vertices, _grid(len(s), len(t)), normals, uv, surface)


def box(
    centre: FloatArray, size: FloatArray, surface: Surface, rotation: FloatArray | None = None
) -> Solid:
    """A box with edges ``size`` ``(3,)`` about its own axes, turned by ``rotation`` ``(3, 3)``."""
    turn = np.eye(3) if rotation is None else rotation
    sides = []
    for axis in range(3):
        a, b = np.eye(3)[(axis + 1) % 3], np.eye(3)[(axis + 2) % 3]
        for sign in (1.0, -1.0):
            along, across = (b, a) if sign > 0 else (a, b)
            along, across = along * size, across * size
            origin = sign * np.eye(3)[axis] * size / 2 - along / 2 - across / 2
            sides.append(sheet(origin, along, across, surface))
    return joined(sides).moved(turn, centre)


def beam(a: FloatArray, b: FloatArray, thickness: tuple[float, float], surface: Surface) -> Solid:
    """A bar of rectangular section from ``a`` to ``b`` ``(3,)``."""
    axis = b - a
    length = float(np.linalg.norm(axis))
    z = axis / length
    x, y = tangents(z)
    if abs(z[1]) < 0.99:  # sides that stand upright and lie level, as carpenters have them
        x = np.cross([0.0, 1.0, 0.0], z)
        x /= np.linalg.norm(x)
        y = np.cross(z, x)
    turn = np.stack([x, y, z], axis=1)
    return box((a + b) / 2, np.array([*thickness, length]), surface, turn)


def tube(
    a: FloatArray,
    b: FloatArray,
    radius: tuple[float, float],
    surface: Surface,
    *,
    sides: int = 14,
    round_ends: bool = False,
) -> Solid:
    """A cone's frustum from ``a`` to ``b`` ``(3,)``, closed by flat or by round ends."""
    length = float(np.linalg.norm(b - a))
    count = max(2, math.ceil(length / _GRAIN) + 1)
    z = np.linspace(0, length, count)
    r = np.linspace(radius[0], radius[1], count)
    if round_ends:
        arc = np.linspace(0, math.pi / 2, 5)[:-1]
        low = np.stack([radius[0] * np.sin(arc), -radius[0] * np.cos(arc)], axis=1)
        high = np.stack([radius[1] * np.cos(arc), length + radius[1] * np.sin(arc)], axis=1)[1:]
        profile = np.concatenate([low, np.stack([r, z], axis=1), high, [[0, length + radius[1]]]])
        return _along(turned(profile, surface, sides=sides), a, b)
    body = turned(np.stack([r, z], axis=1), surface, sides=sides)
    ends = [
        turned(np.array([[0.0, 0.0], [radius[0], 0.0]]), surface, sides=sides),
        turned(np.array([[radius[1], length], [0.0, length]]), surface, sides=sides),
    ]
    return _along(joined([body, *ends]), a, b)


def turned(profile: FloatArray, surface: Surface, *, sides: int = 24) -> Solid:
    """A profile ``(K, 2)`` of (radius, height) turned about +Z; it runs with its outside right."""
    step = np.diff(profile, axis=0)
    slope = np.concatenate([step[:1], (step[1:] + step[:-1]) / 2, step[-1:]])
    normal = np.stack([slope[:, 1], -slope[:, 0]], axis=1)
    normal /= np.maximum(np.linalg.norm(normal, axis=1), 1e-9)[:, None]
    angle = np.linspace(0, 2 * math.pi, sides + 1)
    c, s = np.cos(angle)[:, None], np.sin(angle)[:, None]
    r, z = profile.T
    vertices = np.stack(np.broadcast_arrays(c * r, s * r, z), axis=-1).reshape(-1, 3)
    normals = np.stack(
        np.broadcast_arrays(c * normal[:, 0], s * normal[:, 0], normal[:, 1]), axis=-1
    ).reshape(-1, 3)
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(step, axis=1))])
    uv = np.stack(
        np.broadcast_arrays(angle[:, None] * float(r.max()), length[None, :]), axis=-1
    ).reshape(-1, 2)
    return Solid(vertices, _grid(sides + 1, len(profile)), normals, uv, surface)


def joined(solids: Sequence[Solid]) -> Solid:
    """Solids of one surface as one: the first one's surface."""
    offsets = np.cumsum([0, *(len(s.vertices) for s in solids)])[:-1]
    return Solid(
        np.concatenate([s.vertices for s in solids]),
        np.concatenate([s.faces + o for s, o in zip(solids, offsets, strict=True)]),
        np.concatenate([s.normals for s in solids]),
        np.concatenate([s.uv for s in solids]),
        solids[0].surface,
    )


def _along(solid: Solid, a: FloatArray, b: FloatArray) -> Solid:
    """A solid about +Z put onto the way from ``a`` to ``b``."""
    z = (b - a) / np.linalg.norm(b - a)
    x, _ = tangents(z)
    return solid.moved(np.stack([x, np.cross(z, x), z], axis=1), a)


def _steps(length: float) -> FloatArray:
    return np.linspace(0.0, 1.0, int(np.clip(math.ceil(length / _GRAIN), 1, 24)) + 1)


def _grid(n: int, m: int) -> NDArray[np.int64]:
    i, j = np.meshgrid(np.arange(n - 1), np.arange(m - 1), indexing="ij")
    a = (i * m + j).ravel()
    return np.concatenate(
        [np.stack([a, a + m, a + m + 1], axis=1), np.stack([a, a + m + 1, a + 1], axis=1)]
    )
