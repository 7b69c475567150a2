"""Images of a tyre in an environment: its shadow, the floor's light, instants in one frame."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.geometry.camera import Camera
from tasks.geometry.similarity import Similarity
from tasks.imaging.sampling import sample_repeating
from tasks.synthetic.scenes.background import Background, BackgroundSample
from tasks.synthetic.scenes.lighting import Light, light_disc, vector_of
from tasks.synthetic.scenes.raycast import (
    Float32Array,
    Hits,
    RenderableCaster,
    normalized,
)
from tasks.synthetic.scenes.render import cast_pixels, projected_box, shade

_SHADOW_GRID = 160
_SHADOW_RAYS = 32
_BACKGROUND_EVERY = 2
"""Every second sample is taken of the background too: its textures are smooth."""


@dataclass(frozen=True)
class Moment:
    """What happens at one instant.

    Args:
        camera: Camera in the world's frame.
        pose: Tyre frame to world, of scale 1.
        turn: Angle of the turntable about +Y, radians.
    """

    camera: Camera
    pose: Similarity
    turn: float = 0.0


def camera_in_tyre_frame(moment: Moment) -> Camera:
    """The moment's camera as the tyre sees it: the truth of a video."""
    camera, pose = moment.camera, moment.pose
    return replace(
        camera,
        rotation=camera.rotation @ pose.rotation,
        translation=camera.rotation @ pose.translation + camera.translation,
    )


