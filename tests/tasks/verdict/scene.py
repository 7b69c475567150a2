"""A wheel with a pattern on it, filmed from known cameras: what the judge must believe."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import trimesh

from tasks.geometry.camera import Camera, look_at
from tasks.geometry.ray_caster import RayCaster
from tasks.geometry.similarity import Similarity, camera_moved
from tasks.mesh.merged import MergedMesh
from tasks.poses.record import ObjectEstimate, PoseEstimate
from tasks.verdict.photos import predict

RADIUS, HALF_WIDTH = 0.36, 0.13
TO_WORLD = Similarity(
    2.5,
    np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]),
    np.array([0.5, -2.0, 1.0]),
)
"""The mesh's frame to that of the cameras."""


def drum(*, seed: int = 0, seen_above: float = -2.0) -> MergedMesh:
    """A closed drum about z with rounded edges and a random pattern; what lies lower is unseen."""
    turn = np.linspace(0, math.pi / 2, 8)
    edge = np.stack([RADIUS - 0.05 * (1 - np.cos(turn)), HALF_WIDTH - 0.05 * (1 - np.sin(turn))])
    face = np.stack([np.linspace(RADIUS - 0.05, 0, 18), np.full(18, HALF_WIDTH)])[:, 1:]
    half = np.concatenate([edge, face], axis=1).T
    tread = np.stack([np.full(9, RADIUS), np.linspace(-0.08, 0.08, 11)[1:-1]]).T
    outline = np.concatenate([half[::-1] * [1, -1], tread, half])
    shape = trimesh.creation.revolve(outline, sections=128)
    points = np.asarray(shape.vertices)
    rng = np.random.default_rng(seed)
    waves, phases = rng.normal(size=(24, 3)) * 40.0, rng.uniform(0, 2 * math.pi, 24)
    grey = 60.0 + 12.0 * np.sin(points @ waves.T + phases).sum(axis=1)
    hidden = points[:, 2] < seen_above
    return MergedMesh(
        vertices=points.astype(np.float32),
        faces=np.asarray(shape.faces, np.int32),
        colours=np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[:, None], 3, axis=1),
        seen_by=np.where(hidden, 0, 3).astype(np.uint8),
        disagreement=np.zeros(len(points), np.float32),
        inferred=hidden,
        figures={"watertight": 1.0},
        from_world=TO_WORLD.inverse(),
    )


def orbit(count: int, *, arc_deg: float = 360.0, elevation: float = 0.3) -> list[Camera]:
    """Cameras in the mesh's frame, up +Y, that walk round from the outer face to the right."""
    cameras = []
    for k in range(count):
        turn = math.radians(arc_deg) * k / count
        eye = 1.5 * np.array(
            [
                math.sin(turn) * math.cos(elevation),
                math.sin(elevation),
                math.cos(turn) * math.cos(elevation),
            ]
        )
        cameras.append(look_at(eye, np.zeros(3), focal_px=300.0, width=320, height=240))
    return cameras


def in_world(camera: Camera) -> Camera:
    """A camera of the mesh's frame, posed in the world."""
    return camera_moved(camera, TO_WORLD)


def estimate(cameras: list[Camera], method: str = "sfm", motion: str = "orbit") -> PoseEstimate:
    """The poses of cameras in the mesh's frame, by index, as the pose stage leaves them."""
    axes = TO_WORLD.rotation
    return PoseEstimate(
        method,
        motion,  # type: ignore[arg-type]
        {i: in_world(c) for i, c in enumerate(cameras)},
        ObjectEstimate(
            TO_WORLD.translation,
            axes @ np.array([0.0, 0.0, 1.0]),
            axes @ np.array([0.0, 1.0, 0.0]),
            RADIUS * TO_WORLD.scale,
            HALF_WIDTH * TO_WORLD.scale,
        ),
        {"axle_lean_deg": 0.0},
    )


def film(
    mesh: MergedMesh, cameras: list[Camera], folder: Path
) -> tuple[dict[int, Path], dict[int, Path]]:
    """Photos and masks of a mesh, by index."""
    folder.mkdir(parents=True, exist_ok=True)
    caster = RayCaster(mesh.vertices, mesh.faces, scale=100.0)
    photos, alphas = {}, {}
    for i, camera in enumerate(cameras):
        seen = predict(mesh, caster, camera)
        grey = np.where(seen.hits, np.exp(seen.grey) - 4.0, 200.0)
        photos[i], alphas[i] = folder / f"{i:03d}.png", folder / f"a{i:03d}.png"
        cv2.imwrite(str(photos[i]), np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2))
        cv2.imwrite(str(alphas[i]), seen.hits.astype(np.uint8) * 255)
    return photos, alphas
