"""Requests that schemathesis makes of the service's own schema, sent over real HTTP.

``make fuzz`` sends many more; every answer must be one that the schema promises, and no 500.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from deployments.api.app import create_app
from deployments.api.prefect_runs import COMPARE_TAG
from deployments.api.settings import ApiSettings
from tests.deployments.api.service import TOKEN, runs_on
from tests.deployments.api.stand_in import Prefect
from tests.support.fuzz import TIMES, examples, tell

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXAMPLES = 25
STATES = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


class Service:
    """The service on a port, with jobs in every state that ends."""

    def __init__(self, folder: Path) -> None:
        for name in ("in", "out"):
            (folder / name).mkdir()
        (folder / "in" / "tyre.mp4").write_bytes(b"x")
        self.settings = ApiSettings.model_validate(
            {
                "token": TOKEN,
                "input_roots": [folder / "in"],
                "output_roots": [folder / "out"],
                "poll_s": 0.05,
                "max_upload_bytes": 10_000,
                "callback_hosts": ["shop.example"],
                "callback_secret": "a-secret-of-the-tests",
                "callback_every_s": 3600,
                "rate_per_s": 0,
            }
        )
        self.folder = folder
        self.prefect = Prefect()
        self.jobs: list[str] = []

    def body(self, name: str) -> dict[str, Any]:
        """A request that is taken."""
        return {
            "video": str(self.folder / "in" / "tyre.mp4"),
            "output_glb_path": str(self.folder / "out" / f"{name}.glb"),
        }

    def make_jobs(self, url: str) -> None:
        with httpx.Client(base_url=url, headers=HEADERS, trust_env=False) as api:
            for state in STATES:
                job = api.post("/reconstruct", json=self.body(state.lower())).json()["job_id"]
                self.prefect.set(job, state, "InputError: [video-empty] extract: v. Copy it")
                self.jobs.append(job)


HEADERS = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Service]]:
    told = Service(tmp_path_factory.mktemp("service"))
    runs = runs_on(told.prefect, told.settings)
    deployment = told.settings.compare_deployment
    comparing = runs_on(told.prefect, told.settings, deployment, COMPARE_TAG)
    config = uvicorn.Config(create_app(told.settings, runs, comparing), port=0, log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    told.make_jobs(url)
    yield url, told
    server.should_exit = True
    thread.join(timeout=10)
    assert not thread.is_alive()


def test_every_answer_is_one_that_the_schema_promises(service: tuple[str, Service]) -> None:
    url, told = service
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json", headers=HEADERS)
    known = itertools.cycle(told.jobs)
    sent: Counter[tuple[str, str, int]] = Counter()
    for found in schema.get_all_operations():
        operation = found.ok()

        @examples(EXAMPLES)
        @given(case=operation.as_strategy(), of_ours=st.booleans(), good=st.booleans())
        def ask(case: Any, of_ours: bool, good: bool) -> None:
            if of_ours and "job_id" in case.path_parameters:
                case.path_parameters["job_id"] = next(known)
            if good and isinstance(case.body, dict):
                case.body = told.body("another") | {
                    k: v for k, v in case.body.items() if k not in told.body("")
                }
            answer = case.call(base_url=url, headers=HEADERS)
            sent[case.method, case.path, answer.status_code] += 1
            case.validate_response(answer, checks=CHECKS)

        ask()
    tell("requests that schemathesis made of the schema", sent.total(), sent.total())
    assert ("POST", "/reconstruct", 202) in sent
    assert ("GET", "/reconstruct/status/{job_id}", 200) in sent
    assert {path for _, path, _ in sent} == set(schema)
    assert {status for *_, status in sent} <= {200, 201, 202, 304, 400, 404, 409, 410, 413, 422}


PIECES = """{ } [ ] " \\ , : - null NaN 1e999 "video": "output_glb_path": \\ud800 __prefect_kind"""
KINDS = ("application/json", "text/plain", "", "application/xml", "a/b;c")


def test_bodies_of_any_bytes_are_refused_in_one_shape(service: tuple[str, Service]) -> None:
    pieces = st.sampled_from([*PIECES.encode().split(), b"\xff", b"\0", b"\xef\xbb\xbf"])
    bodies = st.lists(st.one_of(pieces, st.binary(max_size=8)), max_size=40).map(b"".join)
    with httpx.Client(base_url=service[0], headers=HEADERS, trust_env=False) as api:

        @examples(2 * EXAMPLES)
        @given(content=bodies, kind=st.sampled_from(KINDS))
        def ask(content: bytes, kind: str) -> None:
            answer = api.post("/reconstruct", content=content, headers={"Content-Type": kind})
            assert answer.status_code in (400, 413, 422), answer.text
            assert set(answer.json()) == {"code", "message", "request_id", "fields"}

        ask()
    number = 2 * EXAMPLES * TIMES
    tell("requests with bodies of any bytes", number, number)
