"""Pictures of one tyre: light, shading and a camera.

Lights are spherical Gaussian lobes, so a lamp, a window and a whole bright wall are one formula;
the first is the key light and casts shadows. Everything is computed in linear light and turned
into sRGB at the end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tasks.camera import Camera, FloatArray
from tasks.synthetic.raycast import Float32Array, Hits, RayCaster, Renderable, caster_of, normalized

Vector = tuple[float, float, float]

_SHADOW_RAYS = 3


@dataclass(frozen=True)
class Light:
    """A light from one direction, more or less spread.

    Args:
        direction: Unit vector towards the light.
        colour: Linear RGB that a white surface facing the light sends back.
        sharpness: Of the spherical Gaussian: 4 is a wall, 30 a window, 400 a lamp.
    """

    direction: Vector
    colour: Vector
    sharpness: float


@dataclass(frozen=True)
class Look:
    """Lighting and the camera's rendering of it.

    Args:
        lights: The first is the key light and casts shadows.
        up: Unit vector towards the sky or ceiling.
        sky, ground: Linear RGB of the surroundings above and below.
        exposure: Gain on linear light.
        contrast: Exponent around middle grey, 1 is neutral.
        saturation: 1 is neutral.
        balance: Gain per channel.
        sheen: Extra reflection at grazing angles, as on rubber, 0 to 1.
    """

    lights: tuple[Light, ...]
    up: Vector = (0.0, 1.0, 0.0)
    sky: Vector = (0.5, 0.5, 0.5)
    ground: Vector = (0.2, 0.2, 0.2)
    exposure: float = 1.0
    contrast: float = 1.0
    saturation: float = 1.0
    balance: Vector = (1.0, 1.0, 1.0)
    sheen: float = 0.3

    def rotated(self, rotation: FloatArray) -> Look:
        """The same light with all directions turned by ``rotation`` ``(3, 3)``."""
        return replace(
            self,
            up=_turned(rotation, self.up),
            lights=tuple(replace(x, direction=_turned(rotation, x.direction)) for x in self.lights),
        )


@dataclass(frozen=True)
class RenderedView:
    """A picture of one object.

    Args:
        rgba: ``(H, W, 4)`` uint8, sRGB with straight alpha (the covered share of the pixel).
        depth: ``(H, W)`` float32, nearest z (metres) in camera axes, infinite off the object.
        face_index: ``(H, W)`` int32, a face seen in the pixel, -1 off the object.
    """

    rgba: NDArray[np.uint8]
    depth: Float32Array
    face_index: NDArray[np.int32]


def sample_look(rng: np.random.Generator) -> Look:
    """Draw the light of a studio, a garage or a yard and a phone's exposure of it."""
    level = rng.uniform(0.35, 1.1)
    warm = rng.normal(0, 0.08)
    key = _sampled_light(rng, rng.uniform(0.5, 2.2) * level, warm, (25, 85), (8, 500))
    fills = [
        _sampled_light(rng, rng.uniform(0.1, 0.9) * level, rng.normal(0, 0.1), (-10, 80), (3, 60))
        for _ in range(int(rng.integers(1, 5)))
    ]
    sky = level * rng.uniform(0.25, 1.0) * _tint(rng.normal(0, 0.06))
    ground = sky * rng.uniform(0.15, 0.8) * _tint(rng.normal(0, 0.06))
    return Look(
        lights=(key, *fills),
        sky=_vector(sky),
        ground=_vector(ground),
        exposure=float(np.exp(rng.normal(0.1, 0.35))),
        contrast=float(rng.uniform(0.85, 1.2)),
        saturation=float(rng.uniform(0.6, 1.25)),
        balance=_vector(_tint(rng.normal(0, 0.05))),
        sheen=float(rng.uniform(0.0, 0.6)),
    )


