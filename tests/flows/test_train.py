"""The training flow, killed for real, goes on where it was."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from prefect.settings import PREFECT_API_URL
from safetensors.torch import load_file

from tasks.training.log import TrainingLog
from tests.tasks.training.tiny import CONFIG, write_data

SECONDS = 24.0
_FLOW = f"""if True:
    import sys
    from pathlib import Path
    from flows.train import train_tyre_model
    from tasks.training.config import TrainConfig
    settings = TrainConfig(
        minutes={SECONDS / 60}, batch=2, points=64, colour_points=8, precision="float32",
        warmup_steps=20, checkpoint_s=1, validate_s=4,
    )
    folder = Path(sys.argv[1])
    train_tyre_model(
        work_dir=folder / "work", settings=settings, shards=1, model=folder / "tiny/config.yaml",
        publish_to=folder / "tiny/model.safetensors",
    )
"""


def _start(folder: Path) -> subprocess.Popen[bytes]:
    url = PREFECT_API_URL.value()
    assert url
    return subprocess.Popen(
        [sys.executable, "-c", _FLOW, str(folder)],
        env={**os.environ, "PREFECT_API_URL": url, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )


def _trainers(run: Path) -> list[str]:
    listed = subprocess.run(["ps", "-ewwo", "args"], capture_output=True, text=True, check=True)
    return [
        x
        for x in listed.stdout.splitlines()
        if f"tasks.training.reconstruction --data {run.parent}" in x
    ]


def _wait(for_what: str, seconds: float, done: object) -> None:
    end = time.monotonic() + seconds
    while not done():  # type: ignore[operator]
        assert time.monotonic() < end, for_what
        time.sleep(0.1)


@pytest.mark.usefixtures("prefect_server")
def test_a_killed_training_flow_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny/config.yaml").write_text(CONFIG)
    data, run = tmp_path / "work/data", tmp_path / "work/run"
    data.mkdir(parents=True)
    write_data(data)
    for number in (1, 2):  # the flow wants three; those that exist are left alone
        shutil.copytree(data / "validation-00000", data / f"validation-{number:05d}")
    log, checkpoint = run / "log.jsonl", run / "last.pt"

    flow = _start(tmp_path)
    try:
        _wait("a checkpoint", 120, checkpoint.exists)
        assert _trainers(run)
        _wait("steps after it", 60, lambda: log.exists() and len(TrainingLog.read(log).rows) > 4)
    finally:
        flow.send_signal(signal.SIGKILL)
        flow.wait()
    _wait("the trainer's end", 30, lambda: not _trainers(run))
    assert not (tmp_path / "tiny/model.safetensors").exists()
    saved = torch.load(checkpoint, weights_only=True)
    assert 0 < saved["seconds"] < SECONDS
    undone = '{"step": 9950, "seconds": 1, "loss": 1}\n{"step": 9999'  # a row, and a torn one
    log.write_text(f"{log.read_text()}\n{undone}")

    again = _start(tmp_path)
    try:
        assert again.wait(timeout=240) == 0
    finally:
        again.kill()
    rows = TrainingLog.read(log).losses
    assert [b["step"] - a["step"] for a, b in pairwise(rows)] == [50] * (len(rows) - 1)
    assert all(a["seconds"] < b["seconds"] for a, b in pairwise(rows))
    after = [r for r in rows if r["step"] > saved["step"]]
    assert saved["seconds"] < after[0]["seconds"]
    ended = torch.load(checkpoint, weights_only=True)
    assert ended["step"] > saved["step"] + 50
    assert SECONDS <= ended["seconds"] < SECONDS + 2, "the time before the kill counts"
    weights = tmp_path / "tiny/model.safetensors"
    assert load_file(weights)["decoder.layers.0.weight"].dtype == torch.float16
    told = (tmp_path / "tiny/SHA256SUMS").read_text().split()
    assert told == [hashlib.sha256(weights.read_bytes()).hexdigest(), "model.safetensors"]
