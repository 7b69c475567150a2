"""Floors, walls, things and people about a tyre, as a camera that looks at it has them."""

from __future__ import annotations

import math

import numpy as np

from tasks.geometry.camera import Camera, FloatArray
from tasks.synthetic.scenes import props
from tasks.synthetic.scenes.layouts import Layout, Measures
from tasks.synthetic.scenes.lighting import Look, Vector, vector_of
from tasks.synthetic.scenes.solids import Solid, Surface, sheet

Rng = np.random.Generator

FLOORS = (
    "concrete",
    "concrete",
    "asphalt",
    "epoxy",
    "tiles",
    "planks",
    "gravel",
    "grass",
    "plain",
)
"""Kinds of floor, as often as they are drawn."""


def surroundings(
    rng: Rng, layout: Layout, tyre: Measures, camera: Camera, *, plain: Vector | None
) -> tuple[list[Solid], Solid]:
    """Walls, things and people about the target, and the floor.

    Args:
        rng: Source of randomness.
        layout: Where the target is.
        tyre: The target.
        camera: Who looks at it.
        plain: Linear RGB of floor and walls of a room with nothing about; None for other places.
    """
    reach = 0.6 * tyre.diameter + 0.35
    gaze = camera.rotation[2] * np.array([1.0, 0.0, 1.0])
    yaw = math.atan2(gaze[0], gaze[2])
    blank: Surface | None = None
    if plain is not None:
        floor = floor_of(Surface(plain, None, roughness=0.8))
        darker = rng.uniform(0.65, 1.05)
        blank = Surface(vector_of(darker * np.array(plain)), None, roughness=0.8)
    else:
        kind = str(rng.choice([*FLOORS]))
        tone = float(rng.uniform(0.06, 0.3) if rng.random() < 0.15 else rng.uniform(0.35, 1.1))
        gloss = float(rng.uniform(0.35, 0.95))
        floor = floor_of(props.surface(rng, kind, (2.5, 2.5), albedo=(tone,) * 3, roughness=gloss))
    solids: list[Solid] = []
    if not layout.wall and rng.random() < 0.75:
        solids += _walls(rng, yaw, reach, blank)
    if plain is None:
        solids += _things(rng, layout, tyre, reach, yaw)
    return solids, floor


def _things(rng: Rng, layout: Layout, tyre: Measures, reach: float, yaw: float) -> list[Solid]:
    """What stands, walks and reaches about the target: at ``reach`` metres and farther."""
    centre = layout.pose.translation
    solids: list[Solid] = []
    for _ in range(int(rng.choice([0, 1, 2, 3, 5], p=[0.25, 0.25, 0.2, 0.2, 0.1]))):
        solids += _thing(rng, _around(rng, reach, yaw, layout))
    if rng.random() < 0.1:
        solids += props.hose(rng, np.zeros(3))
    if rng.random() < 0.15 and not layout.wall:
        away = yaw + rng.normal(0, 0.3)
        solids += props.rack(rng, float(rng.uniform(reach, 3.0)), away)
    for _ in range(int(rng.choice([0, 1, 2], p=[0.75, 0.18, 0.07]))):
        at = _around(rng, reach + 0.2, yaw, layout)
        solids += props.person(rng, at, float(rng.uniform(-4, 4)), float(rng.uniform(-1, 1)))
    for _ in range(int(rng.choice([0, 1, 2], p=[0.8, 0.14, 0.06]))):
        solids += props.gripping_arm(rng, centre, layout.pose.rotation, tyre.diameter, tyre.width)
    if rng.random() < 0.03:
        solids += props.tape(rng, tyre.diameter, tyre.width, float(centre[1] - tyre.diameter / 2))
    return solids


def _thing(rng: Rng, at: FloatArray) -> list[Solid]:
    """One thing that stands on the floor."""
    kind = rng.integers(6)
    if kind == 0:
        return props.post(rng, at, float(rng.uniform(0.8, 2.6)))
    if kind == 1:
        diameter = float(rng.uniform(0.5, 0.75))
        return props.stack(rng, at * 1.25, diameter, int(rng.integers(1, 5)))
    return (props.bucket, props.crates, props.cone, props.hose)[kind - 2](rng, at)


def floor_of(look: Surface) -> Solid:
    """A wide floor, its vertices dense in the middle."""
    steps = np.linspace(-1, 1, 41)
    knots = 0.5 + 0.5 * np.sinh(4.2 * steps) / math.sinh(4.2)
    side = np.array([24.0, 0, 0]), np.array([0, 0, 24.0])
    return sheet(np.array([-12.0, 0, -12.0]), *side, look, knots=(knots, knots))


def _walls(rng: Rng, yaw: float, reach: float, blank: Surface | None) -> list[Solid]:
    """A wall behind the target as the camera sees it, often with a corner."""
    turn = yaw + rng.normal(0, 0.35)
    solids = []
    style = rng.random()
    for number in range(2 if rng.random() < 0.4 else 1):
        tone = float(rng.uniform(0.04, 0.3) if style < 0.2 else rng.uniform(0.3, 1.0))
        kind = str(rng.choice(["wall", "wall", "facade", "plain", "plain", "metal", "concrete"]))
        look = blank or props.surface(rng, kind, (4.0, 2.6), albedo=(tone,) * 3, roughness=0.9)
        corner = number * math.pi / 2 * float(rng.choice([-1, 1]))
        ahead = props.yawed(turn + corner) @ np.array([0, 0, 1.0])
        right = np.cross(ahead, [0.0, 1.0, 0.0])
        middle = ahead * rng.uniform(reach, 5.0)
        high = 0.0 if rng.random() < 0.15 else 4.0
        origin = middle - right * 8 + np.array([0, high + 1.2, 0])
        solids.append(sheet(origin, right * 16, np.array([0, -high - 1.2, 0]), look))
    return solids


def _around(rng: Rng, reach: float, yaw: float, layout: Layout) -> FloatArray:
    """A place on the floor about the target, mostly beside or behind it for the camera."""
    angle = yaw + rng.normal(0, 1.0)
    distance = reach + rng.exponential(0.6)
    at = np.array([math.sin(angle) * distance, 0.0, math.cos(angle) * distance])
    if layout.wall:
        at[2] = abs(at[2]) * 0.6
    return np.asarray(at + layout.pose.translation * np.array([1.0, 0.0, 1.0]))


def floor_light(floor: Solid, look: Look) -> tuple[float, float, float]:
    """Linear RGB that a floor sends back."""
    albedo = np.array(floor.surface.albedo)
    if floor.surface.texture is not None:
        middle = np.random.default_rng(0).random((64, 2), dtype=np.float32)
        level = np.full(64, 5.0, dtype=np.float32)
        albedo = albedo * floor.surface.texture.linear(middle, level).mean(axis=0)
    key = look.lights[0]
    received = max(key.direction[1], 0.0) * np.array(key.colour) + np.array(look.sky)
    return vector_of(0.8 * albedo * received)
