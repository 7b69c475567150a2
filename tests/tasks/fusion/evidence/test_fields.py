"""Means of the frames' fields that one wrong frame does not move."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.fusion.evidence.fields import frame_overlaps, lacks_rim, robust_mean
from tasks.fusion.grid import make_grid


def test_the_robust_mean_ignores_one_wild_frame() -> None:
    values = np.array([1.0, 1.2, 0.8, 1.0, -4.0], np.float32)[:, None]
    mean, std, effective = robust_mean(values, np.ones_like(values), robust_scale=1.0)
    assert mean[0] == pytest.approx(0.9, abs=0.15)
    assert effective[0] == pytest.approx(5.0)
    assert std[0] > 0


def test_frames_count_by_their_overlap_and_a_missing_rim_is_detected() -> None:
    grid = make_grid(0.36, 0.15, steps=32, angles=48)
    r = np.broadcast_to(grid.radii[:, None, None], grid.shape)
    z = np.broadcast_to(np.abs(grid.heights), grid.shape)
    ring = np.where((r > 0.2) & (r < 0.34) & (z < 0.1), 2.0, -2.0).astype(np.float32)
    thin = np.where((r > 0.2) & (r < 0.34) & (z < 0.05), 2.0, -2.0).astype(np.float32)
    lost = np.where(r < 0.1, 2.0, -2.0).astype(np.float32)
    overlaps = frame_overlaps(np.stack([ring, thin, lost]), grid, ring)
    assert overlaps[0] == 1.0
    assert overlaps[1] == pytest.approx((thin > 0).sum() / (ring > 0).sum(), rel=0.05)
    assert overlaps[2] == 0.0
    assert frame_overlaps(np.full((2, *grid.shape), -1.0, np.float32), grid, lost - 9).tolist() == [
        1,
        1,
    ]
    hub = np.where((r < 0.06) & (z < 0.02), 2.0, -2.0).astype(np.float32)
    assert lacks_rim(grid, np.stack([ring, ring, np.maximum(ring, hub)]))
    assert not lacks_rim(grid, np.maximum(ring, hub)[None])
    discs = [np.where((r < 0.3) & (abs(z - at) < 0.012), 2.0, -2.0) for at in (0.02, 0.05, 0.08)]
    frames = np.stack([np.maximum(ring, d).astype(np.float32) for d in discs])
    assert (frames.mean(axis=0)[grid.radii < 0.1] < 0).all(), "together they say: a hole"
    assert not lacks_rim(grid, frames)
