"""The environment in which a tyre is filmed: flat charts with textures and baked light.

World frame: metres, +Y up, the floor is y = 0, the tyre stands near the origin. Textures with all
their smaller levels lie in one atlas and the baked light in another, so that a whole image is two
look-ups. The tyre's own shadow is no part of the baked light: see
:mod:`tasks.synthetic.scenes.scene`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.geometry.camera import Camera, FloatArray
from tasks.geometry.ray_caster import RayCaster
from tasks.imaging.srgb import linear_from_srgb
from tasks.synthetic.scenes.lighting import Light, Look, light_disc
from tasks.synthetic.scenes.raycast import Float32Array, normalized
from tasks.synthetic.scenes.render import pixel_rays
from tasks.synthetic.scenes.textures import Texture

_LEVELS = 6
_LIGHT_TEXEL = 0.06
_BAKE_RAYS = 24
_REACH = 1.6
"""Metres within which charts shade each other: walls do not keep the light out of a room."""

_LINEAR = linear_from_srgb(np.arange(256) / 255.0).astype(np.float32)


@dataclass(frozen=True)
class Chart:
    """A flat rectangle, or the disc within it.

    Args:
        origin: ``(3,)`` its corner, metres.
        along, across: ``(3,)`` its edges, orthogonal; ``across × along`` faces the viewer.
        texture: Index into the textures.
        round: Only the disc within the rectangle exists.
    """

    origin: FloatArray
    along: FloatArray
    across: FloatArray
    texture: int
    round: bool = False


@dataclass(frozen=True)
class BackgroundSample:
    """One ray's worth of background for every pixel.

    Args:
        light: ``(N, 3)`` linear RGB, ``key`` included.
        points: ``(N, 3)`` world, undefined where nothing was met.
        up_facing: ``(N,)`` whether a horizontal surface was met.
        key: ``(N, 3)`` the part of ``light`` that comes from the key light.
    """

    light: Float32Array
    points: Float32Array
    up_facing: NDArray[np.bool_]
    key: Float32Array


class Background:
    """Charts, textures and the light on them.

    Args:
        charts: The first is the floor.
        textures: sRGB images.
        look: The light in the world; baked here.
        seed: Seed of the rays that bake.
        outdoors: The sky is bright, not a dark ceiling.
    """

    def __init__(
        self,
        charts: Sequence[Chart],
        textures: Sequence[Texture],
        look: Look,
        *,
        seed: int,
        outdoors: bool,
    ) -> None:
        self.look = look
        self.outdoors = outdoors
        self._origin = np.array([c.origin for c in charts], dtype=np.float32)
        along = np.array([c.along for c in charts])
        across = np.array([c.across for c in charts])
        normal = np.cross(across, along)
        self._normal = (normal / np.linalg.norm(normal, axis=1, keepdims=True)).astype(np.float32)
        sizes = np.stack([np.linalg.norm(along, axis=1), np.linalg.norm(across, axis=1)], axis=1)
        self._axes = np.stack([along, across], axis=1) / (sizes**2)[..., None]
        self._axes = self._axes.astype(np.float32)
        self._texture = np.array([c.texture for c in charts])
        self._round = np.array([c.round for c in charts])
        self._atlas, self._rectangles = _texture_atlas(textures)
        texels = np.array([t.shape[1::-1] for t in textures])[self._texture]
        self._texels_per_metre = (texels / sizes).max(axis=1).astype(np.float32)
        triangles, self._chart_of = _triangles(charts)
        corners = np.arange(3 * len(triangles)).reshape(-1, 3)
        self._caster = RayCaster(triangles.reshape(-1, 3), corners)
        self._lightmap, self._light_rectangles = self._bake(charts, sizes, seed)

    def occluded(
        self, origins: Float32Array, directions: Float32Array, reach: Float32Array
    ) -> NDArray[np.bool_]:
        """Whether rays meet anything within their ``reach`` ``(N,)``."""
        return self._caster.occluded(origins, directions, reach)

    def sample(
        self,
        camera: Camera,
        u: Float32Array,
        v: Float32Array,
        rng: np.random.Generator,
        turn: float = 0.0,
    ) -> BackgroundSample:
        """What rays through pixels ``u, v`` ``(h, w)`` of a camera in the world meet.

        Args:
            camera: Camera in the world's frame.
            u: Columns of the pixels.
            v: Rows of the pixels.
            rng: Blends neighbouring levels of the textures.
            turn: Angle of the discs about +Y, radians.
        """
        shape = u.shape
        directions = pixel_rays(camera, u.ravel(), v.ravel())
        origins = np.empty_like(directions)
        origins[:] = camera.centre
        found = self._caster.intersect(origins, directions)
        met = found.face >= 0
        chart = self._chart_of[np.where(met, found.face, 0)]
        distance = np.where(met, found.distance, 1)
        points = origins + distance[:, None] * directions
        st = np.einsum("nij,nj->ni", self._axes[chart], points - self._origin[chart])

        slope = np.abs(np.einsum("ij,ij->i", self._normal[chart], directions))
        footprint = distance / np.float32(camera.fx) / np.sqrt(np.maximum(slope, 0.05))
        level = np.log2(footprint * self._texels_per_metre[chart] + 1e-6)
        level += rng.random(len(level), dtype=np.float32) - np.float32(0.75)
        step = np.clip(np.floor(level + 0.5), 0, _LEVELS - 1).astype(np.int32)
        seen = st if turn == 0.0 else self._turned(st, chart, turn)
        xy = _atlas_position(self._rectangles[self._texture[chart], step], seen).reshape(*shape, 2)
        albedo = _LINEAR[cv2.remap(self._atlas, xy[..., 0], xy[..., 1], cv2.INTER_LINEAR)]
        albedo = albedo.reshape(-1, 3)
        xy = _atlas_position(self._light_rectangles[chart], st).reshape(*shape, 2)
        baked = cv2.remap(self._lightmap, xy[..., 0], xy[..., 1], cv2.INTER_LINEAR).reshape(-1, 2)

        albedo = np.asarray(albedo, dtype=np.float32)
        key = np.asarray(baked[:, :1] * albedo * self._key_colour(chart), dtype=np.float32)
        fill = np.asarray(baked[:, 1:] * albedo * self._fill_colour(chart), dtype=np.float32)
        light = key + fill
        light[~met] = self._sky(directions[~met])
        key[~met] = 0
        facing_up = met & (self._normal[chart, 1] > 0.9)
        return BackgroundSample(light, np.asarray(points, dtype=np.float32), facing_up, key)

    def floor_colour(self) -> Float32Array:
        """Mean linear RGB that the floor sends back, ``(3,)``: what lights a tyre from below."""
        x, y, w, h = self._rectangles[self._texture[0], 3].astype(int)
        albedo = _LINEAR[self._atlas[y : y + h + 1, x : x + w + 1]].mean(axis=(0, 1))
        floor = np.zeros(1, dtype=np.int64)
        return np.asarray(albedo * (self._key_colour(floor) + self._fill_colour(floor))[0])

    def _turned(self, st: Float32Array, chart: NDArray[np.int64], turn: float) -> Float32Array:
        """Positions on discs that have turned about +Y, seen from the disc itself."""
        c, s = np.float32(math.cos(turn)), np.float32(math.sin(turn))
        x, z = st[:, 0] - np.float32(0.5), st[:, 1] - np.float32(0.5)
        turned = np.stack([c * x - s * z, s * x + c * z], axis=1) + np.float32(0.5)
        return np.where(self._round[chart][:, None], turned, st)

    def _key_colour(self, chart: NDArray[np.int64]) -> Float32Array:
        key = self.look.lights[0]
        facing = np.clip(self._normal @ np.asarray(key.direction, dtype=np.float32), 0, None)
        colours = facing[:, None] * np.asarray(key.colour, dtype=np.float32)
        return np.asarray(colours[chart], dtype=np.float32)

    def _fill_colour(self, chart: NDArray[np.int64]) -> Float32Array:
        sky, ground = (np.asarray(x, dtype=np.float32) for x in (self.look.sky, self.look.ground))
        total = ground + (0.5 + 0.5 * self._normal[:, 1:2]) * (sky - ground)
        for light in self.look.lights[1:]:
            facing = np.clip(self._normal @ np.asarray(light.direction, dtype=np.float32), 0, None)
            total = total + facing[:, None] * np.asarray(light.colour, dtype=np.float32)
        return np.asarray(total[chart], dtype=np.float32)

    def _sky(self, directions: Float32Array) -> Float32Array:
        height = np.clip(directions[:, 1:2], 0, 1)
        sky = np.asarray(self.look.sky, dtype=np.float32)
        gradient = 1.6 - 0.8 * height if self.outdoors else 0.25 + 0.5 * height
        return np.asarray(sky * gradient, dtype=np.float32)

    def _bake(
        self, charts: Sequence[Chart], sizes: FloatArray, seed: int
    ) -> tuple[Float32Array, Float32Array]:
        """Atlas of key visibility and openness ``(H, W, 2)`` and the charts' rectangles in it."""
        counts = np.clip(np.ceil(sizes / _LIGHT_TEXEL), 3, 160).astype(int)
        rectangles = _packed([(int(w), int(h)) for w, h in counts])
        atlas = np.ones(
            (int((rectangles[:, 1] + rectangles[:, 3]).max()) + 2, 1024, 2), dtype=np.float32
        )
        rng = np.random.default_rng(seed)
        key = self.look.lights[0]
        for index, (chart, (x, y, w, h)) in enumerate(zip(charts, rectangles, strict=True)):
            s, t = np.meshgrid((np.arange(w) + 0.5) / w, (np.arange(h) + 0.5) / h)
            points = chart.origin + s[..., None] * chart.along + t[..., None] * chart.across
            normal = self._normal[index]
            seen = visibility(self, points.reshape(-1, 3), normal, key, rng, _BAKE_RAYS, _REACH)
            smooth = cv2.blur(seen.reshape(h, w, 2), (3, 3), borderType=cv2.BORDER_REPLICATE)
            atlas[y : y + h, x : x + w] = smooth
        return atlas, (rectangles - np.array([0, 0, 1, 1])).astype(np.float32)


