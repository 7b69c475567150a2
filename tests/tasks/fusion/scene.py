"""Analytic wheels, rendered masks and frames, and fields as a network would give them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from configs.stages import MergeConfig
from tasks.fusion.decision.network import Fuser
from tasks.fusion.merge import merge_frame_fields
from tasks.fusion.surface.marching import TriangleMesh, march
from tasks.fusion.surface.visibility import caster_of, depth_map
from tasks.geometry.camera import Camera, look_at
from tasks.geometry.crop import CodedFrame, Crop, crop_of_box, world_to_crop_frame
from tasks.geometry.similarity import Similarity
from tasks.mesh.merged import MergedMesh
from tasks.poses.record import ObjectEstimate, PoseEstimate

FloatArray = NDArray[np.float64]
Shape = Callable[[FloatArray], FloatArray]
"""Signed distance in metres, positive inside, of points (N, 3) in the tyre frame."""


def torus(major: float = 0.25, minor: float = 0.11) -> Shape:
    def signed(p: FloatArray) -> FloatArray:
        return minor - np.hypot(np.hypot(p[:, 0], p[:, 1]) - major, p[:, 2])

    return signed


def wheel(radius: float = 0.36, half_width: float = 0.13, spokes: int = 5) -> Shape:
    """A rounded tyre with an offset spoked face (towards +z) and a hub."""

    def signed(p: FloatArray) -> FloatArray:
        r, t = np.hypot(p[:, 0], p[:, 1]), np.arctan2(p[:, 1], p[:, 0])
        section = 0.3 * radius
        qr, qz = (
            np.abs(r - (radius - section / 2)) - section / 2 + 0.04,
            np.abs(p[:, 2]) - half_width + 0.04,
        )
        tyre = (
            0.04
            - np.hypot(np.maximum(qr, 0), np.maximum(qz, 0))
            - np.minimum(np.maximum(qr, qz), 0)
        )
        phase = (t * spokes / (2 * math.pi)) % 1.0 - 0.5
        across = 0.035 - np.abs(phase) * 2 * math.pi / spokes * r
        spoke = np.minimum(np.minimum(across, 0.72 * radius - r), 0.025 - np.abs(p[:, 2] - 0.06))
        hub = np.minimum(0.07 - r, 0.035 - np.abs(p[:, 2] - 0.06))
        return np.maximum(np.maximum(tyre, spoke), hub)

    return signed


def shape_surface(
    shape: Shape, reach: float = 0.42, depth: float = 0.2, step: float = 0.005
) -> TriangleMesh:
    along, z = np.arange(-reach, reach, step), np.arange(-depth, depth, step)
    x, y, h = np.meshgrid(along, along, z, indexing="ij")
    values = shape(np.stack([x, y, h], axis=-1).reshape(-1, 3)).reshape(x.shape)
    surface = march(values.astype(np.float32), np.array([along[0], along[0], z[0]]), (step,) * 3)
    assert surface is not None
    return surface


@dataclass(frozen=True)
class ShapeField:
    """A field with the faults of a network: blur, a wrong scale and place, a made-up back."""

    shape: Shape
    to_tyre: Similarity
    to_camera: FloatArray
    back_noise: float = 0.0
    seed: int = 0
    length: float = 0.01
    wrong: Similarity = field(default_factory=lambda: Similarity(1.0, np.eye(3), np.zeros(3)))

    def log_density(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        p = self.to_tyre.apply(self.wrong.apply(points.astype(np.float64)))
        value = self.shape(p)
        if self.back_noise > 0.0:
            rng = np.random.default_rng(self.seed)
            waves, phases = rng.normal(size=(12, 3)) * 12.0, rng.uniform(0, 2 * math.pi, 12)
            bumps = np.sin(p @ waves.T + phases).sum(axis=1) / math.sqrt(6.0)
            behind = np.clip(-(p @ self.to_camera), 0.0, None)
            value = value + self.back_noise * behind * bumps
        return (value / self.length).astype(np.float32)

    def colours(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.full((len(points), 3), 0.25, np.float32)


def sides(p: FloatArray) -> FloatArray:
    """Red where x > 0, blue elsewhere."""
    return np.where(p[:, :1] > 0, [[200.0, 40.0, 40.0]], [[40.0, 40.0, 200.0]])


@dataclass(frozen=True)
class Scene:
    """Everything that the merge is given, and the truth."""

    truth: TriangleMesh
    fields: dict[int, ShapeField]
    coded: list[CodedFrame]
    poses: PoseEstimate
    frame_paths: dict[int, Path]
    alpha_paths: dict[int, Path]


def orbit(
    count: int, *, distance: float = 1.5, elevation: float = 0.3, arc: float = 2 * math.pi
) -> list[Camera]:
    angles = math.pi / 2 - arc / 2 + arc * (np.arange(count) + 0.5) / count
    return [
        look_at(
            distance
            * np.array(
                [
                    math.cos(a) * math.cos(elevation),
                    math.sin(elevation),
                    math.sin(a) * math.cos(elevation),
                ]
            ),
            np.zeros(3),
            focal_px=400.0,
            width=320,
            height=240,
        )
        for a in angles
    ]


def make_scene(
    folder: Path,
    shape: Shape,
    *,
    frames: int = 24,
    coded: int = 8,
    arc: float = 2 * math.pi,
    back_noise: float = 0.0,
    wrong_scale: float = 0.0,
    wrong_shift: float = 0.0,
    pose_noise: float = 0.0,
    half_width: float = 0.12,
    radius: float = 0.36,
    tilt: float = 0.0,
    colour: Callable[[FloatArray], FloatArray] = sides,
    mask_fault: Callable[[int, NDArray[np.uint8]], NDArray[np.uint8]] | None = None,
    seed: int = 0,
) -> Scene:
    """Render masks and frames around a shape; the world is a moved and scaled tyre frame."""
    rng = np.random.default_rng(seed)
    surface = shape_surface(shape)
    caster = caster_of(surface)
    folder.mkdir(parents=True, exist_ok=True)
    # the world: an arbitrary similarity of the tyre frame
    axes = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    axes *= np.sign(np.linalg.det(axes))
    to_world = Similarity(2.7, axes, np.array([0.4, -1.0, 3.0]))
    cameras, fields, paths, alphas, crops = {}, {}, {}, {}, {}
    taken = np.linspace(0, frames - 1, coded).round().astype(int)
    for i, camera in enumerate(orbit(frames, arc=arc)):
        depth = depth_map(caster, camera, 4096)
        hits = depth.hits
        v, u = np.nonzero(hits)
        image = np.full((camera.height, camera.width, 3), 130.0)
        rays = camera.rays(np.stack([u, v], axis=1) + 0.5)
        image[v, u] = colour(camera.centre + rays * depth.distance[v, u, None])
        alpha = hits.astype(np.uint8) * 255
        if mask_fault is not None:
            alpha = mask_fault(i, alpha)
        paths[i], alphas[i] = folder / f"{i:06d}.png", folder / f"a{i:06d}.png"
        cv2.imwrite(str(paths[i]), image[..., ::-1].astype(np.uint8))
        cv2.imwrite(str(alphas[i]), alpha)
        turn = _small_turn(rng, pose_noise) @ camera.rotation
        cameras[i] = Camera(
            camera.fx,
            camera.fy,
            camera.cx,
            camera.cy,
            camera.width,
            camera.height,
            turn @ axes.T,
            to_world.scale * (turn @ camera.rotation.T @ camera.translation)
            - turn @ axes.T @ to_world.translation,
        )
        if i in taken:
            crop = crop_of_box(u.min(), v.min(), u.max() + 1.0, v.max() + 1.0)
            crops[i] = crop
            to_tyre = world_to_crop_frame(camera, crop, np.zeros(3)).inverse()
            wrong = Similarity(
                1.0 + wrong_scale * rng.normal(), np.eye(3), wrong_shift * rng.normal(size=3)
            )
            towards = camera.centre / np.linalg.norm(camera.centre)
            fields[i] = ShapeField(shape, to_tyre, towards, back_noise, seed + i, wrong=wrong)
    lean = _small_turn(rng, tilt)
    tyre = ObjectEstimate(
        centre=to_world.translation + 0.0,
        axle=axes @ lean @ np.array([0.0, 0.0, 1.0]),
        up=axes @ lean @ np.array([0.0, 1.0, 0.0]),
        radius=radius * to_world.scale,
        half_width=half_width * to_world.scale,
    )
    poses = PoseEstimate("test", "orbit", cameras, tyre)
    return Scene(
        surface, fields, [CodedFrame(i, crops[i]) for i in sorted(crops)], poses, paths, alphas
    )


def _small_turn(rng: np.random.Generator, sigma: float) -> FloatArray:
    turned: FloatArray = cv2.Rodrigues(sigma * rng.normal(size=3))[0]
    return turned


__all__ = ["Crop", "Scene", "make_scene", "orbit", "shape_surface", "sides", "torus", "wheel"]


def merge_scene(scene: Scene, config: MergeConfig, fuser: Fuser | None) -> MergedMesh:
    """Merge the fields, frames and masks of a scene."""
    return merge_frame_fields(
        scene.fields,
        scene.coded,
        scene.poses,
        scene.frame_paths,
        scene.alpha_paths,
        config,
        fuser,
    )
