"""Which vertices a frame sees, by ray casting."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from numpy.typing import NDArray

from tasks.fusion.surface.marching import Surface
from tasks.geometry.camera import Camera
from tasks.imaging.resizing import bounded_size
from tasks.imaging.sampling import sample_bilinear

FloatArray = NDArray[np.float64]
UNIT = 100.0
"""Rays are cast in centimetres: Embree's tolerances suit lengths around one."""


class Caster:
    """Casts rays at a surface."""

    def __init__(self, surface: Surface) -> None:
        self._scene = EmbreeScene()
        self._mesh = TriangleMesh(
            self._scene,
            (surface.vertices * UNIT).astype(np.float32),
            surface.faces.astype(np.int32),
        )

    def depth_map(self, camera: Camera, longest_px: int) -> DepthMap:
        """Distance along every pixel's ray to the surface."""
        width, height = bounded_size(camera.width, camera.height, longest_px)
        small = camera.resized(width, height)
        v, u = np.mgrid[0:height, 0:width]
        pixels = np.stack([u.ravel(), v.ravel()], axis=1) + 0.5
        directions = small.rays(pixels)
        origins = np.repeat(small.centre[None], len(pixels), axis=0)
        distance = self.distances(origins, directions)
        return DepthMap(small, distance.reshape(height, width))

    def distances(self, origins: FloatArray, directions: FloatArray) -> NDArray[np.float32]:
        """Metres to the first hit of every ray, infinite where there is none."""
        hit = self._scene.run(
            (origins * UNIT).astype(np.float32), directions.astype(np.float32), query="DISTANCE"
        )
        hit = np.asarray(hit, np.float32)
        return np.where(hit < 1e30, hit / np.float32(UNIT), np.float32(np.inf))


@dataclass(frozen=True)
class DepthMap:
    """Distances from a camera's centre, ``(H, W)`` float32 metres, infinite for the background."""

    camera: Camera
    distance: NDArray[np.float32]

    @property
    def hits(self) -> NDArray[np.bool_]:
        """``(H, W)``: pixels that show the surface."""
        return np.isfinite(self.distance)

    def sees(
        self, vertices: FloatArray, normals: FloatArray, *, tolerance_m: float
    ) -> tuple[NDArray[np.float32], FloatArray]:
        """Incidence of vertices that the camera sees.

        Returns:
            ``(V,)`` cosine between normal and ray, 0 where hidden, averted or out of the frame;
            ``(V, 2)`` pixels.
        """
        projected = self.camera.project(vertices)
        towards = self.camera.centre - vertices
        distance = np.linalg.norm(towards, axis=1)
        cosine = np.einsum("ij,ij->i", normals, towards) / distance
        far = np.where(np.isfinite(self.distance), self.distance, 1e3).astype(np.float32)
        surface = sample_bilinear(far, projected[:, :2], outside=-1.0)
        # one pixel covers more depth where the surface is seen at a slant
        slack = tolerance_m + distance / self.camera.fx / np.maximum(cosine, 0.1)
        seen = (
            (cosine > 0.05) & (projected[:, 2] > 0) & (surface > 0) & (distance < surface + slack)
        )
        return np.where(seen, cosine, 0.0).astype(np.float32), projected[:, :2]
