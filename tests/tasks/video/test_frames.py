"""Candidate frames in their artifact and back, and positions evenly spread."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tasks.storage.artifacts import Artifact
from tasks.video.frames import Candidate, Frames, evenly


def test_evenly() -> None:
    assert evenly(3, 5) == [0, 1, 2]
    assert evenly(10, 5) == [1, 3, 5, 7, 9]
    assert len(set(evenly(49, 48))) == 48


@pytest.mark.parametrize("length", [1, 7, 48, 100])
@pytest.mark.parametrize("count", [1, 5, 48])
def test_as_many_lie_before_the_first_as_after_the_last(length: int, count: int) -> None:
    found = evenly(length, count)
    assert found == sorted(set(found))
    assert len(found) == min(length, count)
    assert abs(found[0] - (length - 1 - found[-1])) <= 1


@pytest.mark.parametrize("fov_deg", [None, 65.3])
def test_frames_come_back_as_they_were(fov_deg: float | None, tmp_path: Path) -> None:
    candidates = (
        Candidate(0, "frames/000000.jpg", 0.0, 640, 480, "0"),
        Candidate(1, "frames/000001.png", 1 / 3, 640, 480, "b.png", has_alpha=True),
    )
    before = Frames(tmp_path, candidates, ("two were left out",), fov_deg)
    record = json.loads(json.dumps(before.record()))
    after = Frames.read(Artifact(tmp_path, record, ()))
    assert after == before
    assert after.paths([1]) == {1: tmp_path / "frames/000001.png"}
    assert after.times_s([1, 0]) == {1: 1 / 3, 0: 0.0}