def render_view(
    renderable: Renderable, camera: Camera, look: Look, *, supersample: int = 2
) -> RenderedView:
    """Render one object alone.

    Args:
        renderable: The object; its ray caster is kept for the following views.
        camera: In the object's frame.
        look: In the object's frame.
        supersample: Rays per pixel and axis.

    Returns:
        The picture, transparent off the object.
    """
    caster = caster_of(renderable)
    s = supersample
    height, width = camera.height, camera.width
    rgba = np.zeros((height, width, 4), dtype=np.uint8)
    depth = np.full((height, width), np.inf, dtype=np.float32)
    face_index = np.full((height, width), -1, dtype=np.int32)
    x0, y0, x1, y1 = projected_box(caster, camera)
    if x1 <= x0 or y1 <= y0:
        return RenderedView(rgba, depth, face_index)
    rows, columns = (y1 - y0) * s, (x1 - x0) * s
    grid = np.meshgrid(
        (x0 + (np.arange(columns) + 0.5) / s).astype(np.float32),
        (y0 + (np.arange(rows) + 0.5) / s).astype(np.float32),
    )
    hits, directions = cast_pixels(caster, camera, grid[0].ravel(), grid[1].ravel())
    light = shade(caster, hits, directions, look)

    covered = np.zeros(rows * columns, dtype=np.float32)
    covered[hits.ray] = 1
    summed = np.zeros((rows * columns, 3), dtype=np.float32)
    summed[hits.ray] = light
    share = covered.reshape(y1 - y0, s, x1 - x0, s).sum(axis=(1, 3))
    mean = summed.reshape(y1 - y0, s, x1 - x0, s, 3).sum(axis=(1, 3))
    mean /= np.maximum(share, 1)[..., None]
    rgba[y0:y1, x0:x1, :3] = to_srgb(mean, look)
    rgba[y0:y1, x0:x1, 3] = np.rint(share * (255 / s**2))

    z = np.full(rows * columns, np.inf, dtype=np.float32)
    forward = camera.rotation[2].astype(np.float32)
    z[hits.ray] = hits.distance * (directions @ forward)
    depth[y0:y1, x0:x1] = z.reshape(y1 - y0, s, x1 - x0, s).min(axis=(1, 3))
    face = np.full(rows * columns, -1, dtype=np.int32)
    face[hits.ray] = hits.face
    face_index[y0:y1, x0:x1] = face.reshape(y1 - y0, s, x1 - x0, s).max(axis=(1, 3))
    return RenderedView(rgba, depth, face_index)


def projected_box(caster: RayCaster, camera: Camera) -> tuple[int, int, int, int]:
    """Pixels x0, y0, x1, y1 that hold the object, within the image (all of it if too near)."""
    corners = np.array(np.meshgrid(*zip(caster.low, caster.high, strict=True))).reshape(3, 8).T
    uvz = camera.project(corners.astype(np.float64))
    if uvz[:, 2].min() < 1e-3:
        return 0, 0, camera.width, camera.height
    low = np.floor(uvz[:, :2].min(axis=0)) - 1
    high = np.ceil(uvz[:, :2].max(axis=0)) + 1
    size = (camera.width, camera.height)
    x0, y0 = (int(min(max(a, 0), n)) for a, n in zip(low, size, strict=True))
    x1, y1 = (int(min(max(a, 0), n)) for a, n in zip(high, size, strict=True))
    return x0, y0, x1, y1


def cast_pixels(
    caster: RayCaster, camera: Camera, u: Float32Array, v: Float32Array
) -> tuple[Hits, Float32Array]:
    """First hits of the rays through pixels, and the directions ``(N, 3)`` of those that hit."""
    rotation = camera.rotation.astype(np.float32)
    x = (u - np.float32(camera.cx)) / np.float32(camera.fx)
    y = (v - np.float32(camera.cy)) / np.float32(camera.fy)
    directions = x[:, None] * rotation[0] + y[:, None] * rotation[1] + rotation[2]
    directions /= np.sqrt(x * x + y * y + 1)[:, None]
    origins = np.empty_like(directions)
    origins[:] = camera.centre
    hits = caster.cast(origins, directions)
    return hits, directions[hits.ray]


def shade(caster: RayCaster, hits: Hits, directions: Float32Array, look: Look) -> Float32Array:
    """Linear RGB ``(N, 3)`` that hits send back along their rays.

    Args:
        caster: For shadows.
        hits: The points.
        directions: ``(N, 3)`` unit, from the camera to the points.
        look: In the object's frame.
    """
    surface = caster.renderable.material(hits.face, hits.points)
    albedo = np.asarray(surface.albedo, dtype=np.float32)
    f0 = np.asarray(surface.specular, dtype=np.float32)
    roughness = np.clip(np.asarray(surface.roughness, dtype=np.float32), 0.06, 1)
    normals, openness = hits.normals, hits.openness
    facing = -np.einsum("ij,ij->i", normals, directions)
    mirrored = directions + 2 * facing[:, None] * normals
    grazing = (1 - np.clip(facing, 0, 1)) ** 5
    fresnel = f0 + (np.maximum(1 - roughness, f0) - f0) * grazing
    fresnel += np.float32(0.25 * look.sheen) * grazing * (1 - f0)
    lobe = 0.5 / (roughness**4 * np.maximum(facing, 0.1))  # Wang et al. 2009, All-frequency SVBRDF

    up = np.asarray(look.up, dtype=np.float32)
    sky, ground = (np.asarray(x, dtype=np.float32) for x in (look.sky, look.ground))
    diffuse = ground + (0.5 + 0.5 * (normals @ up))[:, None] * (sky - ground)
    diffuse *= openness[:, None]
    horizon = np.clip(0.5 + (mirrored @ up) * (0.5 + 1.5 * (1 - roughness)), 0, 1)
    mirror = ground + horizon[:, None] * (sky - ground)
    mirror *= np.clip(openness * (1.6 - 0.6 * openness), 0, 1)[:, None]

    for index, light in enumerate(look.lights):
        direction = np.asarray(light.direction, dtype=np.float32)
        colour = np.asarray(light.colour, dtype=np.float32)
        spread = np.float32(min(0.5, 1 / light.sharpness))
        received = np.clip((normals @ direction + spread) / (1 + spread), 0, None)
        joint = np.float32(light.sharpness) * lobe / (np.float32(light.sharpness) + lobe)
        reflected = 0.5 * joint * np.exp(joint * (mirrored @ direction - 1))
        reflected *= np.clip(8 * received, 0, 1)
        if index == 0:
            facing_it = np.flatnonzero(received)
            lit = _key_light_reaches(caster, hits, light, facing_it)
            received[facing_it] *= lit
            reflected[facing_it] *= lit
        else:
            received *= openness
            reflected *= openness
        diffuse += received[:, None] * colour
        mirror += reflected[:, None] * colour

    tint = albedo / np.maximum(albedo.max(axis=1, keepdims=True), 1e-3)
    tint = 1 + (tint - 1) * f0[:, None]
    light_out = albedo * diffuse * (1 - fresnel)[:, None] + tint * mirror * fresnel[:, None]
    return np.asarray(light_out, dtype=np.float32)


