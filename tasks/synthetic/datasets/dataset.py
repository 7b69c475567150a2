"""Training data for the bundled tyre model: views of generated tyres, points of known occupancy.

A shard is a folder of ``.npy`` files for ``T`` tyres with ``V`` views each, published by renaming
it once complete, so that a trainer can read what exists while a generator goes on:

- ``rgba`` ``(T, V, S, S, 4)`` uint8: the crop that the network sees, straight alpha;
- ``edges`` ``(T, V, 2, S, S)`` int8: how far from the mask's edge (``augment.edge_distances``);
- ``to_crop`` ``(T, V, 3, 4)`` float32: tyre frame to crop frame (:mod:`tasks.geometry.crop`);
- ``points`` ``(T, P, 3)`` float16 metres, ``inside`` ``(T, P)`` bool: occupancy of the exact
  solid; the first third uniform in a cube, the second in the bounding cylinder, the rest near the
  surface;
- ``surface`` ``(T, Q, 3)`` float16 metres, ``colour`` ``(T, Q, 3)`` uint8: albedo, encoded by
  ``COLOUR_GAMMA``.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from configs.training import ShardConfig
from tasks.geometry.camera import Camera, look_at
from tasks.geometry.crop import Crop, camera_of_crop, crop_of_box, world_to_crop_frame
from tasks.synthetic.datasets.augment import edge_distances
from tasks.synthetic.datasets.shards import publish_shard
from tasks.synthetic.scenes.raycast import RenderableCaster
from tasks.synthetic.scenes.render import render_view, sample_look
from tasks.synthetic.tyres.spec import TRAIN_SEEDS, VALIDATION_SEEDS
from tasks.synthetic.tyres.tyre import Tyre, build_tyre, sample_spec

ARRAYS = ("rgba", "edges", "to_crop", "points", "inside", "surface", "colour")
CUBE_HALF_SIDE = 0.75
"""Half side of the cube of uniform points, in diameters: a little more than the crop frame's."""

COLOUR_GAMMA = 2.2
"""Gamma of albedos; near sRGB, whose curve has a linear part; the bundled model learned this."""


def sample_view_camera(rng: np.random.Generator, diameter: float, size_px: int) -> Camera:
    """A camera round a tyre in the tyre frame: mostly a standing tyre, sometimes one that lies.

    Elevation, roll, distance (1.5 to 6 diameters, hence perspective) and aim vary as in videos.
    """
    spin = rng.uniform(0, 2 * np.pi)
    axle = np.array([0.0, 0.0, 1.0])
    if rng.random() < 0.88:
        up = np.array([np.sin(spin), np.cos(spin), 0.0])
        ahead = axle
        elevation = np.radians(np.clip(rng.normal(13.0, 13.0), -10.0, 60.0))
    else:
        up = axle if rng.random() < 0.5 else -axle
        ahead = np.array([np.sin(spin), np.cos(spin), 0.0])
        elevation = np.radians(rng.uniform(10.0, 85.0))
    side = np.cross(up, ahead)
    azimuth = rng.uniform(0, 2 * np.pi)
    direction = (
        np.cos(elevation) * (np.cos(azimuth) * ahead + np.sin(azimuth) * side)
        + np.sin(elevation) * up
    )
    distance = diameter * np.exp(rng.uniform(np.log(1.5), np.log(6.0)))
    target = rng.normal(0.0, 0.08, 3) * diameter
    return look_at(
        direction * distance,
        target,
        focal_px=size_px * distance / diameter,
        width=size_px,
        height=size_px,
        up=(float(up[0]), float(up[1]), float(up[2])),
        roll_rad=float(np.radians(rng.normal(0.0, 5.0))),
    )


def _occupancy_points(
    tyre: Tyre, count: int, rng: np.random.Generator
) -> tuple[NDArray[np.float16], NDArray[np.bool_]]:
    third = count // 3
    cube = rng.uniform(-1, 1, (third, 3)) * CUBE_HALF_SIDE * tyre.diameter
    radius = 0.54 * tyre.diameter * np.sqrt(rng.random(third))
    angle = rng.uniform(0, 2 * np.pi, third)
    height = rng.uniform(-0.6, 0.6, third) * tyre.width
    cylinder = np.stack([radius * np.cos(angle), radius * np.sin(angle), height], axis=1)
    near, _ = _surface_points(tyre, count - 2 * third, rng)
    sigma = tyre.diameter * np.where(rng.random((len(near), 1)) < 0.5, 0.008, 0.03)
    near = near + rng.normal(0.0, 1.0, near.shape) * sigma
    points = np.concatenate([cube, cylinder, near]).astype(np.float16)
    return points, tyre.contains(points.astype(np.float64))


