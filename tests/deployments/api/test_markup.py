"""Names and texts of others leave the service encoded: as data of JSON alone, and in no header."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.deployments.api.service import Use, write_result_of
from tests.deployments.api.stand_in import Prefect

MARKUP = """<script>alert("x")</script>'&<img src=x onerror=alert(1)>"""
TURNED = "\u202egnp.exe"
LINES = "\r\nevent: status\r\nSet-Cookie: a=b\r\n\r\n\x07\x1b[31m"
REFUSED = [TURNED, LINES, "half \udcff"]
"""What no name may hold."""


def _is_data(answer: httpx.Response) -> Any:
    """The answer's JSON, once it is known that no browser takes it for a page."""
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Content-Disposition" not in answer.headers
    headers = " ".join(f"{name}: {value}" for name, value in answer.headers.items())
    assert not any(part in headers.lower() for part in ("script", "cookie", "\\u202e", "%3c"))
    return answer.json()


def test_names_with_markup_come_back_as_they_were_sent(
    use: Callable[[Use], None], prefect: Prefect, body: dict[str, Any]
) -> None:
    async def test(api: httpx.AsyncClient) -> None:
        asked = {**body, "reference": MARKUP}
        job = _is_data(await api.post("/reconstruct", json=asked))["job_id"]
        assert _is_data(await api.get(f"/reconstruct/status/{job}"))["reference"] == MARKUP
        found = _is_data(await api.get("/reconstruct", params={"reference": MARKUP}))
        assert [each["reference"] for each in found["jobs"]] == [MARKUP]

    use(test)


@pytest.mark.parametrize("text", REFUSED)
def test_names_that_are_no_names_are_refused_and_not_repeated(
    use: Callable[[Use], None], body: dict[str, Any], text: str
) -> None:
    async def test(api: httpx.AsyncClient) -> None:
        sent = [
            json.dumps({**body, "reference": text}),
            json.dumps({**body, "video": f"{body['video']}{text}.mp4"}),
            json.dumps({**body, text: 1}),
        ]
        for content in sent:
            headers = {"Content-Type": "application/json"}
            answer = await api.post("/reconstruct", content=content, headers=headers)
            assert answer.status_code == 422
            assert text not in str(_is_data(answer))
        told = json.dumps({"name": "a.mp4", "size": 1, text + MARKUP: 1})
        answer = await api.post("/upload-addresses", content=told, headers=headers)
        assert answer.status_code == 422
        refused = _is_data(answer)
        named = "\udcff" not in text  # such a body is refused as a whole
        assert (MARKUP in refused["message"]) == named
        assert text not in refused["message"] + refused["fields"][0]["field"]
        name = quote(f"{MARKUP}{text}.mp4", safe="", errors="surrogateescape")
        answer = await api.put(f"/uploads/{name}", content=b"x")
        assert answer.status_code in (404, 422)
        assert text not in str(_is_data(answer))

    use(test)


def test_what_a_run_says_is_one_line_of_data_everywhere(
    use: Callable[[Use], None], prefect: Prefect, body: dict[str, Any]
) -> None:
    async def test(api: httpx.AsyncClient) -> None:
        job = _is_data(await api.post("/reconstruct", json=body))["job_id"]
        said = f"[video-empty] extract: {MARKUP}{TURNED}{LINES} is empty. Film again"
        prefect.set(job, "FAILED", said)
        error = _is_data(await api.get(f"/reconstruct/status/{job}"))["error"]
        assert MARKUP in error["message"]
        assert not any(text in error["message"] for text in (TURNED, LINES))
        answer = await api.get(f"/reconstruct/events/{job}")
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        lines = [line for line in answer.text.splitlines() if line]
        assert [line.partition(":")[0] for line in lines] == ["retry", "event", "data"]
        assert json.loads(lines[2].removeprefix("data: "))["error"] == error

    use(test)


def test_a_file_is_of_its_kind_and_acts_for_nobody(
    use: Callable[[Use], None], prefect: Prefect, body: dict[str, Any], tmp_path: Path
) -> None:
    async def test(api: httpx.AsyncClient) -> None:
        job = (await api.post("/reconstruct", json=body)).json()["job_id"]
        prefect.set(job, "COMPLETED")
        page = f"<html>{MARKUP}</html>".encode()
        write_result_of(job, tmp_path, beside={"html": page, "svg": page})
        for name, kind in {
            "report.html": "text/html; charset=utf-8",
            "svg": "application/octet-stream",
        }.items():
            answer = await api.get(f"/reconstruct/{job}/{name}")
            assert answer.content == page
            assert answer.headers["Content-Type"] == kind
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Content-Security-Policy"].startswith("sandbox ")
        missing = await api.get(f"/reconstruct/{job}/{quote(MARKUP, safe='')}")
        assert missing.status_code in (404, 405, 422)
        assert "script" not in str(_is_data(missing))

    use(test)
