"""Which films are tried, and what is told of them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flows.try_verdict import Source, plan, report
from tasks.evaluation.spoiled import DEFECTS, SOUND
from tasks.geometry.camera import look_at
from tasks.synthetic.scenes.truth import VideoTruth


def test_ten_videos_make_twenty_sound_and_twenty_spoiled_films() -> None:
    names = [f"film {n}" for n in range(10)]
    films = plan([*SOUND, *DEFECTS], names, each=2)
    kinds = Counter(kind for kind, _ in films)
    assert len(films) == len(set(films)) == 40
    assert kinds["as filmed"] == 10
    assert all(2 <= kinds[kind] <= 3 for kind in SOUND if kind != "as filmed")
    assert sum(kinds[kind] for kind in DEFECTS) == 20
    assert [kind for kind in DEFECTS if kinds[kind] == 2] == list(DEFECTS)[:5]


def test_all_sound_kinds_of_a_video_unless_fewer_are_asked_for() -> None:
    assert len(plan(list(SOUND), ["a", "b"])) == 2 * len(SOUND)
    assert plan(["as filmed"], ["a", "b"]) == [("as filmed", "a"), ("as filmed", "b")]


def result(verdict: str, right: bool, **scores: Any) -> dict[str, Any]:
    return {
        "film": "a", "kind": "as filmed", "verdict": verdict, "codes": [], "right": right,
        "named": None, "scores": scores,
    }  # fmt: skip


@pytest.mark.parametrize(("chamfer", "passed_beyond"), [(2.4, 0), (2.6, 1)])
def test_a_mesh_that_is_off_and_passes_is_counted(chamfer: float, passed_beyond: int) -> None:
    scores = {"rotation_deg": 0.25, "chamfer": chamfer, "seen_chamfer": 1.0}
    told = report([result("pass", True, **scores), result("review", False, **scores)])
    assert f"| 0.25 | {chamfer:.2f}, 1.00 | yes |" in told
    assert f"1 of 2 right; the right reason for 0 kinds; {passed_beyond} passed beyond" in told


def test_cameras_follow_the_frames_that_a_film_kept(tmp_path: Path) -> None:
    cameras = tuple(
        look_at(np.array([np.sin(k), 0.2, np.cos(k)]), np.zeros(3), focal_px=90, width=8, height=6)
        for k in range(6)
    )
    truth = VideoTruth(1, "orbit", "yard", 15.0, 0.7, 0.2, cameras)
    source = Source([np.zeros((6, 8, 4), np.uint8)] * 4, (0, 2, 3, 5), truth)
    kept = [cameras[n] for n in (0, 2, 3, 5)]
    assert source.cameras("zoom") == kept
    assert source.cameras("the other way round") == kept[::-1]
    assert source.cameras("mirrored") == [*kept[:2], None, None]
    assert Source(source.film, source.numbers, None).cameras("zoom") == [None] * 4