class Scene:
    """A tyre in an environment, for many images: shadows and still backgrounds are kept.

    Args:
        caster: The tyre.
        background: The environment with its light.
        floor_levels: Heights of the floors that get the tyre's shadow, metres.
    """

    def __init__(
        self,
        caster: RenderableCaster,
        background: Background,
        *,
        floor_levels: Sequence[float] = (0.0,),
    ) -> None:
        self.background = background
        self._caster = caster
        self._levels = tuple(floor_levels)
        self._look = replace(background.look, ground=vector_of(background.floor_colour()))
        self._shadows: tuple[Similarity, list[_Shadow]] | None = None
        self._still: tuple[Moment, Float32Array] | None = None

    def light(self, moments: Sequence[Moment]) -> Float32Array:
        """Mean linear RGB ``(H, W, 3)`` over instants; each pixel gets one ray at each."""
        camera = moments[0].camera
        size = (camera.height, camera.width)
        shares = _jitter(len(moments))
        covered = np.zeros(size[0] * size[1], dtype=np.float32)
        tyre = np.zeros((size[0] * size[1], 3), dtype=np.float32)
        for index, (moment, share) in enumerate(zip(moments, shares, strict=True)):
            pixel, light = self._tyre_light(moment, share, index, len(moments))
            covered[pixel] += 1
            tyre[pixel] += light
        behind = self._background_light(moments, shares)
        open_share = (1 - covered / len(moments))[:, None]
        total = tyre / np.float32(len(moments)) + open_share * behind
        return np.asarray(total.reshape(*size, 3), dtype=np.float32)

    def _tyre_light(
        self, moment: Moment, share: tuple[float, float], part: int, parts: int
    ) -> tuple[NDArray[np.int64], Float32Array]:
        """Pixels that the tyre covers at a moment and its light there."""
        camera = camera_in_tyre_frame(moment)
        x0, y0, x1, y1 = projected_box(self._caster, camera)
        if x1 <= x0 or y1 <= y0:
            return np.zeros(0, dtype=np.int64), np.zeros((0, 3), dtype=np.float32)
        x, y = np.meshgrid(np.arange(x0, x1), np.arange(y0, y1))
        u, v = ((a.ravel() + b).astype(np.float32) for a, b in ((x, share[0]), (y, share[1])))
        hits, directions = cast_pixels(self._caster, camera, u, v)
        rotation = moment.pose.rotation.astype(np.float32)
        origins = np.empty_like(directions)
        origins[:] = moment.camera.centre
        seen = ~self.background.occluded(origins, directions @ rotation.T, hits.distance)
        hits, directions = hits.chosen(seen), directions[seen]
        hits = replace(
            hits, openness=hits.openness * above_floor(hits, moment.pose, max(self._levels))
        )
        look = self._look.rotated(moment.pose.rotation.T)
        light = shade(self._caster, hits, directions, look, part, parts, shadow_rays=3)
        return (y.ravel() * camera.width + x.ravel())[hits.ray], light

    def _background_light(
        self, moments: Sequence[Moment], shares: Sequence[tuple[float, float]]
    ) -> Float32Array:
        """Mean light ``(H * W, 3)`` of the environment with the tyre's shadow in it."""
        if self._still is not None and all(_same(m, self._still[0]) for m in moments):
            return self._still[1]
        still = all(_same(m, moments[0]) for m in moments)
        chosen = list(zip(moments, shares, strict=True))[::_BACKGROUND_EVERY]
        camera = moments[0].camera
        x, y = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
        total = np.zeros((camera.height * camera.width, 3), dtype=np.float32)
        shadows = self._shadows_at(moments[len(moments) // 2].pose)
        for index, (moment, share) in enumerate(chosen):
            u, v = (x + share[0]).astype(np.float32), (y + share[1]).astype(np.float32)
            rng = np.random.default_rng(index)
            sample = self.background.sample(moment.camera, u, v, rng, moment.turn)
            light = sample.light
            up = np.flatnonzero(sample.up_facing)
            for shadow in shadows:
                shadow.apply(light, sample, up)
            total += light
        total /= len(chosen)
        if still:
            self._still = (moments[0], total)
        return total

    def _shadows_at(self, pose: Similarity) -> list[_Shadow]:
        if self._shadows is None or not _same_pose(self._shadows[0], pose):
            made = [_Shadow(self._caster, pose, self._look.lights[0], y) for y in self._levels]
            self._shadows = (pose, made)
        return self._shadows[1]


class _Shadow:
    """What a tyre takes of the key light and of the sky from a horizontal floor.

    Args:
        caster: The tyre.
        pose: Tyre frame to world.
        key: The key light, in the world.
        level: The floor's height, metres.
    """

    def __init__(
        self, caster: RenderableCaster, pose: Similarity, key: Light, level: float
    ) -> None:
        self._level = np.float32(level)
        reach = float(np.clip(math.hypot(key.direction[0], key.direction[2]), 0, 0.9))
        slant = reach / math.sqrt(1 - reach**2) * (pose.translation[1] - level)
        away = -np.array([key.direction[0], key.direction[2]]) * slant / max(reach, 1e-6)
        self._centre = (pose.translation[[0, 2]] + away / 2).astype(np.float32)
        self._half = np.float32(0.75 * caster.size + slant / 2)
        steps = ((np.arange(_SHADOW_GRID) + 0.5) / _SHADOW_GRID * 2 - 1) * self._half
        x, z = np.meshgrid(steps + self._centre[0], steps + self._centre[1])
        points = np.stack([x, np.full_like(x, level + 1e-3), z], axis=-1).reshape(-1, 3)
        rotation = pose.rotation.astype(np.float32)
        origins = ((points - pose.translation) @ pose.rotation).astype(np.float32)
        rng = np.random.default_rng(0)
        count = len(points)
        seen = np.zeros((count, 2), dtype=np.float32)
        for k in range(_SHADOW_RAYS):
            towards = light_disc(key, rng.random((2, count), dtype=np.float32), k, _SHADOW_RAYS)
            seen[:, 0] += ~caster.occluded(origins, towards @ rotation)
            sphere = normalized(rng.standard_normal((count, 3), dtype=np.float32))
            sphere[:, 1] += 1.001
            seen[:, 1] += ~caster.occluded(origins, normalized(sphere) @ rotation)
        shares = (seen / _SHADOW_RAYS).reshape(_SHADOW_GRID, _SHADOW_GRID, 2)
        self._map = np.asarray(cv2.GaussianBlur(shares, (0, 0), 0.9), dtype=np.float32)

    def apply(
        self,
        light: Float32Array,
        sample: BackgroundSample,
        up_facing: NDArray[np.int64],
    ) -> None:
        """Darken, in place, ``light`` ``(N, 3)`` where a sample's ray met this floor."""
        points = sample.points[up_facing]
        offset = points[:, [0, 2]] - self._centre
        near = np.abs(points[:, 1] - self._level) < 0.01
        near &= np.abs(offset).max(axis=1) < self._half
        here, offset = up_facing[near], offset[near]
        texel = ((offset / self._half + 1) * (_SHADOW_GRID / 2) - 0.5).astype(np.float32)
        shares = sample_repeating(self._map, texel[:, 0], texel[:, 1])
        key = sample.key[here]
        light[here] = (light[here] - key) * shares[:, 1:] + key * shares[:, :1]


def above_floor(hits: Hits, pose: Similarity, level: float) -> Float32Array:
    """Share of light ``(N,)`` left near a floor: faces that look down into the contact get least.

    Args:
        hits: Points of something, in its frame.
        pose: Its frame to the world.
        level: Height of the floor, metres.
    """
    up = pose.rotation[1].astype(np.float32)
    height = hits.points @ up + np.float32(pose.translation[1] - level)
    down = 0.5 - 0.5 * (hits.normals @ up)
    return np.asarray(1 - 0.85 * down * np.exp(-np.clip(height, 0, None) / 0.09))


def _jitter(count: int) -> list[tuple[float, float]]:
    """Positions within the pixel, well spread. Source: Roberts 2018, the R2 sequence."""
    return [((0.5 + 0.7548777 * k) % 1, (0.5 + 0.5698403 * k) % 1) for k in range(count)]


def _same_pose(a: Similarity, b: Similarity) -> bool:
    """Whether two poses cast the same shadow, spokes aside."""
    return a is b or bool(
        np.allclose(a.rotation[:, 2], b.rotation[:, 2], atol=1e-9)
        and np.allclose(a.translation, b.translation, atol=1e-9)
    )


def _same(a: Moment, b: Moment) -> bool:
    """Whether the environment looks the same at two moments, but for a shadow's own spin."""
    if a is b:
        return True
    same_camera = a.camera is b.camera or a.camera.to_dict() == b.camera.to_dict()
    return same_camera and _same_pose(a.pose, b.pose) and a.turn == b.turn
