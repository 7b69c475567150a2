"""Which vertices a frame sees, by ray casting."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.fusion.surface.marching import TriangleMesh
from tasks.geometry.camera import Camera
from tasks.geometry.ray_caster import CENTIMETRES, RayCaster
from tasks.imaging.resizing import bounded_size
from tasks.imaging.sampling import sample_bilinear

FloatArray = NDArray[np.float64]


def caster_of(mesh: TriangleMesh) -> RayCaster:
    """What casts rays at a mesh in metres."""
    return RayCaster(mesh.vertices, mesh.faces, scale=CENTIMETRES)


def depth_map(caster: RayCaster, camera: Camera, longest_px: int) -> DepthMap:
    """Distance along every pixel's ray to the surface, of an image of bounded size."""
    small = camera.resized(*bounded_size(camera.width, camera.height, longest_px))
    v, u = np.mgrid[0 : small.height, 0 : small.width]
    pixels = np.stack([u.ravel(), v.ravel()], axis=1) + 0.5
    origins = np.repeat(small.centre[None], len(pixels), axis=0)
    distance = caster.distances(origins, small.rays(pixels))
    return DepthMap(small, distance.reshape(small.height, small.width))


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
