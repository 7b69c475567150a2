"""How a tyre is filmed: camera and tyre over time, smooth and reproducible."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import get_args

import numpy as np

from configs.presets import Motion
from tasks.geometry.camera import Camera, FloatArray, look_at
from tasks.geometry.similarity import Similarity
from tasks.synthetic.scenes.environments import Support
from tasks.synthetic.scenes.scene import Moment

MOTIONS: tuple[Motion, ...] = get_args(Motion)
"""Camera round a standing tyre; tyre upright on a turntable before a fixed camera; tyre turning on
its own axle before a fixed camera; free path round a part of the tyre. A film's seed counts with
its motion's place here."""


@dataclass(frozen=True)
class Shot:
    """A planned video.

    Args:
        moment_at: The moment at a time, 0 (first frame) to 1 (last).
        support: What carries the tyre.
        clear_radius: No obstacles within this distance of the origin, metres.
        floor_levels: Heights of the floors that get the tyre's shadow, metres.
    """

    moment_at: Callable[[float], Moment]
    support: Support
    clear_radius: float
    floor_levels: tuple[float, ...]


def plan_shot(
    motion: Motion,
    rng: np.random.Generator,
    *,
    diameter: float,
    width: float,
    size: tuple[int, int],
    num_frames: int,
) -> Shot:
    """Draw lens, distance and path.

    Args:
        motion: See :data:`MOTIONS`.
        rng: Source of randomness.
        diameter: Diameter of the tyre, metres.
        width: Width of the tyre along its axle, metres.
        size: Width and height of the image, pixels.
        num_frames: A full turn does not repeat its first frame.
    """
    focal = max(size) * rng.uniform(0.72, 1.25)
    fill = rng.uniform(0.5, 0.72)
    distance = focal * diameter / (fill * min(size)) + width / 2
    full = 1 - 1 / max(num_frames, 2)
    path = {"orbit": _orbit, "turntable": _turntable, "spin": _spin, "free": _free}[motion]
    return path(rng, diameter, width, distance, focal, size, full)


def _orbit(
    rng: np.random.Generator,
    diameter: float,
    width: float,
    distance: float,
    focal: float,
    size: tuple[int, int],
    full: float,
) -> Shot:
    pose = _standing(diameter, yaw=rng.uniform(-0.6, 0.6))
    sweep = 2 * math.pi * full * (1.0 if rng.random() < 0.75 else rng.uniform(0.6, 1.0))
    sweep *= rng.choice([-1, 1])
    start = rng.uniform(-0.5, 0.5)
    elevation = rng.uniform(math.radians(7), math.radians(32))
    pace, rise, near = (wobble(rng, a) for a in (0.05, math.radians(3.5), 0.05))
    aim = [wobble(rng, 0.03 * diameter) for _ in range(3)]
    roll = wobble(rng, math.radians(2))

    def moment_at(time: float) -> Moment:
        azimuth = start + sweep * time + pace(time)
        height = float(np.clip(elevation + rise(time), math.radians(4), math.radians(38)))
        eye = pose.translation + distance * (1 + near(time)) * direction(azimuth, height)
        target = pose.translation + np.array([a(time) for a in aim])
        return Moment(_camera(eye, target, focal, size, roll(time)), pose)

    return Shot(moment_at, Support(), distance * 1.12, (0.0,))


def _turntable(
    rng: np.random.Generator,
    diameter: float,
    width: float,
    distance: float,
    focal: float,
    size: tuple[int, int],
    full: float,
) -> Shot:
    height = rng.uniform(0.03, 0.12)
    sweep = 2 * math.pi * full * float(rng.choice([-1, 1]))
    start = rng.uniform(-0.5, 0.5)
    elevation = rng.uniform(math.radians(8), math.radians(32))
    centre = np.array([0.0, diameter / 2 + height, 0.0])
    eye = centre + distance * direction(rng.uniform(-0.3, 0.3), elevation)
    camera = _camera(eye, centre + rng.normal(0, 0.02 * diameter, 3), focal, size, 0.0)

    def moment_at(time: float) -> Moment:
        turn = start + sweep * time
        return Moment(camera, _standing(diameter, yaw=turn, height=height), turn)

    support = Support("turntable", height, diameter * rng.uniform(0.45, 0.6))
    return Shot(moment_at, support, distance * 1.1, (0.0, height))


