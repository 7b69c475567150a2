"""Films as customers make them: a tyre on a stand, leaning, in hands, spun; a phone that walks.

Where :mod:`tasks.synthetic.scenes.motion` plans an easy film, a *capture* is planned here: what
carries the tyre, what else is about, the phone's path and lens, and how its automatics drift.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from configs.presets import Motion
from tasks.geometry.camera import Camera, FloatArray, look_at
from tasks.geometry.similarity import Similarity
from tasks.synthetic.scenes import props, textures
from tasks.synthetic.scenes.film_set import Placed
from tasks.synthetic.scenes.layouts import LAYOUTS, Layout, Measures, leaning, spun
from tasks.synthetic.scenes.lighting import Look, Vector, sample_look, vector_of
from tasks.synthetic.scenes.motion import direction, wobble
from tasks.synthetic.scenes.scene import Moment
from tasks.synthetic.scenes.solids import MipMap, Solid, Surface, sheet
from tasks.synthetic.scenes.surroundings import floor_light, floor_of

Rng = np.random.Generator

Capture = Literal[
    "stand", "post", "trolley", "held", "stack", "crowd",
    "one-face", "turntable", "spin", "spin-hand",
]  # fmt: skip
"""A walk round a tyre on a wooden stand, leaning on a post, on a trolley, in hands, on other tyres,
with people walking through; an arc before one face of a tyre that leans on a wall; a tyre on a
turntable in a plain room; a tyre that is spun before a phone that stands still or is held."""

CAPTURES: tuple[Capture, ...] = get_args(Capture)

WALKS: tuple[Capture, ...] = ("stand", "post", "trolley", "held", "stack", "crowd")
"""Those with the camera on its way round a tyre that stands still."""

_LAYOUTS: dict[Capture, Callable[[Rng, Measures], Layout]] = {
    "stand": LAYOUTS["cradle"],
    "post": lambda rng, tyre: leaning(rng, tyre, "post"),
    "trolley": LAYOUTS["trolley"],
    "held": LAYOUTS["held"],
    "stack": LAYOUTS["stacked"],
    "crowd": LAYOUTS["floor"],
    "one-face": lambda rng, tyre: leaning(rng, tyre, "wall"),
    "turntable": LAYOUTS["plate"],
    "spin": LAYOUTS["rollers"],
    "spin-hand": LAYOUTS["rollers"],
}


@dataclass(frozen=True)
class Phone:
    """The phone of a capture.

    Args:
        fov_deg: Field of view along the image's longer side, of which nobody is told.
        lens: Radial distortion k1, k2.
        breathing: Change of the focal length with focus, relative.
        exposure_drift: Change of the exposure over the film, relative.
        balance_drift: Change of red against blue over the film, relative.
        blurred: Share of the frames with motion blur.
        blur_px: Shortest and longest blur on an image whose longer side is 1280 pixels.
    """

    fov_deg: float
    lens: tuple[float, float]
    breathing: float = 0.006
    exposure_drift: float = 0.24
    balance_drift: float = 0.06
    blurred: float = 0.2
    blur_px: tuple[float, float] = (3.0, 9.0)


def sample_phone(rng: Rng) -> Phone:
    """Draw a phone's lens."""
    return Phone(
        fov_deg=float(rng.uniform(52, 72)),
        lens=(float(rng.uniform(-0.1, -0.02)), float(rng.uniform(-0.01, 0.02))),
        breathing=float(rng.uniform(0.0, 0.01)),
    )


@dataclass(frozen=True)
class Take:
    """A planned capture.

    Args:
        motion: What moves.
        moment_at: Camera and pose of the tyre at a time, 0 (first frame) to 1 (last).
        solids_at: All solids at a time.
        changes: Whether the solids differ from time to time.
        items: Other wheels.
        phone: Who films.
        look: The light in the world.
        gain_at: The phone's gain of red, green and blue at a time.
        sky: What is seen where nothing stands.
        ground: Linear RGB that the floor sends back.
    """

    motion: Motion
    moment_at: Callable[[float], Moment]
    solids_at: Callable[[float], list[Solid]]
    changes: bool
    items: tuple[Placed, ...]
    phone: Phone
    look: Look
    gain_at: Callable[[float], Vector]
    sky: MipMap
    ground: Vector


