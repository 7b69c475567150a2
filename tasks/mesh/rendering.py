"""Renderings of a GLB like those of the report's viewer: perspective, smooth, textured; CPU."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.core.parallel import in_threads
from tasks.geometry.camera import Camera, look_at
from tasks.geometry.ray_caster import RayCaster
from tasks.imaging.srgb import srgb_from_linear
from tasks.mesh.colouring import Colouring, coloured
from tasks.mesh.glb_reader import ReadMesh
from tasks.mesh.normals import vertex_normals
from tasks.mesh.texture import decoded, sampled

Float32Array = NDArray[np.float32]

FIELD_OF_VIEW_DEG = 35.0
_MARGIN = 1.06
_WITHIN = ((0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75))
"""Where rays go through a pixel whose neighbours look otherwise; one goes through all others."""
_MOST_CONTRAST = 0.08
"""Neighbours, sRGB, that differ by no more look alike."""
_RAYS_AT_ONCE = 1 << 19
_AT_ONCE = 8
"""Images that are in memory together."""
_PLAIN_LIGHT = 0.55
"""Rubber wants a light in which the colours of the other ways would be white."""
_GROUND = (0.90, 0.72)
"""Brightness of the ground at the image's middle and in its corners, sRGB."""


@dataclass(frozen=True)
class _Lens:
    """What all images of one size share.

    Args:
        width: Pixels.
        height: Likewise.
        focal_px: Focal length, pixels.
        distance: From the eye to the mesh's centre.
        ground: ``(height * width, 3)`` float32, sRGB 0 to 1.
    """

    width: int
    height: int
    focal_px: float
    distance: float
    ground: Float32Array

    def rays(self, pixels: NDArray[np.int64], right: float, down: float) -> Float32Array:
        """Unit rays ``(N, 3)`` in the camera's frame, through points within pixels.

        Args:
            pixels: ``(N,)`` numbers, row by row.
            right: Place within a pixel, 0 to 1.
            down: Likewise.
        """
        rows, columns = np.divmod(pixels, self.width)
        x = (columns.astype(np.float32) + np.float32(right - self.width / 2)) / self.focal_px
        y = (rows.astype(np.float32) + np.float32(down - self.height / 2)) / self.focal_px
        length = np.sqrt(x * x + y * y + 1)
        return np.stack([x / length, y / length, 1 / length], axis=1).astype(np.float32)