def visibility(
    blocker: Background,
    points: FloatArray,
    normal: Float32Array,
    key: Light,
    rng: np.random.Generator,
    rays: int,
    reach: float,
) -> Float32Array:
    """Shares ``(N, 2)`` of the key light and of the sky that points ``(N, 3)`` see."""
    count = len(points)
    origins = (points + normal * 1e-3).astype(np.float32)
    reaches = np.full(count, reach, dtype=np.float32)
    seen = np.zeros((count, 2), dtype=np.float32)
    for k in range(rays):
        towards = light_disc(key, rng.random((2, count), dtype=np.float32), k, rays)
        seen[:, 0] += ~blocker.occluded(origins, towards, reaches)
        sphere = normalized(rng.standard_normal((count, 3), dtype=np.float32))
        seen[:, 1] += ~blocker.occluded(origins, normalized(normal + 0.999 * sphere), reaches)
    return seen / np.float32(rays)


def _triangles(charts: Sequence[Chart]) -> tuple[Float32Array, NDArray[np.int64]]:
    """Triangles ``(T, 3, 3)`` of the charts and each one's chart."""
    triangles, owner = [], []
    for index, chart in enumerate(charts):
        if chart.round:
            angle = np.linspace(0, 2 * math.pi, 49)
            st = 0.5 + 0.5 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
            fan = [np.stack([np.array([0.5, 0.5]), a, b]) for a, b in pairwise(st)]
        else:
            fan = [np.array([[0, 0], [1, 0], [1, 1]]), np.array([[0, 0], [1, 1], [0, 1]])]
        corners = np.array(fan, dtype=np.float64)
        triangles.append(
            chart.origin + corners[..., :1] * chart.along + corners[..., 1:] * chart.across
        )
        owner.extend([index] * len(fan))
    return np.concatenate(triangles).astype(np.float32), np.array(owner)


