"""Single views of tyres as people film them, with exact labels of rubber and rim.

For training and measuring segmenters: ``python -m tasks.synthetic.scenes.labelled OUT.png`` shows
some. A view is one tyre, the *target*, in the middle of a random scene; all other tyres, whatever
stands before it, and what is seen through its openings are background.
"""

from __future__ import annotations

import argparse
import functools
import math
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.geometry.camera import Camera, look_at
from tasks.geometry.similarity import Similarity
from tasks.imaging.contact_sheet import contact_sheet
from tasks.imaging.images import write_image
from tasks.matting.parts import RUBBER
from tasks.synthetic.scenes import props
from tasks.synthetic.scenes.film_set import FilmSet, LabelImage, Placed
from tasks.synthetic.scenes.labels import part_labels
from tasks.synthetic.scenes.layouts import LAYOUT_SHARES, LAYOUTS, Layout, Measures, spun
from tasks.synthetic.scenes.lighting import Vector, sample_look, vector_of
from tasks.synthetic.scenes.phone import metered, photographed, sample_effects
from tasks.synthetic.scenes.raycast import RenderableCaster
from tasks.synthetic.scenes.solids import Solids
from tasks.synthetic.scenes.surroundings import floor_light, surroundings
from tasks.synthetic.tyres.random_wheels import build_varied_tyre, random_look
from tasks.synthetic.tyres.spec import LookSpec, Part
from tasks.synthetic.tyres.tyre import Tyre

GROUP = 4
"""So many neighbouring seeds share their tyres: a process that takes them in turn builds few."""

Rng = np.random.Generator

_DETAIL = 0.45
_OCCLUSION_RAYS = 8
_LEAST_AREA = 0.015
_LEAST_UNHIDDEN = 0.6
_ATTEMPTS = 12
_WITHOUT_RUBBER = 0.04
_PLAIN_ROOMS = 0.25
"""Share of the views of all layouts in a room of one colour."""


@dataclass(frozen=True)
class LabelledView:
    """One frame and what it shows.

    Args:
        image: ``(H, W, 3)`` uint8 sRGB.
        parts: ``(H, W)`` uint8: 0 background, 1 rubber, 2 rim.
    """

    image: NDArray[np.uint8]
    parts: LabelImage


def labelled_view(seed: int, size: tuple[int, int]) -> LabelledView:
    """The view of a seed; equal seeds give equal views.

    Args:
        seed: At least 0. Seeds of a split (:mod:`tasks.synthetic.tyres.spec`) show tyres of it.
        size: Width and height, pixels.
    """
    for attempt in range(_ATTEMPTS):
        view = _attempt(seed, np.random.default_rng([seed, 21, attempt]), size)
        if view is not None:
            return view
    raise ValueError(f"no view of seed {seed} shows its tyre")


