"""What the network can tell apart before the first step."""

from __future__ import annotations

import torch

from tasks.training.reconstruction.initialise import plane_waves


def test_positions_differ_from_each_other() -> None:
    waves = plane_waves(8, 64)
    gap = torch.cdist(waves, waves) + 1e3 * torch.eye(64)
    assert gap.min() > 0.5
