"""Films of pairs are taken as they are as long as they are of the pair that is asked for."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from configs.evaluation import PAIR_KINDS, PairsRequest
from tasks.evaluation import pair_films
from tasks.evaluation.pair_films import film_pair, pairs_of
from tasks.geometry.camera import look_at
from tasks.synthetic.scenes.truth import VideoTruth, truth_path
from tasks.synthetic.tyres.pair_truth import truth_of_pair
from tasks.synthetic.tyres.pairs import PAIR_TEST_SEEDS, PAIR_VALIDATION_SEEDS


def test_kinds_keep_their_seeds_whatever_else_is_asked_for(tmp_path: Path) -> None:
    whole = pairs_of(PairsRequest(split="validation", first=100, count=2, out=tmp_path))
    assert len({p.seed for p in whole}) == len(whole) == 2 * len(PAIR_KINDS)
    assert all(p.seed in PAIR_VALIDATION_SEEDS for p in whole)
    some = pairs_of(
        PairsRequest(split="validation", first=100, count=1, kinds="bulge,null", out=tmp_path)
    )
    assert [p.seed for p in some] == [
        next(p.seed for p in whole if p.kind == kind) for kind in ("bulge", "null")
    ]
    assert pairs_of(PairsRequest(count=1, kinds=("null",)))[0].seed == PAIR_TEST_SEEDS[0]
    with pytest.raises(ValueError, match="there are 83 pairs"):
        pairs_of(PairsRequest(count=84))


def test_unknown_kinds_are_refused() -> None:
    assert PairsRequest(kinds="cuts+bulge").kinds == ("cuts+bulge",)
    with pytest.raises(ValidationError, match="no kind of pair: rust"):
        PairsRequest(kinds="null,cuts+rust")


def test_a_film_is_made_once_and_again_when_its_pair_or_its_size_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []

    def make_video(
        seed: int, path: Path, *, num_frames: int, size: tuple[int, int], wheel: object
    ) -> None:
        made.append(seed)
        camera = look_at(
            np.array([0, 0, 2.0]), np.zeros(3), focal_px=9, width=size[0], height=size[1]
        )
        path.write_bytes(b"frames")
        truth = VideoTruth(seed, "orbit", "yard", 15.0, 0.7, 0.2, (camera,) * num_frames)
        truth_path(path).write_text(json.dumps(truth.to_dict()))

    monkeypatch.setattr(pair_films, "make_orbit_video", make_video)
    monkeypatch.setattr(pair_films, "build_tyre", lambda spec, detail: spec)
    request = PairsRequest(
        split="validation", first=100, count=1, kinds=("even",), frames=3, out=tmp_path
    )
    [pair] = pairs_of(request)
    video = film_pair(pair, "new", request)
    assert video == tmp_path / "videos" / f"even-{pair.seed}.new.mp4"
    assert film_pair(pair, "new", request) == video
    assert made == [pair.film_seed("new")]
    film_pair(pair, "damaged", request)
    assert made == [pair.film_seed("new"), pair.film_seed("damaged")]
    film_pair(pair, "new", request.model_copy(update={"width": 1280, "height": 720}))
    assert len(made) == 3
    known = tmp_path / "videos" / f"even-{pair.seed}.damaged.pair.json"
    known.write_text(known.read_text().replace(truth_of_pair(pair).specs, "of another look"))
    film_pair(pair, "damaged", request)
    assert len(made) == 4