def plan_take(
    capture: Capture,
    rng: Rng,
    measures: Measures,
    *,
    size: tuple[int, int],
    num_frames: int,
    phone: Phone | None = None,
    others: tuple[Placed, ...] = (),
) -> Take:
    """Plan a capture.

    Args:
        capture: What kind.
        rng: Source of randomness.
        measures: The tyre's measures.
        size: Width and height of the image, pixels.
        num_frames: A full turn does not repeat its first frame.
        phone: Who films; None to draw one.
        others: Wheels that lie about; their poses are replaced.
    """
    phone = phone or sample_phone(rng)
    layout = _LAYOUTS[capture](rng, measures)
    path = _Path(rng, layout, measures, phone, size, 1 - 1 / max(num_frames, 2))
    moment_at, motion = path.plan(capture)
    look = replace(sample_look(rng), exposure=1.0)
    plain = capture == "turntable"
    floor, walls = _room(rng, path.farthest, plain=plain, walled=layout.wall)
    turning = layout.solids if motion == "turntable" else []
    still = [floor, *walls, *([] if turning else layout.solids)]
    if not plain:
        still += _things(rng, measures)
    walkers = [_walker(rng, path.farthest) for _ in range(3 if capture == "crowd" else 0)]

    def solids_at(time: float) -> list[Solid]:
        turn = props.yawed(moment_at(time).turn) if turning else np.eye(3)
        moving = [s.moved(turn, np.zeros(3)) for s in turning]
        return [*still, *moving, *(s for walker in walkers for s in walker(time))]

    drifts = [_drift(rng, a) for a in (phone.exposure_drift, phone.balance_drift)]

    def gain_at(time: float) -> Vector:
        gain, warm = 1 + drifts[0](time), drifts[1](time) / 2
        return gain * (1 + warm), gain, gain * (1 - warm)

    return Take(
        motion=motion,
        moment_at=moment_at,
        solids_at=solids_at,
        changes=bool(turning or walkers),
        items=() if plain else _lying_about(rng, others, path.farthest),
        phone=phone,
        look=look,
        gain_at=gain_at,
        sky=props.texture("panorama", int(rng.integers(10))),
        ground=floor_light(floor, look),
    )


