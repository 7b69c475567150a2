"""Films of the pairs of an evaluation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from configs.evaluation import PAIR_KINDS, PairsRequest
from tasks.evaluation.subjects import publish
from tasks.synthetic.scenes.truth import read_truth, truth_path
from tasks.synthetic.scenes.video import make_orbit_video
from tasks.synthetic.tyres.pair_truth import truth_of_pair, write_pair_truth
from tasks.synthetic.tyres.pairs import (
    DETAIL,
    PAIR_TEST_SEEDS,
    PAIR_VALIDATION_SEEDS,
    Pair,
    plan_pair,
)
from tasks.synthetic.tyres.tyre import build_tyre

Side = Literal["new", "damaged"]


def pairs_of(request: PairsRequest) -> list[Pair]:
    """The pairs of a request: every kind has seeds of its own, whatever other kinds are asked.

    Raises:
        ValueError: There are not so many seeds.
    """
    seeds = PAIR_TEST_SEEDS if request.split == "test" else PAIR_VALIDATION_SEEDS
    if request.first + request.count * len(PAIR_KINDS) > len(seeds):
        raise ValueError(f"there are {len(seeds) // len(PAIR_KINDS)} pairs of a kind")
    first = {kind: request.first + PAIR_KINDS.index(kind.split("+")[0]) for kind in request.kinds}
    return [
        plan_pair(seeds[first[kind] + n * len(PAIR_KINDS)], kind)
        for kind in request.kinds
        for n in range(request.count)
    ]


def film_pair(pair: Pair, side: Side, request: PairsRequest) -> Path:
    """The video of one tyre of a pair, its cameras and the pair's truth beside it.

    One that exists is taken as it is, unless the pair has changed.

    Returns:
        ``NAME.SIDE.mp4`` in the request's ``videos``.
    """
    folder = request.out / "videos"
    video, known = folder / f"{pair.name}.{side}.mp4", folder / f"{pair.name}.{side}.pair.json"
    truth = truth_of_pair(pair)
    size = (request.width, request.height)
    if truth_path(video).exists() and known.exists():
        cameras = read_truth(video).cameras
        found = (len(cameras), cameras[0].width, cameras[0].height)
        same = json.loads(known.read_text()) == json.loads(json.dumps(truth.to_dict()))
        if same and found == (request.frames, *size):
            return video
    folder.mkdir(parents=True, exist_ok=True)
    scratch = folder / f".{pair.name}.{side}.part.mp4"
    tyre = build_tyre(pair.new if side == "new" else pair.damaged, detail=DETAIL)
    make_orbit_video(
        pair.film_seed(side), scratch, num_frames=request.frames, size=size, wheel=tyre
    )
    known.unlink(missing_ok=True)
    publish(scratch, video)
    write_pair_truth(known, truth)
    return video
