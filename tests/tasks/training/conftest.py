"""All trainings, with data made once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tasks.network.weights import FUSER
from tasks.training.loop import Trainer
from tasks.training.reconstruction.trainer import FINAL
from tasks.training.segmentation.trainer import WEIGHTS
from tests.tasks.training.tiny import (
    small_fusion,
    small_reconstruction,
    small_segmentation,
    write_cut_outs,
    write_data,
    write_subjects,
)


@dataclass(frozen=True)
class Training:
    """One of the trainings: makes its trainer in a folder and names the weights it ends with."""

    make: Callable[..., Trainer]
    data: Path
    weights: str

    def trainer(self, run_dir: Path, **changes: object) -> Trainer:
        return self.make(self.data, run_dir, **changes)


@pytest.fixture(scope="session")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("shards"))


@pytest.fixture(scope="session")
def subjects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_subjects(tmp_path_factory.mktemp("subjects"))


@pytest.fixture(scope="session")
def cut_outs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cut_outs(tmp_path_factory.mktemp("cut-outs"))


@pytest.fixture(scope="module", params=["reconstruction", "fusion", "segmentation"])
def training(
    request: pytest.FixtureRequest, shards: Path, subjects: Path, cut_outs: Path
) -> Training:
    return {
        "reconstruction": Training(small_reconstruction, shards, FINAL),
        "fusion": Training(small_fusion, subjects, FUSER),
        "segmentation": Training(small_segmentation, cut_outs, WEIGHTS),
    }[request.param]
