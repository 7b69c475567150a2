"""Pictures of a GLB as the report's viewer shows it: perspective, smooth, textured; on the CPU."""

from __future__ import annotations

import math
from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.geometry.camera import Camera, look_at
from tasks.geometry.ray_caster import RayCaster
from tasks.imaging.images import decode_embedded
from tasks.imaging.srgb import linear_from_srgb, srgb_from_linear
from tasks.mesh.colouring import Colouring, coloured
from tasks.mesh.normals import vertex_normals
from tasks.mesh.reading import FloatArray, ReadMesh

FIELD_OF_VIEW_DEG = 35.0
_MARGIN = 1.06
_SAMPLES = 2
"""Rays for a pixel in each direction."""
_RAYS_AT_ONCE = 1 << 19
_PLAIN_LIGHT = 0.55
"""Rubber wants a light in which the colours of the other ways would be white."""
_GROUND = (0.90, 0.72)
"""Brightness of the ground at the picture's middle and in its corners, sRGB."""


class Studio:
    """Takes pictures of one mesh: what costs is made once for all of them.

    Args:
        mesh: The mesh.
        colouring: What its colours tell.
    """

    def __init__(self, mesh: ReadMesh, colouring: Colouring = "photo") -> None:
        self._mesh = mesh
        self._centre = (mesh.vertices.min(axis=0) + mesh.vertices.max(axis=0)) / 2
        vertices = mesh.vertices - self._centre
        self._radius = max(float(np.linalg.norm(vertices, axis=1).max()), 1e-9)
        self._caster = RayCaster(vertices, mesh.faces, scale=1.0 / self._radius)
        self._colours = coloured(mesh, colouring)
        self._strength = 1.0 if colouring == "photo" else _PLAIN_LIGHT
        self._texture = _texture_of(mesh) if colouring == "photo" else None
        normals = mesh.normals
        self._normals = vertex_normals(vertices, mesh.faces) if normals is None else normals

    def picture(
        self, azimuth_deg: float, elevation_deg: float, width: int, height: int
    ) -> NDArray[np.uint8]:
        """The mesh from a side, filling the picture.

        Args:
            azimuth_deg: About the up axis, 0 before the outer face (+Z), 90 before +X.
            elevation_deg: Above the equator, -89 to 89.
            width: Of the picture, pixels.
            height: Likewise.

        Returns:
            ``(height, width, 3)`` RGB.
        """
        camera = self._camera(azimuth_deg, elevation_deg, _SAMPLES * width, _SAMPLES * height)
        pixels = np.stack(
            np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5), axis=-1
        ).reshape(-1, 2)
        image = np.repeat(_ground(camera.width, camera.height).reshape(-1, 1), 3, axis=1)
        for begin in range(0, len(pixels), _RAYS_AT_ONCE):
            part = slice(begin, begin + _RAYS_AT_ONCE)
            image[part] = self._seen(camera, pixels[part], image[part])
        fine = image.reshape(camera.height, camera.width, 3)
        small = cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA)
        return np.rint(255 * np.clip(small, 0, 1)).astype(np.uint8)

    def turntable(
        self, elevation_deg: float, width: int, height: int, count: int
    ) -> Iterator[NDArray[np.uint8]]:
        """Once round the mesh, in ``count`` pictures as of :meth:`picture`."""
        for number in range(count):
            yield self.picture(360.0 * number / count, elevation_deg, width, height)

    def _camera(self, azimuth_deg: float, elevation_deg: float, width: int, height: int) -> Camera:
        half = math.tan(math.radians(FIELD_OF_VIEW_DEG) / 2)
        narrow = half * min(1.0, width / height)
        distance = _MARGIN * self._radius / math.sin(math.atan(narrow))
        turn, lift = math.radians(azimuth_deg), math.radians(elevation_deg)
        eye = distance * np.array(
            [math.sin(turn) * math.cos(lift), math.sin(lift), math.cos(turn) * math.cos(lift)]
        )
        focal = height / 2 / half
        return look_at(eye, np.zeros(3), focal_px=focal, width=width, height=height)

    def _seen(self, camera: Camera, pixels: FloatArray, ground: FloatArray) -> FloatArray:
        """Colours, sRGB 0..1, of pixels."""
        rays = camera.rays(pixels)
        eye = np.broadcast_to(camera.centre, rays.shape)
        found = self._caster.intersect(eye, rays)
        hit = found.face >= 0
        corners = self._mesh.faces[found.face[hit]]
        u, v = found.u[hit, None].astype(float), found.v[hit, None].astype(float)
        weights = np.stack([1 - u - v, u, v])  # (3, N, 1)

        def interpolated(values: FloatArray) -> FloatArray:
            return np.asarray(sum(w * values[corners[:, k]] for k, w in enumerate(weights)))

        normals = interpolated(self._normals)
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
        colours = interpolated(self._colours)
        if self._texture is not None and self._mesh.uv is not None:
            colours = _sampled(self._texture, interpolated(self._mesh.uv))
        lit = self._strength * colours * _light(normals, camera)[:, None]
        seen = ground.copy()
        seen[hit] = srgb_from_linear(np.clip(lit, 0, 1))
        return seen


def _light(normals: FloatArray, camera: Camera) -> FloatArray:
    """Sky, fill and a lamp at the camera's upper left, as strong as the viewer's."""
    right, down, forward = camera.rotation
    lamp = -0.6 * right - 0.8 * down - forward
    lamp = lamp / np.linalg.norm(lamp)
    sky = 0.5 + 0.5 * normals[:, 1]
    return np.asarray(
        2.2 / math.pi * (0.55 + 0.9 * sky + 0.5 + 1.3 * np.maximum(normals @ lamp, 0))
    )


def _ground(width: int, height: int) -> FloatArray:
    x, y = np.linspace(-1, 1, width), np.linspace(-0.8, 1.2, height)
    far = np.clip(np.hypot(x[None], y[:, None]) / 1.4, 0, 1)
    return _GROUND[0] + (_GROUND[1] - _GROUND[0]) * far


def _texture_of(mesh: ReadMesh) -> FloatArray | None:
    """The texture, linear RGB ``(H, W, 3)``; None where there is none that can be read."""
    if mesh.texture is None:
        return None
    image = decode_embedded(mesh.texture)
    if image is None:
        return None
    return linear_from_srgb(image[..., ::-1].astype(np.float64) / 255.0)


def _sampled(texture: FloatArray, uv: FloatArray) -> FloatArray:
    """Bilinear samples ``(N, 3)``; the texture repeats."""
    height, width = texture.shape[:2]
    x, y = uv[:, 0] * width - 0.5, uv[:, 1] * height - 0.5
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    across, down = (x - left)[:, None], (y - top)[:, None]
    columns, rows = (left % width, (left + 1) % width), (top % height, (top + 1) % height)
    upper = (1 - across) * texture[rows[0], columns[0]] + across * texture[rows[0], columns[1]]
    lower = (1 - across) * texture[rows[1], columns[0]] + across * texture[rows[1], columns[1]]
    return np.asarray((1 - down) * upper + down * lower)
