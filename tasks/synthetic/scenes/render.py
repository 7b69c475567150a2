"""Images of one tyre: light, shading and a camera."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tasks.geometry.camera import Camera
from tasks.synthetic.scenes.lighting import Light, Look, Parts, light_disc, sample_look, to_srgb
from tasks.synthetic.scenes.raycast import Float32Array, Hits, Renderable, RenderableCaster

__all__ = ["Light", "Look", "RenderedView", "render_view", "sample_look"]


class Shaded(Protocol):
    """What is shaded: a surface, and what keeps the key light from it."""

    @property
    def renderable(self) -> Renderable:
        """The surface."""

    @property
    def size(self) -> float:
        """Length of its bounding box's diagonal, metres."""

    def occluded(self, origins: Float32Array, directions: Float32Array) -> NDArray[np.bool_]:
        """Whether rays from ``origins`` ``(N, 3)`` meet anything."""


@dataclass(frozen=True)
class RenderedView:
    """An image of one object.

    Args:
        rgba: ``(H, W, 4)`` uint8, sRGB with straight alpha (the covered share of the pixel).
        depth: ``(H, W)`` float32, nearest z (metres) in camera axes, infinite off the object.
        face_index: ``(H, W)`` int32, a face seen in the pixel, -1 off the object.
    """

    rgba: NDArray[np.uint8]
    depth: Float32Array
    face_index: NDArray[np.int32]


def render_view(
    caster: RenderableCaster, camera: Camera, look: Look, *, supersample: int = 2
) -> RenderedView:
    """Render one object alone.

    Args:
        caster: The object.
        camera: Camera in the object's frame.
        look: Light in the object's frame.
        supersample: Rays per pixel and axis.

    Returns:
        The image, transparent off the object.
    """
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
    part = hits.ray // columns % s * s + hits.ray % s  # columns is a multiple of s
    light = shade(caster, hits, directions, look, part, s * s)

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


def projected_box(caster: RenderableCaster, camera: Camera) -> tuple[int, int, int, int]:
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
    caster: RenderableCaster, camera: Camera, u: Float32Array, v: Float32Array
) -> tuple[Hits, Float32Array]:
    """First hits of the rays through pixels, and the directions ``(N, 3)`` of those that hit."""
    directions = pixel_rays(camera, u, v)
    origins = np.empty_like(directions)
    origins[:] = camera.centre
    hits = caster.cast(origins, directions)
    return hits, directions[hits.ray]


def pixel_rays(camera: Camera, u: Float32Array, v: Float32Array) -> Float32Array:
    """Unit directions ``(N, 3)`` through pixels: ``Camera.rays`` in single precision."""
    rotation = camera.rotation.astype(np.float32)
    x = (u - np.float32(camera.cx)) / np.float32(camera.fx)
    y = (v - np.float32(camera.cy)) / np.float32(camera.fy)
    directions = x[:, None] * rotation[0] + y[:, None] * rotation[1] + rotation[2]
    directions /= np.sqrt(x * x + y * y + 1)[:, None]
    return np.asarray(directions, dtype=np.float32)


def shade(
    caster: Shaded,
    hits: Hits,
    directions: Float32Array,
    look: Look,
    part: Parts = 0,
    parts: int = 1,
    shadow_rays: int = 1,
) -> Float32Array:
    """Linear RGB ``(N, 3)`` that hits send back along their rays.

    Args:
        caster: The surface; for shadows, too.
        hits: The points.
        directions: ``(N, 3)`` unit, from the camera to the points.
        look: Light in the object's frame.
        part: Which part of the key light each hit looks at, one or ``(N,)``.
        parts: Number of parts; a pixel should average over all.
        shadow_rays: Rays per hit, within its part.
    """
    reflectance = caster.renderable.material(hits.face, hits.points)
    albedo = np.asarray(reflectance.albedo, dtype=np.float32)
    f0 = np.asarray(reflectance.specular, dtype=np.float32)
    roughness = np.clip(np.asarray(reflectance.roughness, dtype=np.float32), 0.06, 1)
    normals, openness = hits.normals, hits.openness
    facing = -np.einsum("ij,ij->i", normals, directions)
    mirrored = directions + 2 * facing[:, None] * normals
    grazing = (1 - np.clip(facing, 0, 1)) ** 5
    fresnel = f0 + (np.maximum(1 - roughness, f0) - f0) * grazing
    fresnel += np.float32(0.25 * look.sheen) * grazing * (1 - f0)
    lobe = 0.5 / (roughness**4 * np.maximum(facing, 0.1))  # Wang et al. 2009, All-frequency SVBRDF

    lift = np.float32(4e-4 * caster.size)
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
        wrap = np.float32(min(0.5, 1 / light.sharpness))
        received = np.clip((normals @ direction + wrap) / (1 + wrap), 0, None)
        joint = np.float32(light.sharpness) * lobe / (np.float32(light.sharpness) + lobe)
        reflected = 0.5 * joint * np.exp(joint * (mirrored @ direction - 1))
        reflected *= np.clip(8 * received, 0, 1)
        if index == 0:
            facing_it = np.flatnonzero(received)
            here = part if isinstance(part, int) else part[facing_it]
            noise = _noise(hits.ray[facing_it], parts)
            origins = hits.points[facing_it] + lift * hits.flat_normals[facing_it]
            lit = np.zeros(len(facing_it), dtype=np.float32)
            for k in range(shadow_rays):
                towards = light_disc(light, noise, here + k * parts, parts * shadow_rays)
                lit += ~caster.occluded(origins, towards)
            received[facing_it] *= lit / np.float32(shadow_rays)
            reflected[facing_it] *= lit / np.float32(shadow_rays)
        else:
            received *= openness
            reflected *= openness
        diffuse += received[:, None] * colour
        mirror += reflected[:, None] * colour

    r, g, b = albedo.T
    strongest = np.maximum(np.maximum(r, g), b)[:, None]
    tint = albedo / np.maximum(strongest, np.float32(1e-3))
    tint = 1 + (tint - 1) * f0[:, None]
    light_out = albedo * diffuse * (1 - fresnel)[:, None] + tint * mirror * fresnel[:, None]
    return np.asarray(light_out, dtype=np.float32)


def _noise(ray: NDArray[np.int64], parts: int) -> Float32Array:
    """Two numbers, 0 to 1, for each ray: the same in every image of the same grid."""
    table = np.random.default_rng(parts).random((2, 4099), dtype=np.float32)
    return np.asarray(table[:, ray % 4099], dtype=np.float32)
