"""How long jobs still take, from what earlier ones took."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from configs.progress import SHARES, share_before
from deployments.api.remaining_time import medians_of, seconds_left
from deployments.api.settings import ApiSettings
from tests.deployments.api.service import TOKEN, client_of
from tests.deployments.api.stand_in import Prefect

SECONDS = {name: 10.0 * (n + 1) for n, name in enumerate(SHARES)}
ALL = sum(SECONDS.values())
*_, LAST = SHARES
FROM_INFER = [*SECONDS.values()][list(SHARES).index("infer") :]


def task(stage: str, seconds: float, state: str = "Completed") -> dict[str, Any]:
    return {"name": f"{stage}-my-tyre", "state_name": state, "total_run_time": seconds}


def test_medians_count_what_was_done_not_what_was_cached() -> None:
    runs = [task("merge", s) for s in (1.0, 3.0, 100.0)]
    runs += [task("merge", 0.01, "Cached"), task("infer", 7.0), task("something", 5.0)]
    assert medians_of(runs) == {"merge": 3.0, "infer": 7.0}


def test_no_stage_takes_less_than_nothing_where_a_clock_was_set_back() -> None:
    assert medians_of([task("merge", -3600.0)]) == {"merge": 0.0}


@pytest.mark.parametrize(
    ("stage", "progress", "left"),
    [
        (None, 0.0, ALL),
        ("extract", 0.0, ALL),
        ("extract", SHARES["extract"] / 2, ALL - 5.0),
        ("infer", share_before("infer"), sum(FROM_INFER)),
        (LAST, 1.0, 0.0),
        (LAST, 0.0, SECONDS[LAST]),
        ("done", 1.0, 0.0),
    ],
)
def test_what_is_left(stage: str | None, progress: float, left: float) -> None:
    assert seconds_left(stage, progress, SECONDS) == round(left)
    assert seconds_left(stage, progress, {}) is None


def test_a_job_tells_what_is_left_by_jobs_of_its_preset(tmp_path: Path) -> None:
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    (tmp_path / "in" / "tyre.mp4").write_bytes(b"x")
    roots = {"input_roots": [tmp_path / "in"], "output_roots": [tmp_path / "out"]}
    settings = ApiSettings.model_validate({"token": TOKEN, "poll_s": 0.05, **roots})
    prefect = Prefect()

    async def started(api: httpx.AsyncClient, name: str, preset: str) -> str:
        place = {"output_glb_path": str(tmp_path / "out" / f"{name}.glb")}
        video = {"video": str(tmp_path / "in" / "tyre.mp4"), "preset": preset}
        return str((await api.post("/reconstruct", json=video | place)).json()["job_id"])

    async def ask() -> None:
        async for api in client_of(prefect, settings):
            for name, preset, factor in (("a", "fast", 1.0), ("b", "high", 10.0)):
                job = await started(api, name, preset)
                prefect.set(job, "COMPLETED")
                prefect.tasks[job] = [task(s, factor * seconds) for s, seconds in SECONDS.items()]
            for preset, factor in (("fast", 1.0), ("high", 10.0)):
                job = await started(api, preset, preset)
                path = f"/reconstruct/status/{job}"
                assert (await api.get(path)).json()["eta_s"] is None
                prefect.set(job, "RUNNING")
                prefect.progress[job] = (100.0 * share_before(LAST), LAST)
                await asyncio.sleep(0.06)
                told = (await api.get(path)).json()
                assert told["eta_s"] == round(factor * SECONDS[LAST])

    asyncio.run(ask())