def _packed(sizes: Sequence[tuple[int, int]], width: int = 1024) -> NDArray[np.int64]:
    """Rectangles ``(N, 4)`` x, y, w, h on shelves, one pixel apart."""
    rectangles, x, y, shelf = [], 0, 0, 0
    for w, h in sizes:
        if x + w > width:
            x, y, shelf = 0, y + shelf + 1, 0
        rectangles.append((x, y, w, h))
        x, shelf = x + w + 1, max(shelf, h)
    return np.array(rectangles)


def _texture_atlas(textures: Sequence[Texture]) -> tuple[Texture, Float32Array]:
    """All levels of all textures in one image, and rectangles ``(T, L, 4)``: x, y, w - 1, h - 1."""
    pyramids: list[Texture] = []
    for texture in textures:
        level = texture
        for _ in range(_LEVELS):
            pyramids.append(level)
            size = (max(level.shape[1] // 2, 1), max(level.shape[0] // 2, 1))
            level = np.asarray(cv2.resize(level, size, interpolation=cv2.INTER_AREA), np.uint8)
    rectangles = _packed([(p.shape[1], p.shape[0]) for p in pyramids], 4096)
    atlas = np.zeros((int((rectangles[:, 1] + rectangles[:, 3]).max()), 4096, 3), dtype=np.uint8)
    for (x, y, w, h), level in zip(rectangles, pyramids, strict=True):
        atlas[y : y + h, x : x + w] = level
    rectangles = rectangles - np.array([0, 0, 1, 1])
    return atlas, rectangles.reshape(len(textures), _LEVELS, 4).astype(np.float32)


def _atlas_position(rectangle: Float32Array, st: Float32Array) -> Float32Array:
    """Pixel positions ``(N, 2)`` of the shares ``st`` of rectangles ``(N, 4)``."""
    inside = np.clip(st * (rectangle[:, 2:] + 1) - np.float32(0.5), 0, rectangle[:, 2:])
    return np.asarray(rectangle[:, :2] + inside, dtype=np.float32)
