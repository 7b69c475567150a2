"""Figures for Prometheus."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from deployments.api import app
from flows.support.machine import DISK_LOW, MACHINE
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


def test_machines_tell_of_their_disks_and_gpus(
    use: Callable[[Use], None], prefect: Prefect
) -> None:
    gpu = {"index": "0", "name": "NVIDIA H200", "used": 0.4, "memory_used": 2**30}
    about = [
        ("a", {"home": {"free": 1, "total": 9}}, [gpu]),
        ("b", {"home": {"free": 5, "total": 9}}, []),
        ("a", {"home": {"free": 2, "total": 9}}, [{**gpu, "used": 0.5}]),
    ]
    prefect.events = [
        {"event": MACHINE, "payload": {"machine": machine, "disks": disks, "gpus": gpus}}
        for machine, disks, gpus in about
    ]

    async def test(api: httpx.AsyncClient) -> None:
        text = (await api.get("/metrics")).text
        told = dict(x.rsplit(" ", 1) for x in text.splitlines() if not x.startswith("#"))
        free = "tyre3d_machine_disk_free_bytes"
        assert float(told[f'{free}{{machine="a",place="home"}}']) == 2
        assert float(told[f'{free}{{machine="b",place="home"}}']) == 5
        of = '{gpu="0",machine="a",name="NVIDIA H200"}'
        assert float(told[f"tyre3d_gpu_used_ratio{of}"]) == 0.5
        assert float(told[f"tyre3d_gpu_memory_used_bytes{of}"]) == 2**30
        assert "tyre3d_gpu_memory_bytes{" not in text  # the driver did not say

    use(test)


def test_the_service_tells_of_its_own_disks(
    use: Callable[[Use], None], prefect: Prefect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "EVERY_S", 0.01)
    monkeypatch.setenv("TYRE3D_DISK_LOW_GB", "1e6")
    prefect.ahead = timedelta(days=400)  # by whose clock it looks for them

    async def test(api: httpx.AsyncClient) -> None:
        service: Any = api._transport
        async with service.app.router.lifespan_context(service.app):
            while len(prefect.events) < 3:
                await asyncio.sleep(0.01)
        machine, *low = prefect.events[:3]
        assert machine["event"] == MACHINE
        ahead = datetime.fromisoformat(machine["occurred"]) - datetime.now(UTC)
        assert abs(ahead - prefect.ahead) < timedelta(minutes=10)
        assert set(machine["payload"]["disks"]) == {"input:0", "output:0"}
        assert {each["event"] for each in low} == {DISK_LOW}

    use(test)
