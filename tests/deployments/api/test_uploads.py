"""Videos that come over the API."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx

from deployments.api.settings import ApiSettings
from tests.deployments.api.service import Use, client_of
from tests.deployments.api.stand_in import Prefect


def test_an_upload_can_be_reconstructed_and_replaces_nothing(
    use: Callable[[Use], None], body: dict[str, Any], tmp_path: Path
) -> None:
    async def test(api: httpx.AsyncClient) -> None:
        videos = []
        for content in (b"one", b"two"):
            answer = await api.put("/uploads/tyre.mp4", content=content)
            assert answer.status_code == 201, answer.text
            assert answer.json()["sha256"] == hashlib.sha256(content).hexdigest()
            videos.append(Path(answer.json()["video"]))
            assert videos[-1].read_bytes() == content
            assert videos[-1].is_relative_to(tmp_path / "in")
        assert videos[0] != videos[1]
        assert videos[0].read_bytes() == b"one"
        started = await api.post("/reconstruct", json=body | {"video": str(videos[0])})
        assert started.status_code == 202
        for name in (
            "..%2Fa.mp4",
            ".hidden.mp4",
            "a.txt",
            "a.m3u8",
            "a%0ab.mp4",
            "a" * 300 + ".mp4",
        ):
            answer = await api.put(f"/uploads/{name}", content=b"x")
            assert answer.status_code in (404, 422), name
        assert (await api.put("/uploads/empty.mp4", content=b"")).status_code == 422
        assert [p for p in (tmp_path / "in").rglob(".upload-*")] == []

    use(test)


def test_a_form_brings_a_video_as_a_body_does(
    use: Callable[[Use], None], body: dict[str, Any], tmp_path: Path
) -> None:
    content = bytes(range(256)) * 1000

    async def test(api: httpx.AsyncClient) -> None:
        form = {"file": ("tyre one.mp4", content, "video/mp4")}
        answer = await api.post("/uploads", files=form, data={"note": "of no interest"})
        assert answer.status_code == 201, answer.text
        video = Path(answer.json()["video"])
        assert (video.name, video.read_bytes()) == ("tyre one.mp4", content)
        assert answer.json()["sha256"] == hashlib.sha256(content).hexdigest()
        started = await api.post("/reconstruct", json=body | {"video": str(video)})
        assert started.status_code == 202
        kept = sorted((tmp_path / "in" / "uploads").rglob("*"))
        refused: list[tuple[dict[str, Any], int, str]] = [
            ({"files": [("a", ("a.mp4", b"x")), ("b", ("b.mp4", b"y"))]}, 422, "several files"),
            ({"files": {"file": ("../a.mp4", b"x")}}, 422, "plain name"),
            ({"files": {"file": ("a.m3u8", b"x")}}, 422, "plain name"),
            ({"files": {"file": ("a.mp4", b"")}}, 422, "no content"),
            ({"files": {"note": (None, b"x")}}, 422, "no file"),
            ({"data": {"note": "x"}}, 400, "should be a form"),
            ({"content": b"x" * 40}, 400, "should be a form"),
        ]
        whole = api.build_request("POST", "/uploads", files=form)
        cut = {"Content-Type": whole.headers["Content-Type"]}
        refused.append(({"content": whole.read()[:-70], "headers": cut}, 400, "not complete"))
        refused.append(({"content": b"no form at all", "headers": cut}, 400, "not complete"))
        for options, status, why in refused:
            answer = await api.post("/uploads", **options)
            assert (answer.status_code, why in answer.text) == (status, True), answer.text
            assert set(answer.json()) == {"code", "message", "request_id", "fields"}
        assert sorted((tmp_path / "in" / "uploads").rglob("*")) == kept
        assert [p for p in (tmp_path / "in").rglob(".upload-*")] == []

    use(test)


def test_an_upload_that_is_too_large_leaves_nothing(
    prefect: Prefect, settings: ApiSettings, tmp_path: Path
) -> None:
    small = settings.model_copy(update={"max_upload_bytes": 10})

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"12345"

    async def ask() -> None:
        async for api in client_of(prefect, small):
            for content in (b"x" * 11, pieces()):
                answer = await api.put("/uploads/a.mp4", content=content)
                assert answer.status_code == 413
            for size in (11, 100_000):
                answer = await api.post("/uploads", files={"file": ("a.mp4", b"x" * size)})
                assert answer.status_code == 413
        assert not (tmp_path / "in" / "uploads").exists()

    asyncio.run(ask())
