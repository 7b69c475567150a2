"""Lights, the camera's rendering of light, and random draws of both.

Lights are spherical Gaussian lobes, so a lamp, a window and a whole bright wall are one formula.
Everything is computed in linear light and turned into sRGB at the end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tasks.geometry.camera import FloatArray
from tasks.geometry.sphere import tangents
from tasks.imaging.srgb import srgb_from_linear
from tasks.synthetic.scenes.raycast import Float32Array, normalized

Vector = tuple[float, float, float]

Parts = int | NDArray[np.int64]

_GOLDEN = 0.381966


@dataclass(frozen=True)
class Light:
    """A light from one direction, more or less spread.

    Args:
        direction: Unit vector towards the light.
        colour: Linear RGB that a white surface facing the light sends back.
        sharpness: Sharpness of the spherical Gaussian: 4 is a wall, 30 a window, 400 a lamp.
    """

    direction: Vector
    colour: Vector
    sharpness: float


@dataclass(frozen=True)
class Look:
    """Lighting and the camera's rendering of it.

    Args:
        lights: The first is the key light and casts shadows.
        up: Unit vector towards the sky or ceiling.
        sky, ground: Linear RGB of the surroundings above and below.
        exposure: Gain on linear light.
        contrast: Exponent around middle grey, 1 is neutral.
        saturation: 1 is neutral.
        balance: Gain per channel.
        sheen: Extra reflection at grazing angles, as on rubber, 0 to 1.
    """

    lights: tuple[Light, ...]
    up: Vector = (0.0, 1.0, 0.0)
    sky: Vector = (0.5, 0.5, 0.5)
    ground: Vector = (0.2, 0.2, 0.2)
    exposure: float = 1.0
    contrast: float = 1.0
    saturation: float = 1.0
    balance: Vector = (1.0, 1.0, 1.0)
    sheen: float = 0.3

    def rotated(self, rotation: FloatArray) -> Look:
        """The same light with all directions turned by ``rotation`` ``(3, 3)``."""
        return replace(
            self,
            up=_turned(rotation, self.up),
            lights=tuple(replace(x, direction=_turned(rotation, x.direction)) for x in self.lights),
        )


def sample_look(rng: np.random.Generator) -> Look:
    """Draw the light of a studio, a garage or a yard and a phone's exposure of it."""
    level = rng.uniform(0.35, 1.1)
    warm = rng.normal(0, 0.08)
    key = _sampled_light(rng, rng.uniform(0.5, 2.2) * level, warm, (25, 85), (14, 500))
    fills = [
        _sampled_light(rng, rng.uniform(0.1, 0.9) * level, rng.normal(0, 0.1), (-10, 80), (3, 60))
        for _ in range(int(rng.integers(1, 5)))
    ]
    sky = level * rng.uniform(0.25, 1.0) * _tint(rng.normal(0, 0.06))
    ground = sky * rng.uniform(0.15, 0.8) * _tint(rng.normal(0, 0.06))
    return Look(
        lights=(key, *fills),
        sky=vector_of(sky),
        ground=vector_of(ground),
        exposure=float(np.exp(rng.normal(0.1, 0.35))),
        contrast=float(rng.uniform(0.85, 1.2)),
        saturation=float(rng.uniform(0.6, 1.25)),
        balance=vector_of(_tint(rng.normal(0, 0.05))),
        sheen=float(rng.uniform(0.0, 0.6)),
    )


def to_srgb(light: Float32Array, look: Look) -> NDArray[np.uint8]:
    """Linear RGB ``(..., 3)`` through exposure, balance and a soft shoulder to sRGB bytes."""
    x = light * np.asarray(look.balance, dtype=np.float32) * np.float32(look.exposure)
    grey = x.mean(axis=-1, keepdims=True)
    x = np.maximum(grey + np.float32(look.saturation) * (x - grey), 0)
    x = np.where(x > 0.7, 0.7 + 0.3 * (1 - np.exp(-(np.maximum(x, 0.7) - 0.7) / 0.3)), x)
    x = 0.18 * (x / 0.18) ** np.float32(look.contrast)
    index = np.clip(x * (len(_SRGB) - 1), 0, len(_SRGB) - 1).astype(np.int32)
    return np.asarray(_SRGB[index], dtype=np.uint8)


_SRGB = np.rint(255 * srgb_from_linear(np.linspace(0, 1, 8192))).astype(np.uint8)
"""Bytes for linear light in equal steps from 0 to 1: a look-up is cheaper than the power."""


def light_disc(light: Light, noise: Float32Array, part: Parts, parts: int) -> Float32Array:
    """Unit directions ``(N, 3)`` to a part (or to each one's part) of a light's rings.

    Args:
        light: The light.
        noise: ``(2, N)``, 0 to 1: position within the part.
        part: Number of the ring, or ``(N,)`` numbers.
        parts: Number of rings.
    """
    axis = np.asarray(light.direction, dtype=np.float32)
    disc = tangents(axis) * np.float32(1.2 / math.sqrt(light.sharpness))
    angle = np.float32(2 * math.pi) * (noise[0] + np.float32(_GOLDEN) * part)
    spot = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    spot *= np.sqrt((noise[1] + part) / parts)[:, None]
    return normalized(np.asarray(axis + spot @ disc, dtype=np.float32))


def _sampled_light(
    rng: np.random.Generator,
    strength: float,
    warmth: float,
    elevations_deg: tuple[float, float],
    sharpness: tuple[float, float],
) -> Light:
    azimuth = rng.uniform(0, 2 * math.pi)
    elevation = math.radians(rng.uniform(*elevations_deg))
    direction = (
        math.cos(elevation) * math.sin(azimuth),
        math.sin(elevation),
        math.cos(elevation) * math.cos(azimuth),
    )
    drawn = float(np.exp(rng.uniform(*np.log(sharpness))))
    return Light(direction, vector_of(strength * _tint(warmth)), drawn)


def _tint(warmth: float) -> FloatArray:
    return np.array([1 + warmth, 1.0, 1 - warmth])


def vector_of(values: NDArray[np.floating]) -> Vector:
    """Three values as a tuple of floats."""
    return float(values[0]), float(values[1]), float(values[2])


def _turned(rotation: FloatArray, vector: Vector) -> Vector:
    return vector_of(rotation @ np.asarray(vector))
