"""The verdict follows from the worst reason, and a judgement survives its record."""

from __future__ import annotations

import json

from configs.stages import Limits
from tasks.verdict.record import Judgement, Reason, verdict_of, worst_first

LIGHT = Reason("film-dark", "review", "it is dark", "Switch on light")
HEAVY = Reason("not-a-tyre", "fail", "it is a box", "Film a tyre")


def test_the_worst_reason_decides() -> None:
    assert verdict_of([]) == "pass"
    assert verdict_of([LIGHT]) == "review"
    assert verdict_of([LIGHT, HEAVY, LIGHT]) == "fail"
    assert worst_first([LIGHT, HEAVY]) == (HEAVY, LIGHT)


def test_a_judgement_survives_its_record() -> None:
    judgement = Judgement((HEAVY, LIGHT), {"width_ratio": 0.9}, ("film it again",))
    again = Judgement.from_dict(json.loads(json.dumps(judgement.to_dict())))
    assert again == judgement
    assert judgement.to_dict()["verdict"] == "fail"


def test_limits_in_both_directions() -> None:
    low, high = Limits(review=0.9, fail=0.8), Limits(review=1.0, fail=5.0)
    assert [low.level(v) for v in (0.95, 0.9, 0.85, 0.8, 0.1)] == [
        None,
        "review",
        "review",
        "fail",
        "fail",
    ]
    assert [high.level(v) for v in (0.5, 1.0, 4.9, 5.0)] == [None, "review", "review", "fail"]
    assert low.level(float("nan")) is None
