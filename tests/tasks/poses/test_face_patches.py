"""Patches of a faint disc that turns, found again in its unrolled pictures."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from tasks.poses.face_images import AROUND, unrolled
from tasks.poses.face_patches import PATCH_RINGS, follow_patches

FloatArray = NDArray[np.float64]

SIZE, MIDDLE, RADIUS = 401, 200.5, 180.0
TURNS = np.radians(np.arange(8) * 10.3)


def disc(turn: float, seed: int) -> NDArray[np.uint8]:
    """Faint texture that turns, under noise and shading that do not."""
    texture = gaussian_filter(np.random.default_rng(3).normal(size=(720, 90)), (3.0, 3.0))
    v, u = np.mgrid[:SIZE, :SIZE] + 0.5 - MIDDLE
    row = np.rint((np.arctan2(v, u) - turn) / (2 * np.pi) * 720).astype(int) % 720
    shown = 100.0 * texture[row, np.clip(np.hypot(u, v) / RADIUS * 89, 0, 89).astype(int)]
    shown += 100.0 + 40.0 * np.sin(u / 30.0)
    shown += np.random.default_rng(seed).normal(0, 3.0, shown.shape)
    return np.clip(shown, 0, 255).astype(np.uint8)


def followed(told: FloatArray, off_px: float = 0.0) -> tuple[int, float]:
    """Number of patches found, and the share that turn to where they should, within 2 pixels."""
    around = 2.0 * np.pi * np.arange(AROUND) / AROUND
    circle = np.stack([np.cos(around), np.sin(around)], axis=1)
    places = [MIDDLE + off_px + RADIUS * PATCH_RINGS[:, None, None] * circle] * len(TURNS)
    images = [disc(turn, k) for k, turn in enumerate(TURNS)]
    seen = follow_patches(unrolled(images, places), places, told, 3)
    at = (seen.pixel - MIDDLE) @ np.array([1, 1j]) * np.exp(-1j * told[seen.frame])
    _, first = np.unique(seen.point, return_index=True)
    others = np.delete(np.arange(len(at)), first)
    apart = np.abs(at - at[first][seen.point])
    return len(others), float(np.mean(apart[others] < 2.0))


@pytest.mark.parametrize("off_px", [0.0, 6.0], ids=["the axle known", "some pixels off"])
def test_patches_are_where_their_points_have_turned_to(off_px: float) -> None:
    number, right = followed(TURNS, off_px)
    assert number > 40 * len(TURNS)
    assert right > 0.9


def test_of_what_is_found_by_chance_little_turns_as_it_should() -> None:
    _, right = followed(2.0 * TURNS)
    assert right < 0.25