def _surface_points(
    tyre: Tyre, count: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    corners = tyre.vertices[tyre.faces].astype(np.float64)
    area = np.linalg.norm(
        np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1
    )
    face = rng.choice(len(area), count, p=area / area.sum())
    u, v = rng.random((2, count, 1))
    flip = u + v > 1
    u, v = np.where(flip, 1 - u, u), np.where(flip, 1 - v, v)
    c = corners[face]
    return c[:, 0] * (1 - u - v) + c[:, 1] * u + c[:, 2] * v, face


def make_tyre_data(seed: int, config: ShardConfig) -> dict[str, NDArray[np.generic]]:
    """All arrays of one tyre (see the module's docstring, without the leading ``T``)."""
    rng = np.random.default_rng([seed, 7])
    tyre = build_tyre(sample_spec(seed), detail=config.detail)
    size = config.size_px
    caster = RenderableCaster(tyre, occlusion_rays=10)  # coarse shading is enough for small views
    rgba = np.empty((config.views, size, size, 4), np.uint8)
    to_crop = np.empty((config.views, 3, 4), np.float32)
    for k in range(config.views):
        camera = sample_view_camera(rng, tyre.diameter, size)
        uv = camera.project(tyre.vertices.astype(np.float64))[:, :2]
        crop = crop_of_box(*uv.min(axis=0), *uv.max(axis=0))
        crop = Crop(
            crop.cx + rng.normal(0, 0.012) * crop.side,
            crop.cy + rng.normal(0, 0.012) * crop.side,
            crop.side * np.exp(rng.normal(0, 0.025)),
        )
        similarity = world_to_crop_frame(camera, crop, np.zeros(3))
        to_crop[k, :, :3] = similarity.scale * similarity.rotation
        to_crop[k, :, 3] = similarity.translation
        rgba[k] = render_view(caster, camera_of_crop(camera, crop, size), sample_look(rng)).rgba
    points, inside = _occupancy_points(tyre, config.points, rng)
    surface, face = _surface_points(tyre, config.surface_points, rng)
    albedo = tyre.material(face, surface).albedo
    colour = np.clip(albedo, 0, 1) ** (1 / COLOUR_GAMMA) * 255
    return {
        "rgba": rgba,
        "edges": np.stack([edge_distances(view[..., 3]) for view in rgba]),
        "to_crop": to_crop,
        "points": points,
        "inside": inside,
        "surface": surface.astype(np.float16),
        "colour": np.round(colour).astype(np.uint8),
    }


def write_shard(folder: Path, seeds: Sequence[int], config: ShardConfig) -> None:
    """Make one shard; a shard that exists is left alone."""

    def make() -> dict[str, NDArray[Any]]:
        rows = [make_tyre_data(seed, config) for seed in seeds]
        return {name: np.stack([row[name] for row in rows]) for name in ARRAYS}

    publish_shard(folder, make)


def main() -> None:
    """Generate shards: ``python -m tasks.synthetic.datasets.dataset DIR --shards 100``."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--shards", type=int, default=100)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--tyres", type=int, default=32, help="tyres in a shard")
    parser.add_argument("--split", choices=("train", "validation"), default="train")
    parser.add_argument("--processes", type=int, default=1, help="shards made at the same time")
    args = parser.parse_args()
    seeds = TRAIN_SEEDS if args.split == "train" else VALIDATION_SEEDS
    jobs = [
        (
            os.getpid(),
            args.directory / f"{args.split}-{shard:05d}",
            seeds[shard * args.tyres : (shard + 1) * args.tyres],
        )
        for shard in range(args.first, args.first + args.shards)
    ]
    if args.processes == 1:
        for _, folder, chosen in jobs:
            write_shard(folder, chosen, ShardConfig())
    else:
        with multiprocessing.get_context("spawn").Pool(
            args.processes, cv2.setNumThreads, (1,)
        ) as pool:
            pool.starmap(_write_for, jobs, chunksize=1)


def _write_for(parent: int, folder: Path, seeds: Sequence[int]) -> None:
    """Make one shard in a process of a pool, unless whoever started the pool is gone."""
    if os.getppid() != parent:
        os._exit(1)  # the pool's queue still holds work
    write_shard(folder, seeds, ShardConfig())


if __name__ == "__main__":
    main()
