"""The verdict follows from the worst reason, and a judgement survives its record."""

from __future__ import annotations

import json

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
