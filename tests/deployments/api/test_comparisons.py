"""Comparisons over the API: made, told of and fetched as reconstructions are, and kept apart."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.deployments.api.service import Use
from tests.deployments.api.stand_in import COMPARE_DEPLOYMENT, Prefect


@pytest.fixture
def pair(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "out" / "new.glb").write_bytes(b"glTF")
    return {
        "new": str(tmp_path / "out" / "new.glb"),
        "damaged": str(tmp_path / "in" / "tyre.mp4"),
        "output_dir": str(tmp_path / "out"),
        "name": "stint 1",
        "preset": "fast",
    }


def _write_result(run: str, folder: Path) -> dict[str, bytes]:
    files = {
        "stint 1.change.glb": b"glTF, change",
        "stint 1.placed.glb": b"glTF, placed",
        "stint 1.csv": b"a,b\n",
        "stint 1.html": b"<html>",
    }
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    record = {
        "verdict": "changed",
        "reasons": [{"code": "size-assumed", "text": "the diameter was assumed"}],
        "alignment": {},
        "run_id": run,
        "files": digests,
        "glb_sha256": digests["stint 1.change.glb"],
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    (folder / "stint 1.json").write_text(json.dumps(record))
    return files


def test_a_comparison_is_made_told_of_and_fetched(
    use: Callable[[Use], None], prefect: Prefect, pair: dict[str, Any], tmp_path: Path
) -> None:
    async def test(api: httpx.AsyncClient) -> None:
        answer = await api.post("/compare", json={**pair, "reference": "car 7"})
        job = answer.json()["job_id"]
        assert (answer.status_code, answer.headers["Location"]) == (202, f"/compare/status/{job}")
        run = prefect.runs[job]
        assert (run["deployment_id"], run["name"]) == (COMPARE_DEPLOYMENT, "compare-stint 1")
        asked = run["parameters"]["request"]
        assert asked["new"] == pair["new"]
        assert (asked["out_dir"], asked["preset"]) == (pair["output_dir"], "fast")
        prefect.set(job, "COMPLETED")
        files = _write_result(job, tmp_path / "out")
        await asyncio.sleep(0.06)
        status = (await api.get(f"/compare/status/{job}")).json()
        assert (status["status"], status["verdict"]) == ("completed", "changed")
        assert status["reasons"][0]["message"] == "the diameter was assumed"
        assert status["result_is_there"] is True
        named = {
            "change.glb": "stint 1.change.glb",
            "placed.glb": "stint 1.placed.glb",
            "cells.csv": "stint 1.csv",
            "report.html": "stint 1.html",
        }
        assert set(status["files"]) == {*named, "metadata.json"}
        for name, file in named.items():
            found = await api.get(f"/compare/{job}/{name}")
            assert (found.status_code, found.content) == (200, files[file])
        (listed,) = (await api.get("/compare", params={"reference": "car 7"})).json()["jobs"]
        assert listed["output_glb_path"] == str(tmp_path / "out" / "stint 1.change.glb")
        (tmp_path / "out" / "stint 1.csv").write_bytes(b"other")
        replaced = await api.get(f"/compare/{job}/cells.csv")
        assert (replaced.status_code, replaced.json()["code"]) == (410, "result-replaced")

    use(test)


def test_kinds_of_jobs_are_kept_apart(
    use: Callable[[Use], None], pair: dict[str, Any], body: dict[str, Any]
) -> None:
    async def test(api: httpx.AsyncClient) -> None:
        compared = (await api.post("/compare", json=pair)).json()["job_id"]
        made = (await api.post("/reconstruct", json=body)).json()["job_id"]
        for path, mine, other in (("/compare", compared, made), ("/reconstruct", made, compared)):
            listed = (await api.get(path)).json()["jobs"]
            assert [job["job_id"] for job in listed] == [mine]
            assert (await api.get(f"{path}/status/{other}")).status_code == 404
        again = await api.post("/compare", json=pair)
        assert (again.status_code, again.json()["code"]) == (409, "output-in-use")

    use(test)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"new": "SECRET"}, 422),
        ({"damaged": "/etc"}, 422),
        ({"new": "OUT/missing.glb"}, 422),
        ({"new": "OUT/../secret.glb"}, 422),
        ({"output_dir": "/tmp"}, 422),
        ({"output_dir": "IN"}, 422),
        ({"name": "../x"}, 422),
        ({"name": "a/b"}, 422),
        ({"name": ""}, 422),
        ({"name": "x" * 101}, 422),
        ({"name": "x.placed"}, 422),
        ({"name": "x.new"}, 422),
        ({"name": "other"}, 409),
        ({"unknown": 1}, 422),
        ({"output_dir": "OUT/deeper/still"}, 202),
        ({"damaged": "IN/frames"}, 202),
    ],
)
def test_what_may_not_be_is_refused(
    use: Callable[[Use], None],
    pair: dict[str, Any],
    tmp_path: Path,
    change: dict[str, Any],
    status: int,
) -> None:
    (tmp_path / "out" / "other.json").write_text('{"mine": 1}')
    (tmp_path / "secret.glb").write_bytes(b"glTF")
    places = {"SECRET": "secret.glb", "OUT": "out", "IN": "in"}

    def placed(value: Any) -> Any:
        for word, name in places.items():
            if isinstance(value, str) and value.startswith(word):
                return str(tmp_path / name) + value.removeprefix(word)
        return value

    async def test(api: httpx.AsyncClient) -> None:
        asked = {**pair, **{name: placed(value) for name, value in change.items()}}
        assert (await api.post("/compare", json=asked)).status_code == status

    use(test)