class _Path:
    """Where the phone and the tyre are over time.

    Args:
        rng: Source of randomness.
        layout: How the tyre is placed.
        tyre: Its measures.
        phone: Who films.
        size: Width and height of the image, pixels.
        full: Share of a full turn between the first and the last frame.
    """

    def __init__(
        self,
        rng: Rng,
        layout: Layout,
        tyre: Measures,
        phone: Phone,
        size: tuple[int, int],
        full: float,
    ) -> None:
        self._rng, self._layout, self._tyre, self._size = rng, layout, tyre, size
        self._full = full
        focal = 0.5 * max(size) / math.tan(math.radians(phone.fov_deg) / 2)
        breath = wobble(rng, phone.breathing)
        self._focal: Callable[[float], float] = lambda time: focal * (1 + breath(time))
        fill = rng.uniform(0.5, 0.68)
        reach = math.hypot(tyre.diameter, 0.6 * tyre.width)
        self._distance = focal * reach / (fill * min(size)) + tyre.width / 4
        self.farthest = 1.35 * self._distance

    def plan(self, capture: Capture) -> tuple[Callable[[float], Moment], Motion]:
        """The moments of a capture and what moves in it."""
        if capture in ("spin", "spin-hand"):
            return self._spin(hand=capture == "spin-hand"), "spin"
        if capture == "turntable":
            return self._turntable(), "turntable"
        rng = self._rng
        if capture == "one-face":
            sweep = math.radians(rng.uniform(135, 160))
            start = -sweep / 2 + rng.normal(0, 0.08)
        else:
            sweep = math.radians(rng.uniform(250, 360)) * self._full
            start = rng.uniform(-math.pi, math.pi)
        if rng.random() < 0.5:
            start, sweep = start + sweep, -sweep
        lying = abs(self._layout.pose.rotation[1, 2]) > 0.7
        elevation = math.radians(rng.uniform(28, 45) if lying else rng.uniform(12, 24))
        return self._walk(start, sweep, elevation), "orbit"

    def _walk(self, start: float, sweep: float, elevation: float) -> Callable[[float], Moment]:
        rng, pose, distance = self._rng, self._layout.pose, self._distance
        uneven = min(0.25, 0.1 * abs(sweep))
        pace, rise, near = (wobble(rng, a) for a in (uneven, math.radians(6), 0.1))
        aim = [wobble(rng, 0.05 * self._tyre.diameter) for _ in range(3)]
        roll = wobble(rng, math.radians(3))

        def moment_at(time: float) -> Moment:
            azimuth = start + sweep * time + pace(time)
            height = max(elevation + rise(time), math.radians(5))
            eye = pose.translation + distance * (1 + near(time)) * direction(azimuth, height)
            target = pose.translation + np.array([a(time) for a in aim])
            return Moment(self._camera(eye, target, roll(time), time), pose)

        return moment_at

    def _spin(self, *, hand: bool) -> Callable[[float], Moment]:
        rng, pose, distance = self._rng, self._layout.pose, self._distance
        sweep = 2 * math.pi * self._full * float(rng.choice([-1, 1])) * rng.uniform(0.95, 1.15)
        pace = wobble(rng, 0.06)
        azimuth = rng.uniform(math.radians(15), math.radians(45)) * rng.choice([-1, 1])
        elevation = rng.uniform(math.radians(3), math.radians(20))
        stray = rng.normal(0, 0.03 * self._tyre.diameter, 3)
        sway = [wobble(rng, 0.012 if hand else 0.0) for _ in range(3)]
        aim = [wobble(rng, 0.012 if hand else 0.0) for _ in range(3)]
        roll = wobble(rng, math.radians(1.0) if hand else 0.0)
        eye = pose.translation + distance * direction(azimuth, elevation)
        target = pose.translation + stray
        fixed = self._camera(eye, target, 0.0, 0.0)

        def moment_at(time: float) -> Moment:
            angle = sweep * time + pace(time)
            spinning = Similarity(1.0, pose.rotation @ spun(angle), pose.translation)
            if not hand:
                return Moment(fixed, spinning)
            here = eye + np.array([s(time) for s in sway])
            there = target + np.array([a(time) for a in aim])
            return Moment(self._camera(here, there, roll(time), time), spinning)

        return moment_at

    def _turntable(self) -> Callable[[float], Moment]:
        rng, pose = self._rng, self._layout.pose
        sweep = 2 * math.pi * self._full * float(rng.choice([-1, 1]))
        elevation = rng.uniform(math.radians(10), math.radians(28))
        off = rng.normal(0, 0.02 * self._tyre.diameter, 2)  # seldom quite in the middle
        eye = pose.translation + self._distance * direction(rng.uniform(-0.3, 0.3), elevation)
        fixed = self._camera(eye, pose.translation, 0.0, 0.0)
        shift = np.array([off[0], 0.0, off[1]])

        def moment_at(time: float) -> Moment:
            turn = props.yawed(sweep * time)
            there = turn @ (pose.translation + shift)
            return Moment(fixed, Similarity(1.0, turn @ pose.rotation, there), sweep * time)

        return moment_at

    def _camera(self, eye: FloatArray, target: FloatArray, roll: float, time: float) -> Camera:
        width, height = self._size
        focal = self._focal(time)
        return look_at(eye, target, focal_px=focal, width=width, height=height, roll_rad=roll)


def _drift(rng: Rng, size: float) -> Callable[[float], float]:
    """A slow change over the film of at most ``size``, either way."""
    slope, bend = rng.uniform(0.4, 1.0) * rng.choice([-1, 1]), rng.uniform(-0.4, 0.4)
    phase = rng.uniform(0, 2 * math.pi)
    return lambda time: float(
        size * (0.7 * slope * (2 * time - 1) + bend * math.sin(2 * math.pi * time + phase))
    )


