"""How a tyre is placed and what carries it: stands, posts, trolleys, hands, stacks.

World frame: metres, +Y up, the floor is y = 0; a tyre that stands has its axle along z.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from tasks.geometry.camera import FloatArray
from tasks.geometry.similarity import Similarity
from tasks.synthetic.scenes import props
from tasks.synthetic.scenes.raycast import Wheel
from tasks.synthetic.scenes.solids import Solid, sheet
from tasks.synthetic.tyres.tyre import Tyre

Rng = np.random.Generator


@dataclass(frozen=True)
class Measures:
    """What a stand has to fit.

    Args:
        diameter: Outer diameter, metres.
        width: Size along the axle, metres.
        hole: Radius of the hole of a tyre without a rim, 0 for a wheel.
    """

    diameter: float
    width: float
    hole: float = 0.0

    @classmethod
    def of(cls, wheel: Wheel) -> Measures:
        """Those of a generated tyre, or of a wheel from a file."""
        unmounted = isinstance(wheel, Tyre) and wheel.spec.rim is None
        hole = wheel.rubber.section.bead_radius if isinstance(wheel, Tyre) and unmounted else 0.0
        return cls(float(wheel.diameter), float(wheel.width), float(hole))


@dataclass(frozen=True)
class Layout:
    """How the target is placed and what carries it.

    Args:
        pose: Tyre frame to world.
        solids: What stands about it.
        elevation: Range of the camera's elevation, radians.
        azimuth: Range of the camera's azimuth about +Y from +z, radians.
        wall: Whether a wall at z < 0 is among the solids, so that no other is wanted.
        aim: Standard deviation of the camera's aim, diameters: small where tyres crowd.
    """

    pose: Similarity
    solids: list[Solid]
    elevation: tuple[float, float] = (-0.05, 0.75)
    azimuth: tuple[float, float] = (-math.pi, math.pi)
    wall: bool = False
    aim: float = 0.13


def spun(angle: float) -> FloatArray:
    """Rotation ``(3, 3)`` about +Z."""
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def tilted(angle: float) -> FloatArray:
    """Rotation ``(3, 3)`` about +X that leans the top towards -z for positive angles."""
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[1.0, 0.0, 0.0], [0.0, c, s], [0.0, -s, c]])


def _upright(rng: Rng, tyre: Measures, height: float) -> Similarity:
    """The tyre standing with its lowest point at a height, either face towards +z."""
    turn = spun(rng.uniform(0, 2 * math.pi))
    if rng.random() < 0.3:
        turn = np.diag([-1.0, 1.0, -1.0]) @ turn
    return Similarity(1.0, turn, np.array([0.0, height + tyre.diameter / 2, 0.0]))


def _on_floor(rng: Rng, tyre: Measures) -> Layout:
    solids = props.chocks(rng, tyre.diameter, tyre.width) if rng.random() < 0.35 else []
    return Layout(_upright(rng, tyre, 0.0), solids)


def _on_cradle(rng: Rng, tyre: Measures) -> Layout:
    height = float(rng.uniform(0.15, 0.9))
    solids = props.cradle(rng, tyre.diameter, tyre.width, height)
    return Layout(_upright(rng, tyre, height), solids, (-0.3, 0.7))


def _on_block(rng: Rng, tyre: Measures) -> Layout:
    height = float(rng.uniform(0.05, 0.9))
    solids = props.block_stand(rng, tyre.diameter, tyre.width, height)
    return Layout(_upright(rng, tyre, height), solids, (-0.2, 0.7))


def _on_axle(rng: Rng, tyre: Measures) -> Layout:
    height = float(rng.uniform(0.1, 0.8))
    hub = max(tyre.hole - 0.02, 0.0)
    solids = props.axle_stand(rng, tyre.diameter, tyre.width, height, hub)
    return Layout(_upright(rng, tyre, height), solids, (-0.3, 0.6))


def _on_rollers(rng: Rng, tyre: Measures) -> Layout:
    height = float(rng.uniform(0.04, 0.5))
    solids = props.rollers(rng, tyre.diameter, tyre.width, height)
    return Layout(_upright(rng, tyre, height), solids, (-0.2, 0.6))


def _on_plate(rng: Rng, tyre: Measures) -> Layout:
    height = float(rng.uniform(0.02, 0.5))
    solids = [props.plate(rng, tyre.diameter * float(rng.uniform(0.45, 0.8)), height)]
    if rng.random() < 0.4:
        solids += props.chocks(rng, tyre.diameter, tyre.width, height)
    return Layout(_upright(rng, tyre, height), solids, (0.0, 0.7))


def _on_trolley(rng: Rng, tyre: Measures) -> Layout:
    height = float(rng.uniform(0.12, 0.6))
    if rng.random() < 0.6:
        solids = props.trolley(rng, tyre.diameter, tyre.width, height)
    else:
        solids = props.forks(rng, tyre.diameter, height)
    if rng.random() < 0.3:
        return Layout(_lying(rng, tyre, height), solids, (0.1, 1.2))
    return Layout(_upright(rng, tyre, height), solids, (-0.1, 0.8))


def leaning(rng: Rng, tyre: Measures, on: str | None = None) -> Layout:
    """The tyre leans with its back against a ``post`` or a ``wall``; None draws one of them."""
    tilt = float(rng.uniform(0.06, 0.4))
    half, depth = tyre.diameter / 2, tyre.width / 2
    turn = tilted(tilt) @ _upright(rng, tyre, 0.0).rotation
    height = half * math.cos(tilt) + depth * math.sin(tilt)
    # the upper edge of the tyre's back
    z = -half * math.sin(tilt) - depth * math.cos(tilt)
    pose = Similarity(1.0, turn, np.array([0.0, height, 0.0]))
    if rng.random() < 0.5 if on is None else on == "post":
        x = float(rng.uniform(-0.4, 0.4)) * half
        solids = props.post(rng, np.array([x, 0.0, z - 0.08]), float(rng.uniform(0.5, 2.5)))
        if rng.random() < 0.5:
            side = np.array([-x - 0.2 * np.sign(x + 1e-9), 0.0, z - 0.08])
            solids += props.post(rng, side, float(rng.uniform(0.5, 2.5)))
        return Layout(pose, solids)
    kind = str(rng.choice(["wall", "plain", "concrete", "metal", "planks", "facade"]))
    look = props.surface(rng, kind, (4.0, 2.6), albedo=(float(rng.uniform(0.1, 1)),) * 3)
    wall = sheet(
        np.array([8.0, 4.0, z]) * [-1, 1, 1], np.array([16.0, 0, 0]), np.array([0, -4.0, 0]), look
    )
    return Layout(pose, [wall], (-0.05, 0.9), (-1.25, 1.25), wall=True)


def _lying(rng: Rng, tyre: Measures, height: float) -> Similarity:
    """The tyre flat with its lower face at a height."""
    up = rng.choice([-1.0, 1.0])
    turn = np.array([[1.0, 0, 0], [0, 0, up], [0, -up, 0]]) @ spun(rng.uniform(0, 2 * math.pi))
    return Similarity(1.0, turn, np.array([0.0, height + tyre.width / 2, 0.0]))


def _flat(rng: Rng, tyre: Measures) -> Layout:
    return Layout(_lying(rng, tyre, 0.0), [], (0.2, 1.5))


def _stacked(rng: Rng, tyre: Measures) -> Layout:
    """The tyre lies on others, or between them."""
    below, above = int(rng.integers(0, 4)), int(rng.integers(0, 3))
    diameter = tyre.diameter * float(rng.uniform(0.9, 1.1))
    solids = props.stack(rng, np.zeros(3), diameter, below)
    height = max((float(s.vertices[:, 1].max()) for s in solids), default=0.0)
    pose = _lying(rng, tyre, height)
    if above:
        solids += props.stack(rng, np.array([0.0, height + tyre.width, 0.0]), diameter, above)
    return Layout(pose, solids, (-0.05, 0.5 if above else 1.2), aim=0.05)


def _racked(rng: Rng, tyre: Measures) -> Layout:
    """The tyre stands among others on one axle, or before a rack of them."""
    solids: list[Solid] = []
    for side in (-1.0, 1.0):
        edge = side * tyre.width / 2
        for _ in range(int(rng.integers(0, 3))):
            diameter = tyre.diameter * float(rng.uniform(0.92, 1.06))
            width = float(rng.uniform(0.16, 0.3))
            at = np.array([rng.normal(0, 0.03), diameter / 2, edge + side * (width / 2 + 0.004)])
            solids += [s.moved(np.eye(3), at) for s in props.plain_tyre(rng, diameter, width)]
            edge += side * width
    return Layout(_upright(rng, tyre, 0.0), solids, aim=0.05)


def _handheld(rng: Rng, tyre: Measures) -> Layout:
    """Hands hold the tyre, on the floor or in the air; sometimes their owner stands behind."""
    height = float(rng.choice([0.0, rng.uniform(0.05, 0.9)]))
    pose = _upright(rng, tyre, height)
    pose = replace(pose, rotation=tilted(float(rng.normal(0, 0.15))) @ pose.rotation)
    solids: list[Solid] = []
    for _ in range(int(rng.integers(1, 3))):
        solids += props.gripping_arm(
            rng, pose.translation, pose.rotation, tyre.diameter, tyre.width
        )
    if rng.random() < 0.6:
        at = np.array([rng.normal(0, 0.25), 0.0, -tyre.width / 2 - rng.uniform(0.2, 0.4)])
        solids += props.person(rng, at, float(rng.normal(0, 0.4)), float(rng.uniform(-0.3, 0.3)))
    return Layout(pose, solids, (-0.2, 0.8))


def _on_car(rng: Rng, tyre: Measures) -> Layout:
    pose = _upright(rng, tyre, 0.0)
    solids = props.car_body(rng, tyre.diameter, tyre.width)
    return Layout(pose, solids, (-0.03, 0.5), (-1.0, 1.0), wall=True)


def _hanging(rng: Rng, tyre: Measures) -> Layout:
    pose = _upright(rng, tyre, float(rng.uniform(0.2, 1.0)))
    return Layout(pose, props.sling(rng, tyre.diameter, pose.translation), (-0.4, 0.5))


def _product(rng: Rng, tyre: Measures) -> Layout:
    """Before a plain ground, standing, or lying, as sellers show it."""
    if rng.random() < 0.3:
        return Layout(_lying(rng, tyre, 0.0), [], (0.2, 1.4))
    return Layout(_upright(rng, tyre, 0.0), [], (-0.05, 0.5))


LAYOUTS: dict[str, Callable[[Rng, Measures], Layout]] = {
    "floor": _on_floor,
    "cradle": _on_cradle,
    "block": _on_block,
    "axle": _on_axle,
    "rollers": _on_rollers,
    "plate": _on_plate,
    "trolley": _on_trolley,
    "leaning": leaning,
    "flat": _flat,
    "stacked": _stacked,
    "racked": _racked,
    "held": _handheld,
    "car": _on_car,
    "hanging": _hanging,
    "product": _product,
}
"""Ways to place a tyre."""

_WEIGHTS = np.array([10, 12, 8, 8, 5, 8, 7, 12, 9, 7, 5, 8, 4, 2, 6], dtype=np.float64)
LAYOUT_SHARES = _WEIGHTS / _WEIGHTS.sum()
"""How often each is drawn for a labelled view."""