def _attempt(seed: int, rng: Rng, size: tuple[int, int]) -> LabelledView | None:
    caster = _wheel(seed // GROUP * GROUP)
    tyre = caster.renderable
    assert isinstance(tyre, Tyre)
    target = _dressed(caster, rng)
    labels = part_labels(tyre)
    kind = str(rng.choice(list(LAYOUTS), p=LAYOUT_SHARES))
    measures = Measures.of(tyre)
    layout = LAYOUTS[kind](rng, measures)
    items = [Placed(target, layout.pose, labels)]
    dark = rng.random() < 0.12
    look = sample_look(rng)
    if dark:
        look = replace(look, sky=vector_of(0.3 * np.array(look.sky)))
    camera = _camera(rng, layout, tyre, size)
    plain = None
    if kind == "product" or rng.random() < _PLAIN_ROOMS:
        assert isinstance(target.renderable, Tyre)
        plain = _plain_colour(rng, target.renderable.spec.look)
    around, floor = surroundings(rng, layout, measures, camera, plain=plain)
    items += _other_wheels(rng, seed, layout, tyre)
    if not _in_the_middle(camera, items):
        return None
    if rng.random() < 0.05:
        items.append(_sticker(rng, tyre, layout.pose))
    ground = floor_light(floor, look)
    film_set = FilmSet(
        [floor, *layout.solids, *around],
        items,
        look,
        sky=props.texture("panorama", int(rng.integers(10))),
        ground=ground,
        occlusion_rays=8,
    )
    seen = film_set.view(camera, shadow_rays=1, lens=(_distortion(rng, camera), 0.0))
    if np.count_nonzero(seen.parts) < _LEAST_AREA * seen.parts.size:
        return None
    if seen.unhidden < _LEAST_UNHIDDEN:
        return None
    look = metered(seen.light, look, rng, dim=dark and rng.random() < 0.5)
    image = photographed(seen.light, look, sample_effects(rng, max(size)), rng)
    return LabelledView(image, seen.parts)


def _plain_colour(rng: Rng, look: LookSpec) -> Vector:
    """A plain room's colour: white, any grey or beige, or about the rim's.

    A wall of the rim's colour is what is most easily taken for the barrel behind the spokes.
    """
    style = rng.random()
    tint = 1 + rng.normal(0, 0.04) * np.array([1.0, 0.0, -1.0])
    if style < 0.35:
        colour = rng.uniform(0.6, 0.95) * tint
    elif style < 0.7:
        colour = rng.uniform(0.03, 0.9) * tint
    else:
        colour = np.array(look.rim) * np.exp(rng.normal(0.1, 0.35)) * tint
    return vector_of(np.clip(colour, 0.02, 0.95))


def _distortion(rng: Rng, camera: Camera) -> float:
    """A lens' k1, for half of the views none, such that the corners are still seen once only."""
    if rng.random() < 0.5:
        return 0.0
    corner = math.hypot(camera.cx / camera.fx, camera.cy / camera.fy)
    # r (1 + k r²) reaches no farther than 2 / sqrt(-27 k)
    least = -0.9 * 4 / (27 * corner**2)
    return float(max(rng.uniform(-0.15, 0.08), least))


def _in_the_middle(camera: Camera, items: list[Placed]) -> bool:
    """Whether the first of some items is the one that a camera was pointed at."""
    u, v, z = camera.project(np.stack([item.centre for item in items])).T
    off = np.hypot(u - camera.cx, v - camera.cy)
    near = (z > 0) & (z < 1.6 * z[0])
    return bool((off[near] >= off[0]).all())


@functools.lru_cache(maxsize=12)
def _wheel(seed: int) -> RenderableCaster:
    """The wheel of a seed; a rim alone is seldom."""
    rng = np.random.default_rng([seed, 22])
    tyre = build_varied_tyre(seed, rng, _DETAIL)
    if tyre.spec.rim is not None and rng.random() < _WITHOUT_RUBBER:
        kept = tyre.part >= Part.RIM
        tyre = replace(tyre, faces=tyre.faces[kept], part=tyre.part[kept])
    return RenderableCaster(tyre, _OCCLUSION_RAYS)


def _dressed(caster: RenderableCaster, rng: Rng) -> RenderableCaster:
    """The wheel clean or dusty, wet or dry, with a rim of any colour."""
    tyre = caster.renderable
    assert isinstance(tyre, Tyre)
    look: LookSpec = tyre.spec.look
    if rng.random() < 0.5:
        look = random_look(look, rng)
    style = rng.random()
    if style < 0.15:  # wet, or dressed with silicone
        look = replace(look, rubber_roughness=float(rng.uniform(0.12, 0.3)), dirt=0.0)
    elif style < 0.28:  # dust, bright in the grooves
        bright = float(rng.uniform(0.12, 0.45))
        look = replace(
            look,
            dirt=float(rng.uniform(0.3, 0.9)),
            dirt_colour=(bright, bright * 0.93, bright * float(rng.uniform(0.6, 0.95))),
        )
    if rng.random() < 0.15:  # black on black
        grey = float(rng.uniform(0.5, 1.6)) * look.rubber[0]
        look = replace(look, rim=(grey,) * 3, face=(grey,) * 3, accent=(grey,) * 3)
    if rng.random() < 0.03:  # wrapped or painted rubber
        colour = vector_of(rng.uniform(0.02, 0.7, 3))
        look = replace(look, rubber=colour, tread=colour)
    if rng.random() < 0.1:  # older, greyer
        grey = float(rng.uniform(0.05, 0.11))
        look = replace(look, rubber=(grey,) * 3, tread=(grey * 1.1,) * 3)
    return caster.painted(replace(tyre, spec=replace(tyre.spec, look=look)))


def _sticker(rng: Rng, tyre: Tyre, pose: Similarity) -> Placed:
    solids = Solids([props.label(rng, tyre.diameter, tyre.width)])
    labels = np.full(len(solids.faces), RUBBER, dtype=np.uint8)
    return Placed(RenderableCaster(solids, 2), pose, labels)


def _camera(rng: Rng, layout: Layout, tyre: Tyre, size: tuple[int, int]) -> Camera:
    width, height = size
    fov = math.radians(rng.uniform(40, 84))
    focal = 0.5 * max(size) / math.tan(fov / 2)
    fill = float(np.exp(rng.uniform(math.log(0.28), math.log(1.15))))
    reach = float(np.hypot(tyre.diameter, tyre.width))
    distance = max(focal * reach / (fill * min(size)), 0.8 * tyre.diameter)
    low, high = layout.elevation
    elevation = float(np.clip(rng.normal(low + 0.35 * (high - low), 0.3 * (high - low)), low, high))
    azimuth = float(rng.uniform(*layout.azimuth))
    direction = np.array(
        [
            math.sin(azimuth) * math.cos(elevation),
            math.sin(elevation),
            math.cos(azimuth) * math.cos(elevation),
        ]
    )
    centre = layout.pose.translation
    eye = centre + distance * direction
    eye[1] = max(eye[1], 0.08)
    stray = layout.aim * (1.0 if rng.random() < 0.8 else 2.2)
    aim = centre + rng.normal(0, stray, 3) * tyre.diameter
    roll = rng.normal(0, 4) if rng.random() < 0.93 else rng.choice([-90, 90]) + rng.normal(0, 5)
    return look_at(
        eye, aim, focal_px=focal, width=width, height=height, roll_rad=math.radians(roll)
    )


def _other_wheels(rng: Rng, seed: int, layout: Layout, tyre: Tyre) -> list[Placed]:
    """Other whole wheels near the target."""
    placed = []
    first = seed // GROUP * GROUP
    for number in range(int(rng.choice([0, 1, 2], p=[0.68, 0.22, 0.1]))):
        caster = _wheel(abs(first - (1 + number) * GROUP))  # made a moment ago, most likely
        other = caster.renderable
        assert isinstance(other, Tyre)
        away = 0.5 * (tyre.diameter + other.diameter) + rng.exponential(0.15)
        if rng.random() < 0.5:  # beside, on the same axle's height or not, or before and behind
            shift = np.array([rng.choice([-1, 1]) * away, 0.0, rng.normal(0, 0.4)])
        else:
            gap = 0.5 * (tyre.width + other.width) + 0.01 + rng.exponential(0.1)
            shift = np.array([rng.normal(0, 0.25), 0.0, rng.choice([-1, 1]) * gap])
            if layout.wall:
                shift[2] = abs(shift[2])
        centre = layout.pose.translation * np.array([1.0, 0.0, 1.0]) + shift
        centre[1] = other.diameter / 2
        turn = props.yawed(rng.normal(0, 0.15)) @ spun(rng.uniform(0, 2 * math.pi))
        if rng.random() < 0.25:
            turn = turn @ np.diag([-1.0, 1.0, -1.0])
        placed.append(Placed(_dressed(caster, rng), Similarity(1.0, turn, centre)))
    return placed


def main() -> None:
    """Write a contact sheet of labelled views."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--size", type=int, nargs=2, default=(384, 288), metavar=("W", "H"))
    a = parser.parse_args()
    shown = []
    for seed in range(a.first, a.first + a.count):
        view = labelled_view(seed, tuple(a.size))
        colours = np.array([[0, 0, 0], [70, 130, 230], [240, 170, 40]], dtype=np.uint8)
        over = cv2.addWeighted(view.image, 0.35, colours[view.parts], 0.65, 0.0)
        shown.append(np.hstack([view.image, np.asarray(over, dtype=np.uint8)])[..., ::-1])
    write_image(a.out, contact_sheet(shown, [str(a.first + k) for k in range(a.count)], columns=4))


if __name__ == "__main__":
    main()