def _spin(
    rng: np.random.Generator,
    diameter: float,
    width: float,
    distance: float,
    focal: float,
    size: tuple[int, int],
    full: float,
) -> Shot:
    height = rng.uniform(0.04, 0.15)
    sweep = 2 * math.pi * full * float(rng.choice([-1, 1]))
    start = rng.uniform(0, 2 * math.pi)
    centre = np.array([0.0, diameter / 2 + height, 0.0])
    azimuth = rng.uniform(math.radians(15), math.radians(50)) * rng.choice([-1, 1])
    elevation = rng.uniform(math.radians(2), math.radians(22))
    eye = centre + distance * direction(azimuth, elevation)
    camera = _camera(eye, centre + rng.normal(0, 0.02 * diameter, 3), focal, size, 0.0)

    def moment_at(time: float) -> Moment:
        angle = start + sweep * time
        c, s = math.cos(angle), math.sin(angle)
        rotation = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
        return Moment(camera, Similarity(1.0, rotation, centre))

    support = Support("bars", height, diameter / 2, width * 1.15)
    return Shot(moment_at, support, distance * 1.1, (0.0,))


def _free(
    rng: np.random.Generator,
    diameter: float,
    width: float,
    distance: float,
    focal: float,
    size: tuple[int, int],
    full: float,
) -> Shot:
    pose = _standing(diameter, yaw=rng.uniform(-0.6, 0.6))
    middle = rng.normal(0, 0.5)
    reach = math.radians(rng.uniform(55, 150)) * rng.choice([-1, 1])
    elevation = rng.uniform(math.radians(12), math.radians(34))
    pace, rise, near = (wobble(rng, a) for a in (0.25, math.radians(10), 0.2))
    aim = [wobble(rng, 0.07 * diameter) for _ in range(3)]
    roll = wobble(rng, math.radians(9))

    def moment_at(time: float) -> Moment:
        azimuth = middle + reach * (2 * time - 1) + pace(time)
        height = float(np.clip(elevation + rise(time), math.radians(3), math.radians(55)))
        far = distance * 1.08 * (1 + near(time))
        eye = pose.translation + far * direction(azimuth, height)
        target = pose.translation + np.array([a(time) for a in aim])
        return Moment(_camera(eye, target, focal, size, roll(time)), pose)

    return Shot(moment_at, Support(), distance * 1.35, (0.0,))


def _camera(
    eye: FloatArray, target: FloatArray, focal: float, size: tuple[int, int], roll: float
) -> Camera:
    return look_at(eye, target, focal_px=focal, width=size[0], height=size[1], roll_rad=roll)


def _standing(diameter: float, *, yaw: float, height: float = 0.0) -> Similarity:
    """The pose of a tyre that stands on a floor of a height, its outer face turned by ``yaw``."""
    c, s = math.cos(yaw), math.sin(yaw)
    rotation = np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])
    return Similarity(1.0, rotation, np.array([0.0, diameter / 2 + height, 0.0]))


def direction(azimuth: float, elevation: float) -> FloatArray:
    """The unit vector ``(3,)`` at an azimuth about +Y from +z towards +x and an elevation."""
    return np.array(
        [
            math.sin(azimuth) * math.cos(elevation),
            math.sin(elevation),
            math.cos(azimuth) * math.cos(elevation),
        ]
    )


def wobble(rng: np.random.Generator, amplitude: float) -> Callable[[float], float]:
    """A smooth random function of time with roughly this amplitude: a hand that is not steady."""
    frequencies = rng.uniform([0.4, 1.2, 3.0, 8.0], [1.2, 3.0, 8.0, 20.0])
    weights = amplitude * np.array([0.6, 0.3, 0.1, 0.02]) * rng.uniform(0.5, 1.4, 4)
    phases = rng.uniform(0, 2 * math.pi, 4)
    return lambda time: float(weights @ np.sin(2 * math.pi * frequencies * time + phases))
