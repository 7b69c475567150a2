"""A torus of known colours, filmed before a background of a colour that it has not."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import trimesh
from numpy.typing import NDArray

from tasks.geometry.camera import Camera, look_at
from tasks.geometry.ray_caster import RayCaster
from tasks.imaging.images import write_image
from tasks.mesh.merged import MergedMesh

RING, TUBE = 0.27, 0.09
BACKGROUND = (255, 0, 255)


def torus(sections: int = 160) -> MergedMesh:
    shape = trimesh.creation.torus(RING, TUBE, major_sections=sections, minor_sections=64)
    count = len(shape.vertices)
    return MergedMesh(
        vertices=np.asarray(shape.vertices, np.float32),
        faces=np.asarray(shape.faces, np.int32),
        colours=np.full((count, 3), 90, np.uint8),
        seen_by=np.ones(count, np.uint8),
        disagreement=np.zeros(count, np.float32),
        inferred=np.zeros(count, np.bool_),
    )


def true_colours(points: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Colours ``(N, 3)`` of the torus: dark, with a red ring of dashes on the outer face."""
    angle = np.degrees(np.arctan2(points[:, 1], points[:, 0])) % 360
    radius = np.hypot(points[:, 0], points[:, 1])
    out = np.tile(np.array([40.0, 42.0, 46.0]), (len(points), 1))
    dash = (points[:, 2] > 0) & (np.abs(radius - RING) < 0.025) & (angle % 30 < 15)
    out[dash] = (180.0, 30.0, 30.0)
    return out


@dataclass(frozen=True)
class Filmed:
    """Frames of the torus with their masks and cameras."""

    cameras: dict[int, Camera]
    frames: dict[int, Path]
    alphas: dict[int, Path]


def film(
    folder: Path,
    mesh: MergedMesh,
    *,
    count: int = 10,
    exposures: bool = False,
    glare_in: int | None = None,
    size: tuple[int, int] = (320, 240),
) -> Filmed:
    """Film the outer face on an arc before it.

    Args:
        folder: Where images go.
        mesh: What is filmed.
        count: Number of frames.
        exposures: Whether frames are brighter and darker in turn, by a fifth.
        glare_in: Number of a frame that shows a white disc on the tyre.
        size: Width and height of the frames.
    """
    caster = RayCaster(mesh.vertices, mesh.faces, scale=100.0)
    filmed = Filmed({}, {}, {})
    for k in range(count):
        turn = math.radians(-50 + 100 * k / (count - 1))
        eye = np.array([1.3 * math.sin(turn), 0.25, 1.3 * math.cos(turn)])
        camera = look_at(eye, np.zeros(3), focal_px=1.15 * size[0], width=size[0], height=size[1])
        v, u = np.mgrid[: size[1], : size[0]]
        rays = camera.rays(np.stack([u.ravel(), v.ravel()], axis=1) + 0.5)
        met = caster.intersect(np.repeat(eye[None], len(rays), axis=0), rays)
        hit = met.face >= 0
        image = np.tile(np.array(BACKGROUND, np.float64), (len(rays), 1))
        image[hit] = true_colours(eye + met.distance[hit, None] * rays[hit])
        if exposures:
            image[hit] *= (0.85, 1.15)[k % 2]
        picture = np.clip(np.rint(image), 0, 255).astype(np.uint8).reshape(size[1], size[0], 3)
        if k == glare_in:
            at = camera.project(np.array([[0.0, RING, TUBE]]))[0, :2].astype(int)
            cv2.circle(picture, (int(at[0]), int(at[1])), 8, (255, 255, 255), -1)
        filmed.cameras[k] = camera
        filmed.frames[k] = folder / f"frame{k}.png"
        filmed.alphas[k] = folder / f"alpha{k}.png"
        write_image(filmed.frames[k], np.ascontiguousarray(picture[..., ::-1]))
        write_image(filmed.alphas[k], 255 * hit.reshape(size[1], size[0]).astype(np.uint8))
    return filmed
