"""A job tells of what it made itself, as long as that lies there unchanged."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from deployments.api.job_kinds import Comparisons, Kind, Reconstructions
from deployments.api.models import Judgement
from deployments.api.results import JobResults
from tasks.storage.base import storage_error
from tasks.storage.results import Results
from tests.deployments.api.service import Use, write_result_of
from tests.deployments.api.stand_in import Prefect

EARLIER = Path(__file__).parents[2] / "data" / "earlier"


def test_a_job_never_tells_the_figures_of_another(
    use: Callable[[Use], None], prefect: Prefect, body: dict[str, Any], tmp_path: Path
) -> None:
    async def test(api: httpx.AsyncClient) -> None:
        first = (await api.post("/reconstruct", json=body)).json()["job_id"]
        prefect.set(first, "COMPLETED")
        write_result_of(first, tmp_path)
        second = (await api.post("/reconstruct", json=body)).json()["job_id"]
        prefect.set(second, "COMPLETED")
        write_result_of(second, tmp_path, b"glTF of the second")
        await asyncio.sleep(0.06)

        told = (await api.get(f"/reconstruct/status/{first}")).json()
        assert told["result_is_there"] is False
        assert told["metadata"] == {"output_path": body["output_glb_path"]}
        gone = await api.get(f"/reconstruct/{first}/mesh.glb")
        assert (gone.status_code, gone.json()["code"]) == (410, "result-replaced")
        mesh = await api.get(f"/reconstruct/{second}/mesh.glb")
        assert mesh.content == b"glTF of the second"
        # the JSON of one run, the GLB of another
        (tmp_path / "out" / "tyre.glb").write_bytes(b"glTF of a third")
        assert (await api.get(f"/reconstruct/{second}/mesh.glb")).status_code == 410

    use(test)


def test_a_result_that_is_out_of_reach_is_not_called_replaced(
    use: Callable[[Use], None],
    prefect: Prefect,
    body: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is told to be gone for good nobody asks for again."""

    def away(*_: Any) -> None:
        raise storage_error("storage-failed", "S3 does not answer", "Try again")

    async def test(api: httpx.AsyncClient) -> None:
        job = (await api.post("/reconstruct", json=body)).json()["job_id"]
        prefect.set(job, "COMPLETED")
        write_result_of(job, tmp_path)
        path = f"/reconstruct/{job}/mesh.glb"
        (tmp_path / "out").rename(tmp_path / "unmounted")
        answer = await api.get(path)
        assert (answer.status_code, answer.json()["code"]) == (503, "storage-failed")
        assert int(answer.headers["Retry-After"]) > 0
        (tmp_path / "unmounted").rename(tmp_path / "out")
        assert (await api.get(path)).status_code == 200
        with monkeypatch.context() as patched:
            patched.setattr(Results, "read", away)
            assert (await api.get(path)).status_code == 503
        (tmp_path / "out" / "tyre.glb").unlink()
        assert (await api.get(path)).status_code == 410

    use(test)


@pytest.mark.parametrize("content", ["null", "[1]", "7", "{", '{"run_id": []}', "[" * 90_000])
def test_metadata_that_are_damaged_are_told_as_missing(
    use: Callable[[Use], None], prefect: Prefect, body: dict[str, Any], tmp_path: Path, content: str
) -> None:
    async def test(api: httpx.AsyncClient) -> None:
        job = (await api.post("/reconstruct", json=body)).json()["job_id"]
        prefect.set(job, "COMPLETED")
        (tmp_path / "out" / "tyre.json").write_text(content)
        told = (await api.get(f"/reconstruct/status/{job}")).json()
        assert (told["status"], told["result_is_there"]) == ("completed", False)

    use(test)


def test_that_a_mesh_is_unchanged_says_nothing_of_another_with_the_same_bytes(
    tmp_path: Path,
) -> None:
    """One film reconstructed twice is the same mesh in two places."""
    results, jobs = JobResults(Reconstructions(), (tmp_path,)), {}
    for name in ("first", "second"):
        (tmp_path / name / "out").mkdir(parents=True)
        write_result_of(name, tmp_path / name)
        glb = tmp_path / name / "out" / "tyre.glb"
        jobs[name] = [{"id": name, "parameters": {"request": {"glb_path": str(glb)}}}]
    assert results.result_of(jobs["first"]) is not None
    (tmp_path / "second" / "out" / "tyre.glb").unlink()
    assert results.result_of(jobs["second"]) is None


@pytest.mark.parametrize(
    ("kind", "file", "verdict", "names"),
    [
        (Reconstructions(), "tyre.json", "pass", {"mesh.glb", "metadata.json", "report.html"}),
        (Comparisons(), "comparison.json", "not detectable", {"change.glb", "cells.csv"}),
    ],
    ids=["tyre", "comparison"],
)
@pytest.mark.parametrize("newer", [False, True])
def test_what_another_release_made_is_told(
    kind: Kind, file: str, verdict: str, names: set[str], newer: bool, tmp_path: Path
) -> None:
    """An earlier one's as it wrote it; of a newer one's whatever this one knows."""
    told = json.loads((EARLIER / file).read_text())
    if newer:
        told |= {"format": 2, "tread_depth_mm": 7.5}
        told["reasons"] = [{**reason, "since": "2.0"} for reason in told["reasons"]]
    made = next(name for name in told["files"] if name in ("a.glb", "cmp-a.change.glb"))
    told["files"][made] = told["glb_sha256"] = hashlib.sha256(b"glTF").hexdigest()
    stem = made.partition(".")[0]
    (tmp_path / f"{stem}.json").write_text(json.dumps(told))
    (tmp_path / made).write_bytes(b"glTF")
    request = {"glb_path": str(tmp_path / made), "out_dir": str(tmp_path), "name": stem}
    runs = [{"id": told["run_id"], "parameters": {"request": request}}]
    results = JobResults(kind, (tmp_path.parent,))
    result = results.result_of(runs)
    assert result is not None
    assert Judgement.model_validate(kind.judged(result.metadata)).verdict == verdict
    assert names <= set(result.files)
    assert results.file(runs, kind.glb_name)[0] == b"glTF"