class Studio:
    """Renders one mesh: what costs is made once for all images.

    Args:
        mesh: The mesh.
        colouring: What its colours tell.
    """

    def __init__(self, mesh: ReadMesh, colouring: Colouring = "photo") -> None:
        centre = (mesh.vertices.min(axis=0) + mesh.vertices.max(axis=0)) / 2
        vertices = mesh.vertices - centre
        self._faces = mesh.faces
        self._radius = max(float(np.linalg.norm(vertices, axis=1).max()), 1e-9)
        self._caster = RayCaster(vertices, mesh.faces, scale=1.0 / self._radius)
        self._strength = 1.0 if colouring == "photo" else _PLAIN_LIGHT
        self._texture = decoded(mesh.texture) if colouring == "photo" else None
        if mesh.uv is None:
            self._texture = None
        normals = vertex_normals(vertices, mesh.faces) if mesh.normals is None else mesh.normals
        colours = [coloured(mesh, colouring)] if self._texture is None else [mesh.uv, mesh.tint]
        # beside each other: most of the time goes by waiting for what a corner has
        self._corners = np.hstack(
            [normals, *(np.asarray(values) for values in colours if values is not None)]
        ).astype(np.float32)
        self._lens: _Lens | None = None

    def render(
        self, azimuth_deg: float, elevation_deg: float, width: int, height: int
    ) -> NDArray[np.uint8]:
        """The mesh from a side, filling the image.

        Args:
            azimuth_deg: About the up axis, 0 before the outer face (+Z), 90 before +X.
            elevation_deg: Above the equator, -89 to 89.
            width: The image's width, pixels.
            height: Likewise.

        Returns:
            ``(height, width, 3)`` RGB.
        """
        lens = self._lens_for(width, height)
        turn, lift = math.radians(azimuth_deg), math.radians(elevation_deg)
        eye = lens.distance * np.array(
            [math.sin(turn) * math.cos(lift), math.sin(lift), math.cos(turn) * math.cos(lift)]
        )
        camera = look_at(eye, np.zeros(3), focal_px=lens.focal_px, width=width, height=height)
        image = self._seen(camera, lens, np.arange(width * height), ((0.5, 0.5),))
        edges = np.flatnonzero(_changes(image.reshape(height, width, 3)))
        image[edges] = self._seen(camera, lens, edges, _WITHIN)
        rounded = np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)
        return rounded.reshape(height, width, 3)

    def turntable(
        self, elevation_deg: float, width: int, height: int, count: int
    ) -> Iterator[NDArray[np.uint8]]:
        """Once round the mesh, in ``count`` images as of :meth:`render`."""

        def taken(number: int) -> NDArray[np.uint8]:
            return self.render(360.0 * number / count, elevation_deg, width, height)

        for begin in range(0, count, _AT_ONCE):
            yield from in_threads(taken, range(begin, min(begin + _AT_ONCE, count)))

    def _lens_for(self, width: int, height: int) -> _Lens:
        if self._lens is None or (self._lens.width, self._lens.height) != (width, height):
            half = math.tan(math.radians(FIELD_OF_VIEW_DEG) / 2)
            narrow = half * min(1.0, width / height)
            distance = _MARGIN * self._radius / math.sin(math.atan(narrow))
            ground = np.repeat(_ground(width, height).reshape(-1, 1), 3, axis=1)
            self._lens = _Lens(
                width, height, height / 2 / half, distance, ground.astype(np.float32)
            )
        return self._lens

    def _seen(
        self,
        camera: Camera,
        lens: _Lens,
        pixels: NDArray[np.int64],
        offsets: Sequence[tuple[float, float]],
    ) -> Float32Array:
        """Colours of pixels ``(N, 3)``, sRGB 0..1: the mean of what is seen at points in them."""
        seen = np.zeros((len(pixels), 3), np.float32)
        for begin in range(0, len(pixels), _RAYS_AT_ONCE):
            part = slice(begin, begin + _RAYS_AT_ONCE)
            for right, down in offsets:
                rays = lens.rays(pixels[part], right, down)
                seen[part] += self._met(camera, rays, lens.ground[pixels[part]])
        return seen / np.float32(len(offsets))

    def _met(self, camera: Camera, rays: Float32Array, ground: Float32Array) -> Float32Array:
        """Colours ``(N, 3)`` where rays of the camera's frame meet the mesh; else the ground's."""
        directions = rays @ camera.rotation.astype(np.float32)
        found = self._caster.intersect(np.broadcast_to(camera.centre, rays.shape), directions)
        hit = np.flatnonzero(found.face >= 0)
        corners = np.take(self._faces, found.face[hit], axis=0)
        u, v = found.u[hit, None], found.v[hit, None]
        values = (1 - u - v) * np.take(self._corners, corners[:, 0], axis=0)
        values += u * np.take(self._corners, corners[:, 1], axis=0)
        values += v * np.take(self._corners, corners[:, 2], axis=0)
        normals, colours = values[:, :3], values[:, 3:]
        if self._texture is not None:
            tint = colours[:, 2:]
            colours = sampled(self._texture, colours[:, :2])
            colours = colours * tint if tint.shape[1] else colours
        length = np.sqrt(np.einsum("ij,ij->i", normals, normals))
        light = _light(normals / np.maximum(length, 1e-9)[:, None], camera)
        lit = np.float32(self._strength) * colours * light[:, None]
        ground[hit] = srgb_from_linear(np.clip(lit, 0, 1))
        return ground


def _changes(image: Float32Array) -> NDArray[np.bool_]:
    """Pixels ``(H, W)`` that one ray does not tell: their neighbours look otherwise."""
    around = np.ones((3, 3), np.uint8)
    red, green, blue = cv2.split(cv2.dilate(image, around) - cv2.erode(image, around))
    return np.asarray(cv2.max(cv2.max(red, green), blue) > _MOST_CONTRAST)


def _light(normals: Float32Array, camera: Camera) -> Float32Array:
    """Sky, fill and a lamp at the camera's upper left, as strong as the viewer's."""
    right, down, forward = camera.rotation.astype(np.float32)
    lamp = -0.6 * right - 0.8 * down - forward
    lamp = lamp / np.linalg.norm(lamp)
    sky = 0.5 + 0.5 * normals[:, 1]
    return np.asarray(
        2.2 / math.pi * (0.55 + 0.9 * sky + 0.5 + 1.3 * np.maximum(normals @ lamp, 0))
    )


def _ground(width: int, height: int) -> NDArray[np.float64]:
    x, y = np.linspace(-1, 1, width), np.linspace(-0.8, 1.2, height)
    far = np.clip(np.hypot(x[None], y[:, None]) / 1.4, 0, 1)
    return _GROUND[0] + (_GROUND[1] - _GROUND[0]) * far
