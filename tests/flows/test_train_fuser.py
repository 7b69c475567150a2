"""The flow that trains the fusing network publishes what the trainer made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from flows.train_fuser import train_fusing_network
from tasks.fusion.decision.network import load_fuser
from tasks.network.weights import FUSER
from tasks.storage.artifacts import sha256_of
from tasks.training.fusion.subjects import FIRST_SEED
from tasks.training.fusion.trainer import FuseConfig
from tests.tasks.training.fusion.test_trainer import make_subject


@pytest.mark.usefixtures("prefect_server")
def test_subjects_that_exist_are_kept_and_weights_published(tmp_path: Path) -> None:
    count = FuseConfig.held_out + 3
    data, model = tmp_path / "work/data", tmp_path / "model"
    data.mkdir(parents=True)
    model.mkdir()
    for seed in range(FIRST_SEED, FIRST_SEED + count):
        make_subject(data, seed)
    before = {p.name: p.stat().st_mtime_ns for p in data.iterdir()}
    train_fusing_network(work_dir=tmp_path / "work", subjects=count, minutes=0.1, publish_to=model)
    assert {p.name: p.stat().st_mtime_ns for p in data.iterdir()} == before
    fuser = load_fuser(model / FUSER, "published")
    assert all(np.isfinite(p.detach().numpy()).all() for p in fuser.parameters())
    digest = sha256_of(model / FUSER)
    assert (model / "SHA256SUMS").read_text() == f"{digest}  {FUSER}\n"