def _room(rng: Rng, farthest: float, *, plain: bool, walled: bool) -> tuple[Solid, list[Solid]]:
    """A floor, and walls beyond ``farthest`` metres: a plain room or a grey workshop.

    No image repeats within sight, and no two walls are alike: cameras are found by such things.
    """
    grey = float(rng.uniform(0.25, 0.85))
    half = farthest + 0.5
    kind = "wall" if rng.random() < 0.4 else "plain"
    if plain:
        floor_look = Surface((grey * float(rng.uniform(0.5, 1.0)),) * 3, None, roughness=0.8)
    else:
        ground = "concrete"
        if rng.random() < 0.3:
            ground = str(rng.choice(["asphalt", "epoxy", "planks"]))
        tone = (float(rng.uniform(0.5, 1.0)),) * 3
        texture = MipMap(textures.floor(rng, ground))
        floor_look = Surface(tone, texture, (2.2 * half,) * 2, roughness=0.8)
    walls = []
    for index in range(4):
        ahead = props.yawed(index * math.pi / 2) @ np.array([0, 0, 1.0])
        if walled and ahead[2] < -0.5:
            continue  # the tyre leans on the wall there
        look = Surface((grey,) * 3, None, roughness=0.9)
        if not plain:
            drawn = textures.wall(rng) if kind == "wall" else textures.plain(rng, 512, 205)
            look = replace(look, texture=MipMap(drawn), repeat=(2 * half, _HIGH))
        right = np.cross(ahead, [0.0, 1.0, 0.0])
        middle = ahead * half + np.array([0, _HIGH, 0])
        down = np.array([0, -_HIGH, 0])
        walls.append(sheet(middle - right * half, right * 2 * half, down, look))
    return floor_of(floor_look), walls


_HIGH = 3.6
"""Height of the walls, metres."""


def _things(rng: Rng, tyre: Measures) -> list[Solid]:
    """A bucket, and what else is left lying near a tyre: too low to hide it."""

    def near() -> FloatArray:
        away = 0.5 * tyre.diameter + rng.uniform(0.25, 0.5)
        return away * direction(rng.uniform(-math.pi, math.pi), 0.0)

    solids = props.bucket(rng, near())
    for _ in range(int(rng.integers(0, 3))):
        thing = (props.hose, props.bucket)[int(rng.integers(2))]
        solids += thing(rng, near())
    return solids


def _lying_about(rng: Rng, others: tuple[Placed, ...], farthest: float) -> tuple[Placed, ...]:
    """Other wheels flat on the floor, out of the way: behind the tyre, or not in the image."""
    placed = []
    for other in others:
        low, high = other.caster.low, other.caster.high
        at = (farthest - 0.2) * direction(rng.uniform(-math.pi, math.pi), 0.0)
        at[1] = float(high[2] - low[2]) / 2
        flat = np.array([[1.0, 0, 0], [0, 0, 1.0], [0, -1.0, 0]])
        turn = flat @ spun(rng.uniform(0, 2 * math.pi))
        placed.append(replace(other, pose=Similarity(1.0, turn, at)))
    return tuple(placed)


def _walker(rng: Rng, farthest: float) -> Callable[[float], list[Solid]]:
    """Somebody who crosses the room once, beyond the tyre or this side of it."""
    figure = int(rng.integers(1 << 30))
    side, way = rng.uniform(-math.pi, math.pi), float(rng.choice([-1, 1]))
    off = rng.uniform(0.75, 0.95) * farthest
    begin, steps = rng.uniform(0.0, 0.5), rng.uniform(6, 10)

    def solids_at(time: float) -> list[Solid]:
        along = way * farthest * (4 * (time - begin) - 1)
        at = props.yawed(side) @ np.array([along, 0.0, off])
        if abs(along) > farthest:
            at = at + np.array([0.0, -5.0, 0.0])  # not there yet, or gone: below the floor
        stride = math.sin(2 * math.pi * steps * 2 * time)
        yaw = side + way * math.pi / 2
        return props.person(np.random.default_rng(figure), at, yaw, stride)

    return solids_at


def balanced(look: Look, gain: Vector) -> Look:
    """The look with a phone's gain of red, green and blue."""
    return replace(look, balance=vector_of(np.array(look.balance) * np.array(gain)))
