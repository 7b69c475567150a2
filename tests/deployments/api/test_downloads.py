"""Files of jobs: ranges, ETags, and nothing that another wrote."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import Response

from deployments.api.downloads import Sending, file_response
from deployments.api.errors import ApiError
from tests.deployments.api.service import Use, write_result_of
from tests.deployments.api.stand_in import Prefect


def test_a_glb_is_fetched_whole_in_parts_or_not_at_all(
    use: Callable[[Use], None], prefect: Prefect, body: dict[str, Any], tmp_path: Path
) -> None:
    glb = bytes(range(100))

    async def test(api: httpx.AsyncClient) -> None:
        job = (await api.post("/reconstruct", json=body)).json()["job_id"]
        path = f"/reconstruct/{job}/mesh.glb"
        early = await api.get(path)
        assert (early.status_code, early.json()["code"]) == (409, "not-completed")
        prefect.set(job, "COMPLETED")
        tag = '"' + write_result_of(job, tmp_path, glb)["glb_sha256"] + '"'
        await asyncio.sleep(0.06)
        whole = await api.get(path)
        assert (whole.status_code, whole.content) == (200, glb)
        assert whole.headers["ETag"] == tag
        assert whole.headers["Content-Type"] == "model/gltf-binary"
        for asked, first, last in (
            ("bytes=0-9", 0, 9),
            ("bytes=90-", 90, 99),
            ("bytes=95-500", 95, 99),
            ("bytes=-10", 90, 99),
            ("bytes=-500", 0, 99),
        ):
            part = await api.get(path, headers={"Range": asked})
            assert part.status_code == 206, asked
            assert part.content == glb[first : last + 1]
            assert part.headers["Content-Range"] == f"bytes {first}-{last}/100"
        for asked in ("bytes=100-", "bytes=200-300", "bytes=-0"):
            outside = await api.get(path, headers={"Range": asked})
            assert (outside.status_code, outside.headers["Content-Range"]) == (416, "bytes */100")
            assert outside.json()["code"] == "range-outside"
        for asked in ("bytes=5-2", "bytes=-", "lines=1-2", "bytes=0-1,4-5", "bytes=a-b"):
            assert (await api.get(path, headers={"Range": asked})).status_code == 200
        same = await api.get(path, headers={"If-None-Match": f'"other", {tag}'})
        assert (same.status_code, same.content) == (304, b"")
        stale = {"Range": "bytes=0-9", "If-Range": '"another"'}
        assert (await api.get(path, headers=stale)).status_code == 200
        for named, status in (
            (f'"other", {tag}', 200),
            ("*", 200),
            ('"x"', 412),
            (f"W/{tag}", 412),
        ):
            answer = await api.get(path, headers={"If-Match": named})
            assert answer.status_code == status, named
        assert answer.json()["code"] == "not-what-is-there"
        head = await api.head(path, headers={"Range": "bytes=0-9"})
        assert (head.status_code, head.headers["ETag"]) == (200, tag)
        assert head.headers["Content-Length"] == "100"

    use(test)


BESIDE = {
    "html": b"<html>",
    "preview.glb": b"glTF, small",
    "atlas.json": b"{}",
    "tread.png": b"PNG",
}


def test_every_file_of_a_job_is_fetched_under_one_name(
    use: Callable[[Use], None], prefect: Prefect, body: dict[str, Any], tmp_path: Path
) -> None:
    kinds = {
        "mesh.glb": ("model/gltf-binary", b"glTF"),
        "report.html": ("text/html; charset=utf-8", b"<html>"),
        "preview.glb": ("model/gltf-binary", b"glTF, small"),
        "atlas.json": ("application/json", b"{}"),
        "tread.png": ("image/png", b"PNG"),
    }

    async def test(api: httpx.AsyncClient) -> None:
        job = (await api.post("/reconstruct", json=body)).json()["job_id"]
        prefect.set(job, "COMPLETED")
        metadata = write_result_of(job, tmp_path, b"glTF", beside=BESIDE)
        told = (await api.get(f"/reconstruct/status/{job}")).json()
        assert sorted(told["files"]) == sorted([*kinds, "metadata.json"])
        for name, (kind, content) in kinds.items():
            answer = await api.get(f"/reconstruct/{job}/{name}")
            assert (answer.status_code, answer.content) == (200, content), name
            assert answer.headers["Content-Type"] == kind
            assert answer.headers["ETag"] == f'"{hashlib.sha256(content).hexdigest()}"'
            assert answer.headers["Content-Security-Policy"].startswith("sandbox")
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            same = {"If-None-Match": answer.headers["ETag"]}
            assert (await api.get(f"/reconstruct/{job}/{name}", headers=same)).status_code == 304
        part = await api.get(f"/reconstruct/{job}/tread.png", headers={"Range": "bytes=1-"})
        assert (part.status_code, part.content) == (206, b"NG")
        assert (await api.get(f"/reconstruct/{job}/metadata.json")).json() == metadata
        for name in ("inner-sidewall.png", "json", "html", "tyre.json", "batch.json"):
            answer = await api.get(f"/reconstruct/{job}/{name}")
            assert (answer.status_code, answer.json()["code"]) == (404, "file-unknown"), name
            assert "it made mesh.glb" in answer.json()["message"]
        for name in ("..%2Fbatch.json", ".hidden", "Mesh.glb", "a%00b"):
            answer = await api.get(f"/reconstruct/{job}/{name}")
            assert answer.status_code in (404, 405, 422), name

    use(test)


def test_no_file_that_another_wrote_is_told_as_the_jobs(
    use: Callable[[Use], None], prefect: Prefect, body: dict[str, Any], tmp_path: Path
) -> None:
    async def test(api: httpx.AsyncClient) -> None:
        job = (await api.post("/reconstruct", json=body)).json()["job_id"]
        prefect.set(job, "COMPLETED")
        write_result_of(job, tmp_path, beside=BESIDE)
        (tmp_path / "out" / "tyre.html").write_bytes(b"another's")
        (tmp_path / "out" / "tyre.tread.png").unlink()
        for name in ("report.html", "tread.png"):
            answer = await api.get(f"/reconstruct/{job}/{name}")
            assert (answer.status_code, answer.json()["code"]) == (410, "result-replaced"), name
        assert (await api.get(f"/reconstruct/{job}/preview.glb")).status_code == 200
        write_result_of("another-run", tmp_path, beside=BESIDE)
        for name in ("mesh.glb", "metadata.json", "preview.glb", "unknown.png"):
            answer = await api.get(f"/reconstruct/{job}/{name}")
            assert (answer.status_code, answer.json()["code"]) == (410, "result-replaced"), name
        write_result_of(job, tmp_path)  # by a release that told no digests
        assert (await api.get(f"/reconstruct/{job}/mesh.glb")).status_code == 200
        assert (await api.get(f"/reconstruct/{job}/preview.glb")).status_code == 404

    use(test)


def test_metadata_that_were_damaged_are_no_fault_of_the_service(
    use: Callable[[Use], None], prefect: Prefect, body: dict[str, Any], tmp_path: Path
) -> None:
    """Nor those of a later release, whose words this one does not know."""

    async def test(api: httpx.AsyncClient) -> None:
        job = (await api.post("/reconstruct", json=body)).json()["job_id"]
        prefect.set(job, "COMPLETED")
        sound = write_result_of(job, tmp_path, beside=BESIDE)
        for odd in (
            {"verdict": "rather good"},
            {"verdict": "pass", "reasons": 5},
            {"verdict": "pass", "reasons": [{"code": 1}], "retake": [{}]},
            {"note": "\ud800"},
            {"files": ["tyre.glb"]},
        ):
            (tmp_path / "out" / "tyre.json").write_text(json.dumps({**sound, **odd}))
            await asyncio.sleep(0.06)
            answer = await api.get(f"/reconstruct/status/{job}")
            assert answer.status_code == 200, odd
            told = answer.json()
            assert (told["status"], told["result_is_there"]) == ("completed", False), odd
            assert (await api.get(f"/reconstruct/{job}/mesh.glb")).status_code in (200, 410), odd

    use(test)


def test_files_that_are_not_taken_are_bounded() -> None:
    sending, file = Sending(most=250), bytes(100)

    def answer(asked: dict[str, str]) -> Response:
        return file_response("a.glb", file, "0" * 64, asked, sending)

    with sending.counted(100), sending.counted(100):
        assert answer({"range": "bytes=0-49"}).status_code == 206
        assert answer({"if-none-match": "*"}).status_code == 304
        with pytest.raises(ApiError) as caught:
            answer({})
        error = caught.value
        assert (error.status, error.code, error.retry_after_s) == (429, "busy", 10)
    assert answer({}).status_code == 200
    assert file_response("a.glb", bytes(300), "0" * 64, {}, sending).status_code == 200, "alone"