def to_srgb(light: Float32Array, look: Look) -> NDArray[np.uint8]:
    """Linear RGB ``(..., 3)`` through exposure, balance and a soft shoulder to sRGB bytes."""
    x = light * np.asarray(look.balance, dtype=np.float32) * np.float32(look.exposure)
    grey = x.mean(axis=-1, keepdims=True)
    x = np.maximum(grey + np.float32(look.saturation) * (x - grey), 0)
    x = np.where(x > 0.7, 0.7 + 0.3 * (1 - np.exp(-(np.maximum(x, 0.7) - 0.7) / 0.3)), x)
    x = 0.18 * (x / 0.18) ** np.float32(look.contrast)
    index = np.clip(x * (len(_SRGB) - 1), 0, len(_SRGB) - 1).astype(np.int32)
    return np.asarray(_SRGB[index], dtype=np.uint8)


def _srgb_table() -> NDArray[np.uint8]:
    x = np.linspace(0, 1, 8192)
    y = np.where(x <= 0.0031308, 12.92 * x, 1.055 * np.maximum(x, 1e-9) ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(255 * y), dtype=np.uint8)


_SRGB = _srgb_table()


def _key_light_reaches(
    caster: RayCaster, hits: Hits, light: Light, facing: NDArray[np.intp]
) -> Float32Array:
    """Share of the light that each of the hits ``facing`` gets: rays to three parts of a disc."""
    count = len(facing)
    rng = np.random.default_rng(count)
    axis = np.asarray(light.direction, dtype=np.float32)
    side = np.cross(axis, np.eye(3, dtype=np.float32)[int(np.argmin(np.abs(axis)))])
    side = (side / np.linalg.norm(side)).astype(np.float32)
    disc = np.stack([side, np.cross(axis, side)]) * np.float32(1.4 / math.sqrt(light.sharpness))
    turn = rng.random(count, dtype=np.float32) * np.float32(2 * math.pi)
    radius = rng.random(count, dtype=np.float32)
    origins = hits.points[facing] + hits.flat_normals[facing] * np.float32(4e-4 * caster.size)
    free = np.zeros(count, dtype=np.float32)
    for k in range(_SHADOW_RAYS):
        angle = turn + np.float32(2 * math.pi * k / _SHADOW_RAYS)
        spot = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        spot *= np.sqrt((radius + k) / _SHADOW_RAYS)[:, None]
        free += ~caster.blocked(origins, normalized((axis + spot @ disc).astype(np.float32)))
    return free / np.float32(_SHADOW_RAYS)


def _sampled_light(
    rng: np.random.Generator,
    strength: float,
    warmth: float,
    elevations_deg: tuple[float, float],
    sharpness: tuple[float, float],
) -> Light:
    azimuth = rng.uniform(0, 2 * math.pi)
    elevation = math.radians(rng.uniform(*elevations_deg))
    direction = (
        math.cos(elevation) * math.sin(azimuth),
        math.sin(elevation),
        math.cos(elevation) * math.cos(azimuth),
    )
    spread = float(np.exp(rng.uniform(*np.log(sharpness))))
    return Light(direction, _vector(strength * _tint(warmth)), spread)


def _tint(warmth: float) -> FloatArray:
    return np.array([1 + warmth, 1.0, 1 - warmth])


def _vector(values: FloatArray) -> Vector:
    return float(values[0]), float(values[1]), float(values[2])


def _turned(rotation: FloatArray, vector: Vector) -> Vector:
    return _vector(rotation @ np.asarray(vector))
