"""All training flows, killed for real, end in the weights that they would have had anyway."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL

from configs.training import FuseConfig, LoopConfig, SegmentConfig, TrainConfig
from tasks.network.weights import FUSER
from tasks.training.fusion.subjects import FIRST_SEED
from tasks.training.fusion.trainer import fusion_trainer
from tasks.training.log import LOG, TrainingLog
from tasks.training.loop import CHECKPOINT
from tasks.training.reconstruction.trainer import FINAL, reconstruction_trainer
from tasks.training.segmentation.trainer import WEIGHTS, segmentation_trainer
from tests.tasks.training.tiny import (
    CONFIG,
    FUSE,
    SEGMENT,
    TRAIN,
    write_cut_outs,
    write_data,
    write_subjects,
)

BUDGET = {"steps": 12, "log_steps": 2, "validate_steps": 4, "checkpoint_s": 0.0, "threads": 1}
_RECONSTRUCTION = """if True:
    import sys
    from pathlib import Path
    from configs.training import TrainConfig
    from flows.train import train_tyre_model
    folder = Path(sys.argv[1])
    train_tyre_model(
        work_dir=folder / "work", settings=TrainConfig.model_validate_json(sys.argv[2]), shards=1,
        model=folder / "model/config.yaml", publish_to=folder / "model/model.safetensors",
    )
"""
_FUSION = """if True:
    import sys
    from pathlib import Path
    from configs.training import FuseConfig
    from flows.train_fuser import train_fusing_network
    folder = Path(sys.argv[1])
    train_fusing_network(
        work_dir=folder / "work", settings=FuseConfig.model_validate_json(sys.argv[2]), subjects=8,
        publish_to=folder / "model",
    )
"""
_SEGMENTATION = """if True:
    import sys
    from pathlib import Path
    from configs.training import SegmentConfig
    from flows.train_segmenter import train_tyre_segmenter
    folder = Path(sys.argv[1])
    train_tyre_segmenter(
        work_dir=folder / "work", settings=SegmentConfig.model_validate_json(sys.argv[2]),
        shards=2, view_shards=0, publish_to=folder / "model",
    )
"""


@dataclass(frozen=True)
class Case:
    """One of the flows and the command of its trainer."""

    network: str
    flow: str
    settings: LoopConfig
    weights: str
    published: str

    def write_data(self, folder: Path) -> None:
        """All the data that the flow would make."""
        data = folder / "work/data"
        data.mkdir(parents=True)
        if self.network == "fusion":
            write_subjects(data, first=FIRST_SEED)
            return
        if self.network == "segmentation":
            write_cut_outs(data)
            return
        write_data(data)
        for number in (1, 2):  # the flow wants three; those that exist are left alone
            shutil.copytree(data / "validation-00000", data / f"validation-{number:05d}")

    def train(self, folder: Path, run: Path) -> None:
        """Train in one go, without a flow."""
        data, settings = folder / "work/data", self.settings
        if isinstance(settings, TrainConfig):
            model = folder / "model/config.yaml"
            reconstruction_trainer(settings, model, data, run).run()
        elif isinstance(settings, FuseConfig):
            fusion_trainer(settings, data, run).run()
        elif isinstance(settings, SegmentConfig):
            segmentation_trainer(settings, data, run).run()


CASES = [
    Case("fusion", _FUSION, FUSE.model_copy(update=BUDGET), FUSER, FUSER),
    pytest.param(
        Case(
            "reconstruction",
            _RECONSTRUCTION,
            TRAIN.model_copy(update=BUDGET),
            FINAL,
            "model.safetensors",
        ),
        marks=pytest.mark.slow,
    ),
    pytest.param(
        Case("segmentation", _SEGMENTATION, SEGMENT.model_copy(update=BUDGET), WEIGHTS, WEIGHTS),
        marks=pytest.mark.slow,
    ),
]
"""What differs between the flows is tested at their trainers; one is killed by default."""


def _start(case: Case, folder: Path) -> subprocess.Popen[bytes]:
    url = PREFECT_API_URL.value()
    assert url
    return subprocess.Popen(
        [sys.executable, "-c", case.flow, str(folder), case.settings.model_dump_json()],
        env={**os.environ, "PREFECT_API_URL": url},
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )


def _trainers(run: Path) -> list[str]:
    listed = subprocess.run(["ps", "-ewwo", "args"], capture_output=True, text=True, check=True)
    return [x for x in listed.stdout.splitlines() if f"--run {run}" in x]


def _wait(for_what: str, done: Callable[[], bool]) -> None:
    """Wait for something that has to come, however slow the machine; a test that hangs ends."""
    end = time.monotonic() + 600
    while not done():
        assert time.monotonic() < end, for_what
        time.sleep(0.1)


def _rows(run: Path) -> list[dict[str, float]]:
    lines = (run / LOG).read_text().splitlines()
    return [{k: v for k, v in json.loads(x).items() if k != "seconds"} for x in lines]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.network)
@pytest.mark.usefixtures("prefect_server")
def test_a_killed_training_flow_ends_in_the_same_weights(case: Case, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model/config.yaml").write_text(CONFIG)
    case.write_data(tmp_path)
    data, run, whole = tmp_path / "work/data", tmp_path / "work/run", tmp_path / "whole"
    before = {p: p.stat().st_mtime_ns for p in data.rglob("*")}

    flow = _start(case, tmp_path)
    try:
        _wait("steps", lambda: (run / CHECKPOINT).exists() and (run / LOG).exists())
    finally:
        flow.send_signal(signal.SIGKILL)
        flow.wait()
    _wait("the trainer's end", lambda: not _trainers(run))
    with (run / LOG).open("a") as log:  # a row of steps undone, and one cut short
        log.write('{"step": 9950, "seconds": 1, "loss": 1}\n{"step": 9999')

    again = _start(case, tmp_path)
    try:
        assert again.wait() == 0
    finally:
        again.kill()
    # in a process of its own, as flows train: what other tests leave in this one may round
    # otherwise
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
        alone.submit(case.train, tmp_path, whole).result()
    assert (run / case.weights).read_bytes() == (whole / case.weights).read_bytes()
    assert _rows(run) == _rows(whole)
    assert {p: p.stat().st_mtime_ns for p in data.rglob("*")} == before, "data are kept"
    assert TrainingLog.read(run / LOG).final is not None
    assert (run / "curves.png").read_bytes().startswith(b"\x89PNG")
    published = tmp_path / "model" / case.published
    assert published.read_bytes() == (run / case.weights).read_bytes()
    sums = (tmp_path / "model/SHA256SUMS").read_text().split()
    assert sums == [hashlib.sha256(published.read_bytes()).hexdigest(), case.published]
