"""Crops run round, mirror with their truth, and are corrupted with their statistics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from tasks.fusion.decision.network_inputs import CHANNELS, PHOTOS
from tasks.training.fusion.crops import Subject, corrupted

CPU = torch.device("cpu")


def test_what_is_done_to_channels_is_done_to_their_statistics(subjects: Path) -> None:
    subject = Subject.read(subjects, 3, CPU)
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


def test_crops_run_round_and_mirror_with_their_truth(subjects: Path) -> None:
    subject = Subject.read(subjects, 5, CPU)
    rng = np.random.default_rng(0)
    at = CHANNELS.index("consistency")
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
