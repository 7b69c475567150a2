"""The fusing network learns what the evidence says, and goes on after a stop."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from tasks.fusion.decision.network import load_fuser
from tasks.fusion.decision.network_inputs import CHANNELS, PHOTOS
from tasks.network.weights import FUSER
from tasks.training.fusion.trainer import FuseConfig, Subject, corrupted, train, validate

SHAPE = (16, 24, 12)


def make_subject(folder: Path, seed: int) -> None:
    """A ring whose place only the photos of one face tell; the network says nothing of use."""
    rng = np.random.default_rng(seed)
    channels = rng.normal(0.0, 0.2, (len(CHANNELS), *SHAPE)).astype(np.float16)
    r, _, z = np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij")
    middle = rng.integers(3, 9)
    solid = (np.abs(z - middle) < 2) & (r > 4)
    channels[CHANNELS.index("hull")] = 1.0
    channels[CHANNELS.index("agreement")] += np.where(np.abs(z - middle) == 2, 2.0, 0.0)
    np.save(folder / f"{seed}.channels.npy", channels)
    np.save(folder / f"{seed}.occupancy.npy", np.where(solid, 255, 0).astype(np.uint8))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for seed in range(8):
        make_subject(folder, seed)
    return folder


def test_it_learns_and_goes_on(data: Path, tmp_path: Path) -> None:
    """Processors differ in speed by far: it has learnt after 9 seconds or after 70."""
    run = tmp_path / "run"
    held_out = [Subject.read(data, seed) for seed in ("0", "4")]
    steps, spent, iou = [], [], []
    for minutes in (0.05, 0.15, 0.3, 0.6, 1.2):
        config = FuseConfig(
            minutes=minutes, learning_rate=4e-3, angles=24, held_out=4, average=0.9, save_s=2.0
        )
        train(data, run, config, threads=1)
        checkpoint = torch.load(run / "checkpoint.pt", weights_only=True)
        steps.append(checkpoint["step"])
        spent.append(checkpoint["spent"])
        iou.append(validate(load_fuser(run / FUSER, str(minutes)), held_out)["iou"])
        if len(steps) > 1 and iou[-1] > 0.5:
            break
    assert iou[-1] > 0.5
    assert iou[-1] > iou[0]
    assert steps == sorted(set(steps))
    assert spent == sorted(set(spent))
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert all(math.isfinite(line["loss"]) for line in lines)


def test_what_is_done_to_channels_is_done_to_their_statistics(data: Path) -> None:
    subject = Subject.read(data, "3")
    whole = subject.channels.float()[None]
    statistics = subject.statistics[0]
    changed = 0
    for seed in range(12):
        part, numbers = whole.clone(), statistics.clone()
        corrupted((part, numbers), np.random.default_rng(seed))
        torch.testing.assert_close(part[0].mean(dim=2), numbers[0], atol=1e-3, rtol=0)
        torch.testing.assert_close(part[0].amax(dim=2), numbers[2], atol=1e-3, rtol=0)
        changed += not torch.equal(part, whole)
    assert 3 < changed < 12


def test_crops_run_round_and_mirror_with_their_truth(data: Path) -> None:
    subject = Subject.read(data, "5")
    rng = np.random.default_rng(0)
    at = CHANNELS.index("agreement")
    both = set()
    for _ in range(12):
        channels, statistics, solid = subject.crop(20, rng)
        assert channels.shape == (len(CHANNELS), 16, 20, 12)
        assert statistics.shape == (3 * len(CHANNELS), 16, 12)
        side = at if channels[at].max() > 1.0 else at + len(PHOTOS)
        both.add(side)
        if channels[side].max() > 1.0:  # not hidden by a corruption
            ridge = channels[side].mean(dim=(0, 1)) > 1.0
            assert not (solid.mean(dim=(0, 1)) > 0)[ridge].any()
            assert solid[8, 0][torch.nonzero(ridge)[0].item() + 1] == 1.0
    assert both == {at, at + len(PHOTOS)}
