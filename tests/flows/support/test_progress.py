"""Progress in Prefect's UI: it moves by steps, and by time where a stage tells of none."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

import flows.support.progress
from configs.progress import SHARES, share_before
from flows.support.progress import RunProgress


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, str]]:
    """What is published, in percent; ``clock`` of the module is set by hand."""
    published: list[tuple[float, str]] = []

    def made(percent: float, description: str) -> UUID:
        published.append((percent, description))
        return UUID(int=1)

    def updated(_: Any, percent: float, description: str) -> None:
        published.append((percent, description))

    monkeypatch.setattr(flows.support.progress, "create_progress_artifact", made)
    monkeypatch.setattr(flows.support.progress, "update_progress_artifact", updated)
    return published


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets the clock."""

    def set_to(seconds: float) -> None:
        monkeypatch.setattr(flows.support.progress.time, "monotonic", lambda: seconds)

    set_to(100.0)
    return set_to


def test_a_stage_without_steps_moves_with_time(told: list[tuple[float, str]], at: Any) -> None:
    before, share = share_before("estimate-poses"), SHARES["estimate-poses"]
    progress = RunProgress(dict.fromkeys(SHARES, 60.0))
    progress.move()
    assert told == []
    progress("estimate-poses", 0, 0)
    assert told == [(round(100 * before, 1), "estimate-poses")]
    at(130.0)
    progress.move()
    assert told[-1][0] == pytest.approx(100 * (before + share / 2), abs=0.1)
    at(1000.0)  # longer than ever
    progress.move()
    assert 100 * (before + 0.9 * share) < told[-1][0] < 100 * (before + share)


def test_a_first_run_moves_by_its_own_pace_and_never_back(
    told: list[tuple[float, str]], at: Any
) -> None:
    progress = RunProgress({})
    progress("remove-backgrounds", 0, 10)
    at(150.0)
    progress("estimate-poses", 0, 0)
    at(160.0)
    progress.move()
    before, share = share_before("estimate-poses"), SHARES["estimate-poses"]
    meant = share / SHARES["remove-backgrounds"] * 50.0
    assert told[-1][0] == pytest.approx(100 * (before + share * 10 / meant), abs=0.3)
    at(170.0)
    progress("estimate-poses", 1, 1000)
    assert [p for p, _ in told] == sorted(p for p, _ in told)
