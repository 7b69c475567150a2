"""Gains undo how much brighter one frame is than the others."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.imaging.exposure import frame_gains


@pytest.fixture
def places() -> np.ndarray:
    return np.random.default_rng(0).uniform(40.0, 160.0, (300, 3)).astype(np.float32)


def test_a_brighter_frame_is_dimmed_by_as_much(places: np.ndarray) -> None:
    frames = np.stack([places, places, 1.2 * places, places])
    gains = frame_gains(frames, np.ones(frames.shape[:2], np.float32))
    assert gains == pytest.approx([1.0, 1.0, 1 / 1.2, 1.0], abs=0.01)


def test_a_gain_has_bounds(places: np.ndarray) -> None:
    frames = np.stack([places, places, 3.0 * places, 0.2 * places])
    gains = frame_gains(frames, np.ones(frames.shape[:2], np.float32))
    assert gains == pytest.approx([1.0, 1.0, 0.7, 1.4])


def test_frames_that_share_too_little_stay_as_they_are(places: np.ndarray) -> None:
    frames = np.stack([places, 2.0 * places])
    apart = np.zeros(frames.shape[:2], np.float32)
    apart[0, :150] = apart[1, 150:] = 1.0
    assert frame_gains(frames, apart).tolist() == [1.0, 1.0]
    apart[1, 140:150] = 1.0  # ten places that both show
    assert frame_gains(frames, apart).tolist() == [1.0, 1.0]
