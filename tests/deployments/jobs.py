"""Jobs over the API of a whole installation, asked for until it answers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx

from tests.conftest import write_cut_outs
from tests.deployments.stack import TOKEN, Stack, answered

HEADERS = {"Authorization": f"Bearer {TOKEN}"}
OPTIONS = {"device": "cpu", "motion": "orbit", "num_frames": 2, "mc_resolution": 32}
"""Options of tyres that take seconds."""


def asked(stack: Stack, method: str, path: str, **options: Any) -> httpx.Response:
    """The API's answer."""
    headers = {**HEADERS, **options.pop("headers", {})}

    def ask() -> httpx.Response:
        return httpx.request(method, f"{stack.api}{path}", headers=headers, timeout=60, **options)

    return answered(f"{method} {path}", ask)


def film(stack: Stack, name: str, mark: int) -> Path:
    """A tyre of six small pictures."""
    folder = stack.folder / "in" / name
    write_cut_outs(folder, range(6), mark=mark)
    return folder


def started(stack: Stack, source: Path, glb: Path, key: str) -> str:
    """The id of the job that makes a tyre."""
    body = {"preprocessing_output_dir": str(source), "output_glb_path": str(glb), **OPTIONS}
    answer = asked(stack, "POST", "/reconstruct", json=body, headers={"Idempotency-Key": key})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["job_id"])


def status(stack: Stack, job: str) -> dict[str, Any]:
    return dict(asked(stack, "GET", f"/reconstruct/status/{job}").json())


def all_ended(stack: Stack, jobs: Iterable[str]) -> bool:
    return all(status(stack, job)["status"] in ("completed", "failed") for job in jobs)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
