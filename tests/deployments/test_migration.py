"""A backend of Node, as it called the service that this one replaces, gets what it got."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import time
from pathlib import Path

import pytest
import uvicorn

from deployments.api.app import create_app
from deployments.api.settings import ApiSettings
from tests.deployments.api.service import TOKEN, runs_on, write_result_of
from tests.deployments.api.stand_in import Prefect
from tests.deployments.stack import free_port

BACKEND = """
const [, url, frames, out, token] = process.argv;
const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` };
const answer = await fetch(`${url}/reconstruct`, {
  method: 'POST',
  headers,
  body: JSON.stringify({
    preprocessing_output_dir: frames, output_glb_path: out, num_frames: 8, mc_resolution: 256,
  }),
});
const { job_id } = await answer.json();
let told;
do {
  told = await (await fetch(`${url}/reconstruct/status/${job_id}`, { headers })).json();
  console.log(JSON.stringify({ code: answer.status, job_id, told }));
  await new Promise((go) => setTimeout(go, 50));
} while (!['completed', 'failed'].includes(told.status));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node")
def test_its_two_calls_run_unchanged(tmp_path: Path) -> None:
    (tmp_path / "in/frames").mkdir(parents=True)
    (tmp_path / "out").mkdir()
    roots = {"input_roots": [tmp_path / "in"], "output_roots": [tmp_path / "out"]}
    settings, prefect = ApiSettings.model_validate({"token": TOKEN, **roots}), Prefect()
    port = free_port()
    app = create_app(settings, runs_on(prefect, settings))
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error"))
    serving = threading.Thread(target=server.run, daemon=True)
    serving.start()
    try:
        while not server.started:
            assert serving.is_alive()
            time.sleep(0.02)
        out = tmp_path / "out/tyre.glb"
        address, frames = f"http://127.0.0.1:{port}", str(tmp_path / "in/frames")
        with subprocess.Popen(
            ["node", "--input-type=module", "-e", BACKEND, address, frames, str(out), TOKEN],
            stdout=subprocess.PIPE,
            text=True,
        ) as backend:
            assert backend.stdout is not None
            first = json.loads(backend.stdout.readline())
            (run_id,) = prefect.runs
            write_result_of(run_id, tmp_path, verdict={"output_path": str(out)})
            prefect.set(run_id, "COMPLETED")
            last = json.loads(backend.stdout.readlines()[-1])
    finally:
        server.should_exit = True
        serving.join()
    assert first["code"] == 202
    assert first["told"]["job_id"] == first["job_id"]
    assert first["told"]["status"] == "queued"
    assert last["told"]["status"] == "completed"
    assert last["told"]["metadata"]["output_path"] == str(out)
    assert last["told"]["metadata"]["num_vertices"] == 3
    (run,) = prefect.runs.values()
    request = run["parameters"]["request"]
    assert (request["input"], request["glb_path"]) == (frames, str(out))
    assert (request["num_frames"], request["mc_resolution"]) == (8, 256)
