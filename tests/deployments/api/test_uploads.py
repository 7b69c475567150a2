"""Videos that come over the API."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from deployments.api import uploads
from deployments.api.settings import ApiSettings
from deployments.api.uploads import sweep_parts
from tasks.storage import local, partial_files
from tests.deployments.api.service import TOKEN, Use, client_of
from tests.deployments.api.stand_in import Prefect
from tests.support.s3 import KEY, REGION, SECRET, filesystem, s3_server


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


@pytest.mark.parametrize(
    ("number", "where", "status", "code"),
    [
        (errno.ENOSPC, "receive", 507, "disk-full"),
        (errno.EDQUOT, "receive", 507, "disk-full"),
        (errno.EACCES, "receive", 502, "storage-denied"),
        (errno.EROFS, "receive", 502, "storage-denied"),
        (errno.EIO, "receive", 502, "storage-failed"),
        (errno.ENOSPC, "store", 507, "disk-full"),
        (errno.EROFS, "store", 502, "storage-denied"),
    ],
)
def test_a_disk_that_takes_no_video_is_told_for_what_it_is(
    use: Callable[[Use], None],
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    where: str,
    status: int,
    code: str,
) -> None:
    """A folder that may not be written was called a full disk, a full disk a fault of storage."""

    def fails(*_: Any, **__: Any) -> Any:
        raise OSError(number, os.strerror(number))

    if where == "receive":
        monkeypatch.setattr(uploads.tempfile, "NamedTemporaryFile", fails)
    else:
        monkeypatch.setattr(local, "part_of", fails)

    async def test(api: httpx.AsyncClient) -> None:
        answer = await api.put("/uploads/tyre.mp4", content=b"x")
        assert (answer.status_code, answer.json()["code"]) == (status, code)

    use(test)


def test_where_the_folder_of_uploads_is_away_it_is_to_be_sent_again(
    use: Callable[[Use], None], tmp_path: Path
) -> None:
    async def test(api: httpx.AsyncClient) -> None:
        (tmp_path / "in").rename(tmp_path / "unmounted")
        answer = await api.put("/uploads/a.mp4", content=b"x")
        assert (answer.status_code, answer.json()["code"]) == (503, "storage-failed")
        assert int(answer.headers["Retry-After"]) > 0
        assert not (tmp_path / "in").exists()

    use(test)


def test_uploads_do_not_fill_the_disk_that_others_write_to(
    use: Callable[[Use], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    free = [1_000_000_100]
    monkeypatch.setattr(
        uploads.shutil, "disk_usage", lambda _: SimpleNamespace(free=free.pop(0) if free else 0)
    )

    async def pieces() -> AsyncIterator[bytes]:
        yield b"x" * 100
        yield b"y"

    async def test(api: httpx.AsyncClient) -> None:
        answer = await api.put("/uploads/tyre.mp4", content=pieces())
        assert (answer.status_code, answer.json()["code"]) == (507, "disk-full")
        assert not [p for p in (tmp_path / "in").rglob("*") if "upload" in p.name]

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


def test_a_video_is_sent_to_a_bucket_past_the_service(
    prefect: Prefect, monkeypatch: pytest.MonkeyPatch
) -> None:
    roots = {"input_roots": ["s3://tyres/in"], "output_roots": ["s3://tyres/out"]}
    told = ApiSettings.model_validate({"token": TOKEN, "max_upload_bytes": 100, **roots})

    async def ask(endpoint: str) -> None:
        async for api in client_of(prefect, told):
            answer = await api.post("/upload-addresses", json={"name": "a b.mp4", "size": 5})
            assert answer.status_code == 201, answer.text
            given = answer.json()
            assert (given["method"], given["expires_s"]) == ("PUT", 3600)
            assert given["url"].startswith(endpoint)
            assert given["video"].startswith("s3://tyres/in/uploads/")
            async with httpx.AsyncClient() as stranger:
                sent = await stranger.put(given["url"], content=b"video")
            assert sent.status_code == 200, sent.text
            there = filesystem(endpoint).cat_file(given["video"].removeprefix("s3://"))
            assert there == b"video"
            job = {"video": given["video"], "output_glb_path": "s3://tyres/out/a.glb"}
            assert (await api.post("/reconstruct", json=job)).status_code == 202
            for wanted, status in (
                ({"name": "../a.mp4", "size": 5}, 422),
                ({"name": "a.m3u8", "size": 5}, 422),
                ({"name": "a.mp4", "size": 0}, 422),
                ({"name": "a.mp4", "size": 101}, 413),
                ({"name": "a.mp4", "size": 5, "key": "elsewhere"}, 422),
            ):
                answer = await api.post("/upload-addresses", json=wanted)
                assert answer.status_code == status, wanted
        outside = told.model_copy(update={"upload_endpoint_url": "https://s3.shop.example"})
        async for api in client_of(prefect, outside):
            answer = await api.post("/upload-addresses", json={"name": "a.mp4", "size": 5})
            assert answer.json()["url"].startswith("https://s3.shop.example/tyres/in/uploads/")

    with s3_server("tyres") as server:
        monkeypatch.setenv("TYRE3D_S3_ENDPOINT_URL", server.endpoint)
        monkeypatch.setenv("TYRE3D_S3_ACCESS_KEY", KEY)
        monkeypatch.setenv("TYRE3D_S3_SECRET_KEY", SECRET)
        monkeypatch.setenv("TYRE3D_S3_REGION", REGION)
        asyncio.run(ask(server.endpoint))


def test_where_inputs_lie_in_a_folder_nobody_is_sent_to_a_bucket(
    use: Callable[[Use], None],
) -> None:
    async def test(api: httpx.AsyncClient) -> None:
        answer = await api.post("/upload-addresses", json={"name": "a.mp4", "size": 5})
        assert (answer.status_code, answer.json()["code"]) == (409, "no-bucket")

    use(test)


def test_parts_that_a_killed_service_left_go_and_those_at_hand_stay(
    use: Callable[[Use], None],
    settings: ApiSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left = tmp_path / "in" / ".upload-left"
    left.write_bytes(b"half of a vid")
    unnamed = tmp_path / "in" / "uploads" / "some" / f".{'0' * 32}.part"  # not renamed yet
    unnamed.parent.mkdir(parents=True)
    unnamed.write_bytes(b"a video")
    later = time.time() + 7200.0
    monkeypatch.setattr(partial_files.time, "time", lambda: later)
    (tmp_path / "in" / ".upload-link").symlink_to(tmp_path / "secret.mp4")
    removed: list[int] = []

    async def pieces() -> AsyncIterator[bytes]:
        yield b"one"
        removed.append(sweep_parts(settings))  # as another service does that is started
        yield b"two"

    async def test(api: httpx.AsyncClient) -> None:
        answer = await api.put("/uploads/tyre.mp4", content=pieces())
        assert answer.status_code == 201, answer.text
        assert Path(answer.json()["video"]).read_bytes() == b"onetwo"
        assert removed == [3]
        assert not unnamed.exists()
        assert [p for p in (tmp_path / "in").rglob(".upload-*")] == []
        assert (tmp_path / "secret.mp4").is_file()

    use(test)


def test_a_part_of_a_video_is_not_taken_for_the_whole(
    use: Callable[[Use], None], tmp_path: Path
) -> None:
    async def test(api: httpx.AsyncClient) -> None:
        for name, value, status in (
            ("Content-Range", "bytes 0-0/10", 400),
            ("Content-Encoding", "gzip", 415),
        ):
            answer = await api.put("/uploads/a.mp4", content=b"x", headers={name: value})
            assert answer.status_code == status
            assert set(answer.json()) == {"code", "message", "request_id", "fields"}
        assert not (tmp_path / "in" / "uploads").exists()

    use(test)
