"""What can be rendered, and rays against it: first hits, shadows, ambient occlusion."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tasks.geometry.ray_caster import RayCaster
from tasks.geometry.sphere import fibonacci_sphere

Float32Array = NDArray[np.float32]
IntArray = NDArray[np.int32]

_OCCLUSION_RAYS = 32
_SMOOTHINGS = 2


class Reflectance(Protocol):
    """How surface points reflect light."""

    @property
    def albedo(self) -> Float32Array:
        """Diffuse reflectance ``(N, 3)``, linear, 0 to 1."""

    @property
    def specular(self) -> Float32Array:
        """Mirror reflectance at normal incidence ``(N,)``: 0.04 for rubber, above 0.5 for metal."""

    @property
    def roughness(self) -> Float32Array:
        """Perceptual roughness ``(N,)``, 0 (mirror) to 1."""


class Renderable(Protocol):
    """A triangle mesh with materials, in the tyre frame (metres)."""

    @property
    def vertices(self) -> Float32Array:
        """``(V, 3)`` in metres."""

    @property
    def faces(self) -> IntArray:
        """``(F, 3)``."""

    @property
    def normals(self) -> Float32Array:
        """``(V, 3)``, unit, outward."""

    def material(self, face_index: IntArray, points: NDArray[Any]) -> Reflectance:
        """The material at points ``(N, 3)`` on the faces ``(N,)``."""


class Wheel(Renderable, Protocol):
    """A renderable wheel of known size."""

    @property
    def diameter(self) -> float:
        """Outer diameter, metres."""

    @property
    def width(self) -> float:
        """Size along the axle, metres."""


@dataclass(frozen=True)
class Hits:
    """First hits of those rays that hit.

    Args:
        ray: ``(N,)`` index of the ray.
        face: ``(N,)`` index of the face.
        points: ``(N, 3)``.
        distance: ``(N,)`` along the ray.
        normals: ``(N, 3)`` smooth shading normals, towards the ray's origin.
        flat_normals: ``(N, 3)`` normals of the faces, towards the ray's origin.
        openness: ``(N,)`` share of the cosine-weighted hemisphere that is not occluded.
    """

    ray: NDArray[np.int64]
    face: IntArray
    points: Float32Array
    distance: Float32Array
    normals: Float32Array
    flat_normals: Float32Array
    openness: Float32Array

    def chosen(self, which: NDArray[np.bool_]) -> Hits:
        """Those hits for which ``which`` ``(N,)`` holds."""
        if which.all():
            return self
        return Hits(**{f.name: getattr(self, f.name)[which] for f in fields(self)})


def normalized(vectors: Float32Array) -> Float32Array:
    """Vectors ``(N, 3)`` divided by their lengths."""
    length = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    return np.asarray(vectors / np.maximum(length, 1e-20)[:, None], dtype=np.float32)


class RenderableCaster(RayCaster):
    """Rays against one renderable, with what shades its hits: smooth normals and openness.

    Args:
        renderable: What the rays meet; not copied, must not change.
        occlusion_rays: Rays per vertex for its openness; fewer are faster and noisier.
        reach: Metres within which the renderable keeps light from itself; None for all of it.
        others: What else keeps light from it: origins and directions ``(N, 3)``, reach in, and
            ``(N,)`` out, whether a ray meets anything.
    """

    def __init__(
        self,
        renderable: Renderable,
        occlusion_rays: int = _OCCLUSION_RAYS,
        *,
        reach: float | None = None,
        others: Callable[[Float32Array, Float32Array, float], NDArray[np.bool_]] | None = None,
    ) -> None:
        self.renderable = renderable
        self._vertices = np.ascontiguousarray(renderable.vertices, dtype=np.float32)
        self._faces = np.ascontiguousarray(renderable.faces, dtype=np.int32)
        self._corner_normals = np.asarray(renderable.normals, dtype=np.float32)[self._faces]
        super().__init__(self._vertices, self._faces)
        self.low = self._vertices.min(axis=0)
        self.high = self._vertices.max(axis=0)
        self.size = float(np.linalg.norm(self.high - self.low))
        openness = self._vertex_openness(occlusion_rays, reach or self.size, others)
        self.corner_openness = openness[self._faces]

    def painted(self, renderable: Renderable) -> RenderableCaster:
        """The same geometry with the materials of another renderable of it."""
        other = copy.copy(self)
        other.renderable = renderable
        return other

    def cast(self, origins: Float32Array, directions: Float32Array) -> Hits:
        """First hits of rays: origins ``(N, 3)``, unit directions ``(N, 3)``."""
        found = self.intersect(origins, directions)
        ray = np.flatnonzero(found.face >= 0)
        face = found.face[ray]
        u, v = found.u[ray], found.v[ray]
        weights = np.stack([1 - u - v, u, v], axis=1)
        towards = -directions[ray]
        flat = normalized(found.normal[ray])
        flat *= np.where(np.einsum("ij,ij->i", flat, towards) < 0, -1, 1)[:, None]
        smooth = normalized(np.einsum("nk,nkd->nd", weights, self._corner_normals[face]))
        smooth *= np.where(np.einsum("ij,ij->i", smooth, flat) < 0, -1, 1)[:, None]
        behind = np.minimum(np.einsum("ij,ij->i", smooth, towards) - 0.02, 0)
        smooth = normalized(smooth - behind[:, None] * towards)
        distance = found.distance[ray]
        return Hits(
            ray=ray,
            face=face,
            points=origins[ray] - distance[:, None] * towards,
            distance=distance,
            normals=smooth,
            flat_normals=flat,
            openness=np.einsum("nk,nk->n", weights, self.corner_openness[face]),
        )

    def _vertex_openness(
        self,
        rays: int,
        reach: float,
        others: Callable[[Float32Array, Float32Array, float], NDArray[np.bool_]] | None,
    ) -> Float32Array:
        """Unoccluded share of each vertex's cosine-weighted hemisphere, ``(V,)``, smoothed.

        All vertices share their random directions: neighbours then differ by what they see alone.
        """
        normals = np.ascontiguousarray(self.renderable.normals, dtype=np.float32)
        origins = self._vertices + normals * np.float32(5e-4 * min(self.size, reach))
        free = np.zeros(len(normals), dtype=np.float32)
        # a little shorter than 1: no sum with a normal vanishes
        for direction in (0.999 * fibonacci_sphere(rays)).astype(np.float32):
            towards = normalized(normals + direction)
            blocked = self.occluded(origins, towards, reach)
            if others is not None:
                blocked |= others(origins, towards, reach)
            free += ~blocked
        free /= rays
        flat = self._faces.T.ravel()
        weight = np.maximum(np.bincount(flat, minlength=len(free)), 1)
        for _ in range(_SMOOTHINGS):
            mean = np.tile(free[self._faces].mean(axis=1), 3)
            free = (np.bincount(flat, weights=mean, minlength=len(free)) / weight).astype(
                np.float32
            )
        return free
