"""Key points are chosen as asked, and corresponding descriptors found."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tasks.poses.features.keypoints import KeyPoints, match


def directions(count: int, seed: int = 0) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).normal(size=(count, 16)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def test_descriptors_find_their_copies_in_another_order() -> None:
    a = directions(50)
    order = np.random.default_rng(1).permutation(50)
    found = match(a, a[order], max_angle=0.1, max_ratio=0.8)
    assert np.array_equal(found[:, 0], np.arange(50))
    assert np.array_equal(order[found[:, 1]], np.arange(50))


def test_a_match_must_be_mutual_near_and_without_a_rival() -> None:
    angles = np.radians([0.0, 1.0, 40.0, 90.0])
    a = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)
    b = a[[0, 2]]
    assert match(a, b).tolist() == [[0, 0], [2, 1]]  # 1 degree and 90 degrees are nobody's nearest
    far = np.array([[np.cos(0.3), np.sin(0.3)]], np.float32)
    assert len(match(a[:1], far, max_angle=0.2)) == 0
    assert len(match(a[:1], far, max_angle=0.4)) == 1
    rivals = np.array([[np.cos(x), np.sin(x)] for x in (0.1, -0.11)], np.float32)
    assert len(match(a[:1], rivals, max_ratio=0.8)) == 0
    assert len(match(a[:1], rivals, max_ratio=0.95)) == 1


def test_nothing_matches_nothing() -> None:
    assert match(directions(3), np.empty((0, 16), np.float32)).shape == (0, 2)


def test_masks_strengths_and_limits_choose() -> None:
    points = KeyPoints(
        np.array([[0.5, 0.5], [7.99, 3.0], [8.0, 3.0], [2.5, 2.5]]),
        np.array([0.9, 0.5, 0.4, 0.1], np.float32),
        directions(4),
    )
    mask = np.zeros((4, 8), np.uint8)
    mask[:, 4:] = 255
    assert points.within(mask).points.tolist() == [[7.99, 3.0], [8.0, 3.0]]  # the last at the edge
    assert len(points.stronger_than(0.4)) == 3
    assert points.best(1).points.tolist() == [[0.5, 0.5]]
