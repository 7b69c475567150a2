"""The card of what to film again, line by line."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from configs.stages import JudgeConfig
from tasks.poses.record import PoseEstimate
from tasks.verdict.coverage import way_of
from tasks.verdict.evidence import Evidence
from tasks.verdict.record import Reason
from tasks.verdict.retake import gap_line, retake_card
from tests.tasks.verdict.scene import estimate, orbit


def card(poses: PoseEstimate, *codes: str, **others: Any) -> tuple[str, ...]:
    evidence = replace(Evidence({}, way_of(poses), None, {}), **others)
    reasons = [Reason(code, "review", "found", f"Advice on {code}") for code in codes]
    return retake_card(evidence, poses, reasons, JudgeConfig())


def test_a_whole_film_without_reasons_has_an_empty_card() -> None:
    assert card(estimate(orbit(24))) == ()


def test_a_gap_is_told_in_steps_of_five_degrees_with_what_is_seen_from_there() -> None:
    poses = estimate(orbit(36))
    kept = {i: c for i, c in poses.cameras.items() if not 15 <= i <= 20}
    assert card(replace(poses, cameras=kept)) == (
        "film again between 140° and 210° round the tyre from the first frame: the inner face",
    )


def test_a_spin_is_turned_on_and_its_other_face_filmed() -> None:
    poses = replace(estimate(orbit(10, arc_deg=100.0)), motion="spin")
    first, second = card(poses, "inner-face-unseen")
    assert first == "film the inner face as well: turn the tyre or stand on its other side"
    assert second == "turn the tyre on between 90° and 360° from the first frame"


def test_faces_that_were_seen_too_aslant_are_filmed_from_nearer_their_axle() -> None:
    poses = estimate(orbit(24))
    assert card(poses, "outer-face-unseen", "inner-face-unseen") == (
        "film the outer face again, from nearer its axle",
        "film the inner face again, from nearer its axle",
    )
    assert card(poses, "tread-unseen") == ()


@pytest.mark.parametrize(
    ("hour", "what"),
    [(7, "what is at 7 o'clock beside the tyre"), (None, "what touches the tyre")],
)
def test_what_stands_beside_the_tyre_is_moved_away(hour: int | None, what: str) -> None:
    line = f"move {what} out of the picture"
    assert card(estimate(orbit(24)), "masks-hold-more", stray_hour=hour) == (line,)


def test_advice_of_the_film_follows_in_small_letters_each_once() -> None:
    poses = estimate(orbit(24))
    lines = card(poses, "photos-off", "film-dark", "film-dark", "scale-drifts")
    assert lines == ("advice on film-dark", "advice on scale-drifts")


def test_a_gap_may_run_past_the_first_frame() -> None:
    assert gap_line(342.4, 407.6, "tread", spins=False).startswith(
        "film again between 340° and 50° round"
    )
