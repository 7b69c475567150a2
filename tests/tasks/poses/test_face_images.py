"""How far a face has turned, from pictures that also show what does not turn."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from tasks.poses.face_images import AROUND, RINGS, turns_of, unrolled
from tasks.poses.face_turns import wrapped

SIZE, MIDDLE, RADIUS = 401, 200.5, 180.0


def face(turn: float) -> NDArray[np.uint8]:
    """A disc with a random texture, turned; shading and a reflection stay where they are."""
    rng = np.random.default_rng(3)
    texture = gaussian_filter(rng.normal(size=(720, 90)), (2.0, 2.0), mode=("wrap", "nearest"))
    v, u = np.mgrid[:SIZE, :SIZE] + 0.5 - MIDDLE
    radius, around = np.hypot(u, v) / RADIUS, np.arctan2(v, u) - turn
    row = np.rint(around / (2 * np.pi) * 720).astype(int) % 720
    shown = texture[row, np.clip(radius * 89, 0, 89).astype(int)] * 200.0
    shown += 40.0 * np.cos(np.arctan2(v, u) - 0.7) + 60.0 * (np.hypot(u - 60, v + 80) < 30)
    return np.clip(shown + 110.0, 0, 255).astype(np.uint8)


def pixels() -> NDArray[np.float64]:
    around = 2.0 * np.pi * np.arange(AROUND) / AROUND
    circle = np.stack([np.cos(around), np.sin(around)], axis=1)
    return MIDDLE + RADIUS * RINGS[:, None, None] * circle


def test_every_pair_tells_its_turn() -> None:
    turns = np.radians(np.cumsum([0.0, 9.3, 14.1, 5.2, 30.0, 61.7, 120.4]))
    pictures = unrolled([face(t) for t in turns], [pixels()] * len(turns))
    told = {(i, j): angles for i, j, angles in turns_of(pictures)}
    assert len(told) == 21
    for (i, j), angles in told.items():
        assert len(angles) > 20, "most rings tell an angle"
        assert float(np.degrees(np.median(angles))) == pytest.approx(
            float(np.degrees(wrapped(turns[j] - turns[i]))), abs=0.3
        )


def test_what_stays_tells_no_turn() -> None:
    pictures = unrolled([face(0.0)] * 4, [pixels()] * 4)
    assert all(len(angles) == 0 for _, _, angles in turns_of(pictures))
