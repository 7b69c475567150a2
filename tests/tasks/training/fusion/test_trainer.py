"""The fusing network learns what the evidence says; its last average is what it ends with."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tasks.fusion.decision.network import load_fuser
from tasks.network.weights import FUSER
from tasks.training.fusion.trainer import FusionObjective
from tasks.training.fusion.validation import validate
from tasks.training.log import LOG, TrainingLog
from tests.tasks.training.tiny import make_subject, small_fusion


def test_it_learns(subjects: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    trainer = small_fusion(subjects, run, batch=2, steps=120, validate_steps=10)
    trainer.run()
    log = TrainingLog.read(run / LOG)
    assert log.final is not None
    assert log.final["iou_median"] > 0.5
    assert log.final["iou_median"] > log.scores[0]["iou_median"]
    assert log.final["iou_fields"] < 0.5
    assert isinstance(trainer.objective, FusionObjective)
    held_back = [trainer.objective.validation_data[seed] for seed in (0, 4)]
    published = validate(load_fuser(run / FUSER, "it learns"), held_back)
    assert published["iou_mean"] == pytest.approx(log.final["iou_mean"], abs=0.01)


def test_weights_to_start_from_are_those_of_the_first_step(subjects: Path, tmp_path: Path) -> None:
    small_fusion(subjects, tmp_path / "first", steps=3).run()
    start_from = tmp_path / "first" / FUSER
    trainer = small_fusion(subjects, tmp_path / "run", start_from=start_from, steps=3)
    assert isinstance(trainer.objective, FusionObjective)
    weights = load_file(start_from)
    for network in (trainer.objective.network, trainer.objective.average):
        for name, value in network.state_dict().items():
            torch.testing.assert_close(value, weights[name].to(value.dtype))


def test_subjects_filmed_meanwhile_are_taken_up(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for seed in (0, 1):
        make_subject(data, seed)
    trainer = small_fusion(data, tmp_path / "run", steps=2, log_steps=1)
    for seed in (4, 6):
        make_subject(data, seed)
    trainer.run()
    assert [r["subjects"] for r in TrainingLog.read(tmp_path / "run" / LOG).losses] == [2, 2]
    assert isinstance(trainer.objective, FusionObjective)
    assert sorted(trainer.objective.validation_data) == [0, 4]
