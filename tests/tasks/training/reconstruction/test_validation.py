"""The level of the surface that training works towards is that of the model's configuration."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tasks.training.reconstruction.initialise import initialise
from tasks.training.reconstruction.shards import ShardReader
from tasks.training.reconstruction.validation import calibrate, validate
from tests.tasks.training.tiny import CONFIG
from tsr.config import TSRConfig
from tsr.system import TSR

BIAS = 1.5
"""Another density bias than the published one of -1."""


@pytest.fixture
def pair(tmp_path: Path) -> tuple[TSR, TSR]:
    """Two models of one and the same density: one with the published bias, one with another."""
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG)
    cfg = TSRConfig.load(path)
    torch.manual_seed(0)
    published = TSR(cfg)
    other = TSR(replace(cfg, renderer=replace(cfg.renderer, density_bias=BIAS)))
    other.load_state_dict(published.state_dict())
    with torch.no_grad():
        for model in (published, other):  # densities on both sides of the surface's
            model.decoder.layers[-1].get_parameter("weight")[0] *= 20
            model.decoder.layers[-1].get_parameter("bias")[0] = (
                3.2 - model.cfg.renderer.density_bias
            )
    return published.eval(), other.eval()


def test_scores_and_calibration_follow_the_density_bias(
    shards: Path, pair: tuple[TSR, TSR]
) -> None:
    reader = ShardReader(shards, "validation")
    published, other = pair
    scores = validate(published, reader)
    assert 0 < scores["iou_mean"] < 1
    assert validate(other, reader) == pytest.approx(scores, abs=1e-3)
    assert calibrate(other, reader) == pytest.approx(calibrate(published, reader))


def test_a_new_model_starts_near_the_surface_whatever_its_density_bias(
    pair: tuple[TSR, TSR],
) -> None:
    starts = []
    for model in map(copy.deepcopy, pair):
        initialise(model)
        raw = model.decoder.layers[-1].get_parameter("bias")[0].item()
        starts.append(raw + model.cfg.renderer.density_bias)
    assert starts[1] == pytest.approx(starts[0])
