"""Figures for Prometheus."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from tests.deployments.api.service import Use
from tests.deployments.api.stand_in import Prefect


def test_figures_for_prometheus(
    use: Callable[[Use], None], prefect: Prefect, body: dict[str, Any], tmp_path: Path
) -> None:
    async def test(api: httpx.AsyncClient) -> None:
        ends = {
            "COMPLETED": "",
            "CRASHED": "exit code -9",
            "FAILED": "InputError: [video-empty] extract: v. Copy it",
            "SCHEDULED": "",
        }
        for state, message in ends.items():
            place = {"output_glb_path": str(tmp_path / "out" / f"{state}.glb")}
            job = (await api.post("/reconstruct", json=body | place)).json()["job_id"]
            prefect.set(job, state, message)
        task = {"name": "merge-tyre", "state_name": "Completed", "total_run_time": 2.0}
        cached = {"name": "infer-tyre", "state_name": "Cached", "total_run_time": 0.01}
        prefect.tasks[job] = [task] * 300 + [cached] * 5
        sides = {"new": body["video"], "damaged": body["video"]}
        place = {"output_dir": str(tmp_path / "out"), "name": "compared"}
        compared = (await api.post("/compare", json=sides | place)).json()["job_id"]
        prefect.set(compared, "FAILED", "InputError: [video-empty] extract: v. Copy it")
        answer = await api.get("/metrics")
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        lines = [x for x in answer.text.splitlines() if not x.startswith("#")]
        told = {name: float(value) for name, value in (x.rsplit(" ", 1) for x in lines)}
        assert told['tyre3d_jobs{state="scheduled"}'] == 1
        assert told['tyre3d_jobs{state="running"}'] == 0
        assert told['tyre3d_jobs_ended_1d{state="completed"}'] == 1
        assert told['tyre3d_failures_1d{code="crashed"}'] == 1
        assert told['tyre3d_jobs_ended_1d{state="failed"}'] == 2
        assert told['tyre3d_failures_1d{code="video-empty"}'] == 2
        assert told["tyre3d_queue_age_seconds"] > 0
        assert told['tyre3d_stage_seconds_1d{stage="merge"}'] == 2
        assert 'tyre3d_stage_seconds_1d{stage="infer"}' not in told
        assert told['tyre3d_stage_runs_1d{stage="merge",state="completed"}'] == 300
        assert told['tyre3d_stage_runs_1d{stage="infer",state="cached"}'] == 5
        for place in ("input:0", "output:0"):
            free = told[f'tyre3d_disk_free_bytes{{place="{place}"}}']
            assert 0 < free <= told[f'tyre3d_disk_bytes{{place="{place}"}}']
        del api.headers["Authorization"]
        assert (await api.get("/metrics")).status_code == 401

    use(test)
