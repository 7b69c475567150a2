"""How long is left, at times that are given."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from configs.progress import SHARES, USUAL_S, WAYS
from configs.request import MeshOptions
from flows.support.stage_times import Pace, kind_of, remember, remembered


def test_the_time_left_is_that_of_earlier_runs_and_follows_the_pace_of_this_one() -> None:
    expected = {stage: 10.0 for stage in SHARES}
    pace = Pace(expected)
    pace.begin("extract", 100.0)
    assert pace.left_s(100.0) == pytest.approx(120.0)
    pace.begin("inspect", 110.0)
    assert pace.left_s(110.0) == pytest.approx(110.0)
    assert pace.share(110.0) == pytest.approx(1 / 12)
    pace.step(1, 2, 115.0)
    assert pace.left_s(115.0) == pytest.approx(105.0)
    pace.begin("remove-backgrounds", 170.0)  # six times as long as before
    left = pace.left_s(170.0)
    assert left is not None
    assert 150 < left < 300
    found = Pace(expected)
    found.begin("extract", 0.0)
    found.begin("inspect", 0.1)  # it was there already: that tells nothing of the pace
    assert found.left_s(0.1) == pytest.approx(110.0)
    assert Pace({}).left_s(1.0) is None


def test_the_pace_is_remembered_and_damage_forgotten(tmp_path: Path) -> None:
    def run(seconds: float, state: str = "Completed") -> None:
        stages = [{"stage": s, "state": state, "seconds": seconds} for s in SHARES]
        remember(tmp_path, "fast", stages)

    assert remembered(tmp_path, "fast") == {}
    for seconds in (9.0, 1.0, 2.0, 3.0, 4.0, 5.0):
        run(seconds)
    run(0.01, "Cached")
    assert remembered(tmp_path, "fast") == dict.fromkeys(SHARES, 3.0)
    assert remembered(tmp_path, "high") == {}
    for text in ('{"fast": 1}', '{"fast": {"extract": "x"}}', "[", "[]"):
        (tmp_path / "pace.json").write_text(text)
        assert remembered(tmp_path, "fast") == {}
        run(1.0)
        assert remembered(tmp_path, "fast") == dict.fromkeys(SHARES, 1.0)
    remember(tmp_path / "gone", "fast", [{"stage": "extract", "state": "Completed", "seconds": 1}])


def test_a_stage_that_tries_another_way_takes_longer() -> None:
    expected = {stage: 10.0 for stage in SHARES}
    pace = Pace(expected)
    pace.begin("estimate-poses", 0.0)
    rest = 10.0 * (len(SHARES) - list(SHARES).index("estimate-poses") - 1)
    assert pace.left_s(0.0) == pytest.approx(10.0 + rest)
    assert pace.left_s(18.0) == pytest.approx(2.0 + rest), "what takes longer is not done at once"
    pace.step(1, 0, 20.0)
    ways = WAYS["estimate-poses"]
    second = 20.0 * ways[1]
    assert pace.left_s(20.0) == pytest.approx(second + rest)
    assert pace.left_s(30.0) == pytest.approx(second - 10.0 + rest)
    pace.step(2, 0, 50.0)
    assert pace.left_s(50.0) == pytest.approx(50.0 * ways[2] / sum(ways[:2]) + rest)
    pace.begin("rectify", 90.0)  # the rest follows no pace of a film that was hard to find
    assert pace.left_s(90.0) == pytest.approx(rest)


def test_runs_of_another_length_are_told_apart() -> None:
    assert kind_of(MeshOptions()) == "8 frames at 256"
    assert kind_of(MeshOptions(preset="high", num_frames=9)) == "9 frames at 512"


def test_what_is_done_never_goes_back_while_a_stage_takes_its_time() -> None:
    pace = Pace(dict.fromkeys(SHARES, 10.0))
    pace.begin("extract", 0.0)
    shares = [pace.share(float(now)) for now in range(0, 60)]
    assert shares == sorted(shares)
    assert shares[-1] < 1 / 12, "it has not ended"
    pace.begin("inspect", 60.0)
    assert pace.share(60.0) == pytest.approx(1 / 12)
    pace.step(3, 2, 61.0)
    assert pace.share(61.0) == pytest.approx(2 / 12), "more steps than there are are no more"
    assert Pace({}).share(1.0) == 0.0


@pytest.mark.parametrize("slower", [0.5, 1.0, 4.0])
def test_the_first_run_moves_however_long_its_poses_take(slower: float) -> None:
    pace, now = Pace({}), 0.0
    for stage in ("extract", "inspect", "remove-backgrounds"):
        pace.begin(stage, now)
        now += slower * USUAL_S * SHARES[stage]
    pace.begin("estimate-poses", now)
    before, after = (sum(list(SHARES.values())[:count]) for count in (3, 4))
    meant = slower * USUAL_S * SHARES["estimate-poses"]
    assert pace.share(now) == pytest.approx(before)
    half = (pace.share(now + meant / 2) - before) / (after - before)
    assert half == pytest.approx(0.5, abs=0.2), "as the stages before it tell"
    shares = []
    for way in range(4):
        pace.step(way, 0, now)
        for _ in range(10):
            now += 2.0 * meant / 10  # twice what it should take, each way
            shares.append(pace.share(now))
    moved = [b - a for a, b in pairwise(shares)]
    assert min(moved) > 0.0, "it never stands still"
    assert shares[-1] < after
    assert pace.left_s(now) is None, "no earlier run tells"


def test_the_first_run_takes_nothing_that_was_found_for_the_pace() -> None:
    pace = Pace({})
    for place, stage in enumerate(("extract", "inspect", "remove-backgrounds", "estimate-poses")):
        pace.begin(stage, 0.05 * place)
    share = pace.share_of_stage(0.15 + USUAL_S * SHARES["estimate-poses"] / 2)
    assert share == pytest.approx(0.5)
