"""Training data of the segmenter: generated tyres alone, their parts, and empty rooms.

A shard is a folder of ``.npy`` files, published by renaming it once complete, so that a trainer can
read what exists while others are made:

- ``rgba`` ``(N, S, S, 4)`` uint8: tyres cut out, sRGB with straight alpha;
- ``parts`` ``(N, S, S)`` uint8: :data:`BACKGROUND`, :data:`RUBBER` or :data:`RIM`; an opening of a
  rim is background;
- ``rooms`` ``(M, S, S, 3)`` uint8: backgrounds.

:mod:`tasks.training.segmentation.compose` puts them together anew for every step: a scene rendered
as a whole costs a hundred times as much and is seen once.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.geometry.crop import camera_of_crop, crop_of_box
from tasks.imaging.masks import foreground
from tasks.matting.parts import BACKGROUND, RIM, RUBBER
from tasks.synthetic.datasets.dataset import sample_view_camera
from tasks.synthetic.datasets.shards import make_missing_shards, publish_shard
from tasks.synthetic.scenes import textures
from tasks.synthetic.scenes.raycast import RenderableCaster
from tasks.synthetic.scenes.render import render_view, sample_look
from tasks.synthetic.tyres.random_wheels import build_varied_tyre
from tasks.synthetic.tyres.spec import TRAIN_SEEDS, Part
from tasks.synthetic.tyres.tyre import Tyre

FIRST_SEED = TRAIN_SEEDS[800_000]
"""Neither of the other two networks was trained on these tyres."""

SIDE_PX = 288
"""Side of a cut-out, pixels."""

TYRES, VIEWS, ROOMS = 8, 5, 10
"""Tyres of a shard, views of each, and rooms."""

PREFIX = "cutouts-"
ARRAYS = ("rgba", "parts", "rooms")

_FILL = 0.96
"""Share of a cut-out's side that the tyre spans."""
_DETAIL = 0.5
_OCCLUSION_RAYS = 10
"""As for the views of the reconstruction network: enough for images of this size."""

Image = NDArray[np.uint8]


def cut_out(
    tyre: Tyre, caster: RenderableCaster, rng: np.random.Generator, side: int = SIDE_PX
) -> tuple[Image, Image]:
    """One view of a tyre alone.

    Args:
        tyre: The tyre.
        caster: Rays against it.
        rng: Source of camera and light.
        side: Side of the image, pixels.

    Returns:
        ``(S, S, 4)`` sRGB with straight alpha and ``(S, S)`` parts.
    """
    camera = sample_view_camera(rng, tyre.diameter, side)
    uv = camera.project(tyre.vertices.astype(np.float64))[:, :2]
    (x0, y0), (x1, y1) = uv.min(axis=0), uv.max(axis=0)
    crop = crop_of_box(x0, y0, x1, y1, _FILL)
    view = render_view(caster, camera_of_crop(camera, crop, side), sample_look(rng))
    return view.rgba, parts_of(tyre, view.face_index, view.rgba[..., 3])


def parts_of(tyre: Tyre, face_index: NDArray[np.int32], alpha: Image) -> Image:
    """Part in every pixel, from the face seen there and the share that the tyre covers.

    Args:
        tyre: The tyre.
        face_index: ``(H, W)``, -1 off the tyre.
        alpha: ``(H, W)``; below a half the pixel is background.
    """
    part = np.where(tyre.part < Part.RIM, RUBBER, RIM).astype(np.uint8)
    return np.where((face_index >= 0) & foreground(alpha), part[face_index], BACKGROUND)


def room(rng: np.random.Generator, side: int = SIDE_PX) -> Image:
    """A floor in perspective before a wall, or one surface seen from above; ``(S, S, 3)``."""
    kind = rng.random()
    if kind < 0.12:
        return textures.plain(rng, side)
    floor = textures.floor(rng, str(rng.choice(list(textures.FLOORS))), 2 * side)
    if kind < 0.3:
        return _seen(floor, rng, side, horizon=-rng.uniform(0.5, 3.0))
    horizon = float(rng.uniform(0.1, 0.65))
    image = _seen(floor, rng, side, horizon)
    if kind < 0.45:
        behind = textures.plain(rng, side)
    elif kind < 0.65:
        behind = textures.facade(rng, side, 2 * side)[:, :side]
    else:
        behind = textures.wall(rng, side, 2 * side)[:, :side]
    edge = int(horizon * side)
    height = int(side * rng.uniform(0.5, 1.0))
    image[:edge] = cv2.resize(behind[-height:], (side, side))[side - edge :]
    for _ in range(int(rng.integers(0, 4))):
        _stand_crate(image, edge, rng)
    return image


def _seen(floor: Image, rng: np.random.Generator, side: int, horizon: float) -> Image:
    """A floor from eye height; the horizon lies at that share of the height."""
    near, depth = rng.uniform(0.3, 1.0, 2) * floor.shape[0]
    squeeze = float(np.clip((1.0 - horizon) / (1.2 - horizon), 0.05, 0.95))
    corners = np.array([[0, 0], [near, 0], [near, depth], [0, depth]], np.float32)
    inset = 0.5 * side * (squeeze if horizon >= 0 else 0.5 / (1 - horizon))
    top = max(horizon, 0.0) * side
    seen = [[inset, top], [side - inset, top], [1.5 * side, side], [-0.5 * side, side]]
    matrix = cv2.getPerspectiveTransform(corners, np.array(seen, np.float32))
    return np.asarray(
        cv2.warpPerspective(
            floor, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
        ),
        np.uint8,
    )


def _stand_crate(image: Image, edge: int, rng: np.random.Generator) -> None:
    """Put a box on the floor near the wall, in place."""
    side = len(image)
    crate = textures.crate(rng, 96)
    height, width = (rng.uniform(0.1, 0.5, 2) * side).astype(int)
    foot = int(np.clip(edge + rng.uniform(0.0, 0.35) * side, height, side))
    left = int(rng.uniform(0.0, side - width))
    image[foot - height : foot, left : left + width] = cv2.resize(crate, (int(width), int(height)))


def write_shard(folder: Path, seeds: Sequence[int], views: int = VIEWS, rooms: int = ROOMS) -> None:
    """Make one shard; a shard that exists is left alone.

    Args:
        folder: The shard.
        seeds: Tyres in it; the same seeds give the same shard.
        views: Views of each tyre.
        rooms: Number of backgrounds.
    """

    def make() -> dict[str, Image]:
        made = []
        for seed in seeds:
            tyre = build_varied_tyre(seed, np.random.default_rng([seed, 11]), _DETAIL)
            caster = RenderableCaster(tyre, occlusion_rays=_OCCLUSION_RAYS)
            rng = np.random.default_rng([seed, 21])
            made += [cut_out(tyre, caster, rng) for _ in range(views)]
        rng = np.random.default_rng([seeds[0], 22])
        return {
            "rgba": np.stack([rgba for rgba, _ in made]),
            "parts": np.stack([parts for _, parts in made]),
            "rooms": np.stack([room(rng) for _ in range(rooms)]),
        }

    publish_shard(folder, make)


def main() -> None:
    """Make the shards that are missing: ``python -m tasks.training.segmentation.cutouts DIR``."""
    seeds = range(FIRST_SEED, FIRST_SEED + TYRES)
    make_missing_shards(main.__doc__, PREFIX, seeds, write_shard)


if __name__ == "__main__":
    main()
