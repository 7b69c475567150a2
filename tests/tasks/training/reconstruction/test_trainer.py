"""The reconstruction network learns, and its finished weights are calibrated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tasks.training.log import LOG, TrainingLog
from tasks.training.loop import Trainer
from tasks.training.reconstruction.trainer import BEST, FINAL, ReconstructionObjective
from tests.tasks.training.tiny import small_reconstruction


def objective_of(trainer: Trainer) -> ReconstructionObjective:
    assert isinstance(trainer.objective, ReconstructionObjective)
    return trainer.objective


def test_it_learns_a_batch(shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = small_reconstruction(shards, tmp_path / "run", steps=1000)
    objective = objective_of(trainer)
    backward, losses = objective.backward, []

    def same_batch(rng: np.random.Generator) -> dict[str, torch.Tensor]:
        found = backward(np.random.default_rng(0))
        losses.append(float(found["loss"].detach()))
        return found

    monkeypatch.setattr(objective, "backward", same_batch)
    for _ in range(40):
        trainer.take_step()
    assert losses[-1] < 0.8 * losses[0]
    trainer.validate()
    assert load_file(tmp_path / "run" / BEST)["decoder.layers.0.weight"].dtype == torch.float16


def test_weights_to_start_from_are_those_of_the_first_step(shards: Path, tmp_path: Path) -> None:
    small_reconstruction(shards, tmp_path / "first", steps=3).run()
    start_from = tmp_path / "first" / FINAL
    trainer = small_reconstruction(shards, tmp_path / "run", start_from=start_from, steps=3)
    weights = load_file(start_from)
    for name, value in objective_of(trainer).network.state_dict().items():
        torch.testing.assert_close(value, weights[name].to(value.dtype))


def test_the_best_weights_are_kept_and_calibrated(shards: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    small_reconstruction(shards, run, steps=60, validate_steps=20).run()
    log = TrainingLog.read(run / LOG)
    best = max(r["iou_mean"] for r in log.scores if not r.get("final"))
    assert log.final is not None
    assert log.final["iou_mean"] >= best - 0.01  # the best are read back in half precision
    bias = "decoder.layers.2.bias"
    added = load_file(run / FINAL)[bias][0] - load_file(run / BEST)[bias][0]
    assert float(added) == pytest.approx(log.final["calibration"], abs=2e-3)
