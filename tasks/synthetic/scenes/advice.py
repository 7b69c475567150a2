"""How to film a tyre, in pairs of images: what is right on the left, what is wrong on the right.

``python -m tasks.synthetic.scenes.advice docs/filming`` makes those of the README.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from tasks.geometry.similarity import Similarity
from tasks.imaging.images import Image, write_image
from tasks.synthetic.scenes.capture_film import film_take
from tasks.synthetic.scenes.captures import Capture, Phone, plan_take
from tasks.synthetic.scenes.film_set import Placed
from tasks.synthetic.scenes.layouts import Measures
from tasks.synthetic.scenes.raycast import RenderableCaster
from tasks.synthetic.tyres.tyre import build_tyre, sample_spec

_SEED = 7
_SIZE = (640, 360)
_FRAMES = 8
_TILE_PX = (360, 202)
_RIGHT, _WRONG = (80, 160, 40), (50, 50, 210)  # BGR
_TICK, _CROSS = [[(18, 27), (24, 33), (35, 19)]], [[(19, 19), (33, 33)], [(33, 19), (19, 33)]]
_QUALITY = 78


def film(capture: Capture, seed: int = _SEED) -> list[Image]:
    """The frames of a capture by a steady phone, ``(H, W, 3)`` BGR."""
    wheel = build_tyre(sample_spec(seed))
    rng = np.random.default_rng([seed, 41])
    other = Placed(
        RenderableCaster(build_tyre(sample_spec(seed + 1), detail=0.5), 8),
        Similarity(1.0, np.eye(3), np.zeros(3)),
    )
    phone = Phone(fov_deg=62.0, lens=(0.0, 0.0), exposure_drift=0.0, blurred=0.0)
    take = plan_take(
        capture,
        rng,
        Measures.of(wheel),
        size=_SIZE,
        num_frames=_FRAMES,
        phone=phone,
        others=(other, other, other),
    )
    frames = film_take(wheel, take, rng, num_frames=_FRAMES)
    return [np.ascontiguousarray(frame.image[..., ::-1]) for frame in frames]


def pairs() -> dict[str, tuple[Image, Image]]:
    """What is right and what is wrong, by name."""
    walk, stack = film("stand"), film("stack")
    good = walk[2]
    height, width = good.shape[:2]
    cut = good[: height // 2, width // 2 :]
    smear = np.zeros((25, 25), np.float32)
    cv2.line(smear, (0, 16), (24, 8), 1.0)
    return {
        "walk": (_strip(walk[::2]), _strip([good] * 4)),
        "whole": (good, cut),
        "light": (good, (good * 0.13).astype(np.uint8)),
        "sharp": (good, cv2.filter2D(good, -1, smear / smear.sum()).astype(np.uint8)),
        "alone": (good, stack[0]),
    }


def _strip(frames: Sequence[Image]) -> Image:
    """Four frames as one image, two by two."""
    half = [
        cv2.resize(f, (_SIZE[0] // 2, _SIZE[1] // 2), interpolation=cv2.INTER_AREA) for f in frames
    ]
    return np.vstack([np.hstack(half[:2]), np.hstack(half[2:])])


def side_by_side(right: Image, wrong: Image) -> Image:
    """A pair as one image, each in a frame of its colour and with its sign."""
    tiles = []
    for image, colour, is_right in ((right, _RIGHT, True), (wrong, _WRONG, False)):
        tile = cv2.resize(image, _TILE_PX, interpolation=cv2.INTER_AREA)
        cv2.rectangle(tile, (0, 0), (_TILE_PX[0] - 1, _TILE_PX[1] - 1), colour, 5)
        cv2.circle(tile, (26, 26), 17, colour, cv2.FILLED, cv2.LINE_AA)
        sign = (
            [[(18, 27), (24, 33), (35, 19)]]
            if is_right
            else [[(19, 19), (33, 33)], [(33, 19), (19, 33)]]
        )
        for line in sign:
            cv2.polylines(tile, [np.array(line, np.int32)], False, (255, 255, 255), 3, cv2.LINE_AA)
        tiles.append(tile)
    gap = np.full((_TILE_PX[1], 8, 3), 255, np.uint8)
    return np.hstack([tiles[0], gap, tiles[1]])


def main() -> None:
    """Write the images."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="folder of the pictures")
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    for name, (right, wrong) in pairs().items():
        example = side_by_side(right, wrong)
        write_image(out / f"{name}.jpg", example, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])


if __name__ == "__main__":
    main()
