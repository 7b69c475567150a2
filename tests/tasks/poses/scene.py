"""A small textured scene with exact cameras and masks: a drum on a floor inside a round room."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.geometry.camera import Camera, look_at
from tasks.geometry.lens import Lens

FloatArray = NDArray[np.float64]

RADIUS = 0.36
HALF_WIDTH = 0.15


@cache
def noise_texture(seed: int, low: int, high: int, size: int = 512) -> NDArray[np.uint8]:
    """Noise of several octaves, ``(size, size, 3)``."""
    rng = np.random.default_rng(seed)
    total = np.zeros((size, size, 3))
    for octave in range(3, 8):
        cells = rng.random((2**octave, 2**octave, 3)).astype(np.float32)
        total += cv2.resize(cells, (size, size), interpolation=cv2.INTER_CUBIC) * 0.85**octave
    total = (total - total.min()) / (total.max() - total.min())
    texture = (low + (high - low) * total).astype(np.uint8)
    texture.flags.writeable = False
    return texture


def turn(axis: int, angle: float) -> FloatArray:
    """The rotation by an angle (radians) about a coordinate axis."""
    c, s = np.cos(angle), np.sin(angle)
    i, j = [(1, 2), (2, 0), (0, 1)][axis]
    r = np.eye(3)
    r[i, i], r[i, j], r[j, i], r[j, j] = c, -s, s, c
    return r


@dataclass(frozen=True)
class Drum:
    """A capped cylinder about z (the tyre frame) with a texture on faces and tread."""

    seed: int = 0
    contrast: int = 110
    room: int = 195

    def render(
        self, camera: Camera, pose: FloatArray, lens: Lens
    ) -> tuple[NDArray[np.uint8], FloatArray]:
        """Image ``(H, W, 3)`` and mask ``(H, W)``, the drum turned by ``pose`` in the world."""
        v, u = np.mgrid[: camera.height, : camera.width] + 0.5
        pixels = np.stack([u.ravel(), v.ravel()], axis=1)
        rays = camera.rays(lens.undistort_pixels(pixels, camera))
        eye = camera.centre
        image = self._room(eye, rays)
        o, d = pose.T @ eye, rays @ pose
        best = np.full(len(d), np.inf)
        skins = [noise_texture(10 * self.seed + k, 15, 15 + self.contrast) for k in range(3)]
        colour = np.zeros_like(image)
        with np.errstate(all="ignore"):
            for side, skin in ((-1.0, skins[0]), (1.0, skins[1])):
                t = (side * HALF_WIDTH - o[2]) / d[:, 2]
                p = o + t[:, None] * d
                hit = (t > 0) & (np.hypot(p[:, 0], p[:, 1]) < RADIUS) & (t < best)
                colour[hit] = _look_up(skin, p[hit, :2] / 0.8 + 0.5)
                best[hit] = t[hit]
            a = (d[:, :2] ** 2).sum(axis=1)
            b = d[:, :2] @ o[:2]
            t = (-b - np.sqrt(b * b - a * (o[:2] @ o[:2] - RADIUS**2))) / a
            p = o + t[:, None] * d
            hit = (t > 0) & (np.abs(p[:, 2]) < HALF_WIDTH) & (t < best)
            around = np.arctan2(p[hit, 1], p[hit, 0]) / (2 * np.pi)
            colour[hit] = _look_up(skins[2], np.stack([around, p[hit, 2] / 0.8], axis=1))
            best[hit] = t[hit]
        inside = np.isfinite(best)
        image[inside] = colour[inside]
        shape = (camera.height, camera.width)
        return (
            np.clip(image, 0, 255).astype(np.uint8).reshape(*shape, 3),
            inside.reshape(shape).astype(np.float64),
        )

    def _room(self, eye: FloatArray, rays: FloatArray) -> FloatArray:
        """A textured floor under the drum and a round wall 4 m away."""
        t = (-RADIUS - eye[1]) / np.where(rays[:, 1] < -1e-6, rays[:, 1], -1e-6)
        p = eye + t[:, None] * rays
        floor = (rays[:, 1] < 0) & (np.hypot(p[:, 0], p[:, 2]) < 4.0)
        azimuth = np.arctan2(rays[:, 2], rays[:, 0]) / (2 * np.pi)
        far = np.stack([azimuth, rays[:, 1]], axis=1)
        near = np.stack([p[:, 0], p[:, 2]], axis=1) / 2.0
        out = _look_up(noise_texture(10 * self.seed + 3, 60, 60 + self.room), far)
        ground = noise_texture(10 * self.seed + 4, 90, 90 + min(self.room, 140))
        out[floor] = _look_up(ground, near[floor])
        return out


def _look_up(texture: NDArray[np.uint8], at: FloatArray) -> FloatArray:
    """Colours ``(N, 3)`` at texture coordinates ``(N, 2)`` that wrap around, bilinear."""
    size = texture.shape[0]
    x, y = (np.mod(at, 1.0) * size).T
    i, j = x.astype(int) % size, y.astype(int) % size
    u, v = (x - np.floor(x))[:, None], (y - np.floor(y))[:, None]
    k, m = (i + 1) % size, (j + 1) % size
    top = texture[j, i] * (1 - u) + texture[j, k] * u
    return np.asarray(top * (1 - v) + (texture[m, i] * (1 - u) + texture[m, k] * u) * v)


@dataclass(frozen=True)
class Video:
    """Written frames and masks with the cameras in the tyre frame."""

    frames: dict[int, Path]
    alphas: dict[int, Path]
    times: dict[int, float]
    cameras: dict[int, Camera]


def write_video(
    folder: Path,
    motion: str,
    *,
    count: int = 24,
    size: tuple[int, int] = (480, 360),
    arc_deg: float = 360.0,
    contrast: int = 110,
    room: int = 195,
    seed: int = 0,
    lens: Lens = Lens(),  # noqa: B008  frozen
) -> Video:
    """Render an orbit, a spin, a turntable or a hand-held video to ``folder``.

    Of drum and room, ``contrast`` and ``room`` say over how many levels their textures range.
    """
    width, height = size
    rng = np.random.default_rng(seed)
    drum = Drum(seed, contrast, room)
    video = Video({}, {}, {}, {})
    for k in range(count):
        i = 3 * k
        angle = np.radians(arc_deg) * k / count + 0.4
        elevation, distance, target, pose = np.radians(22), 1.5, np.zeros(3), np.eye(3)
        if motion == "free":
            elevation += np.radians(14) * np.sin(5.0 * k / count)
            distance += 0.3 * np.sin(9.0 * k / count + 1)
            target = 0.04 * rng.normal(size=3)
        if motion in ("spin", "turntable"):
            pose = turn(2 if motion == "spin" else 1, angle)
            angle = 1.0
        ring = np.array([np.cos(angle), 0.0, np.sin(angle)]) * np.cos(elevation)
        eye = distance * (ring + np.array([0.0, np.sin(elevation), 0.0]))
        camera = look_at(eye, target, focal_px=0.95 * width, width=width, height=height)
        image, mask = drum.render(camera, pose, lens)
        video.frames[i] = folder / f"{i:06d}.png"
        video.alphas[i] = folder / f"alpha{i:06d}.png"
        cv2.imwrite(str(video.frames[i]), image)
        cv2.imwrite(str(video.alphas[i]), (mask * 255).astype(np.uint8))
        video.times[i] = i / 30.0
        video.cameras[i] = Camera(
            camera.fx,
            camera.fy,
            camera.cx,
            camera.cy,
            width,
            height,
            camera.rotation @ pose,
            camera.translation,
        )
    return video
