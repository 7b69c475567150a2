"""Colours of what no frame saw: those around the axle, and no step where what was seen begins."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tasks.atlas.inpainting import fill_unseen

ROUND, ALONG = 120, 11
RED, GREY, GREEN = (200.0, 40.0, 40.0), (90.0, 90.0, 90.0), (0, 255, 0)


def drum() -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """An open drum about the z axis, its faces, and the angle of each vertex."""
    angle, z = np.meshgrid(
        np.arange(ROUND) * 2 * np.pi / ROUND, np.linspace(-0.1, 0.1, ALONG), indexing="ij"
    )
    vertices = np.stack([0.3 * np.cos(angle), 0.3 * np.sin(angle), z], axis=-1).reshape(-1, 3)
    at = np.arange(ROUND * ALONG).reshape(ROUND, ALONG)
    nxt = np.roll(at, -1, axis=0)
    a, b, c, d = at[:, :-1], nxt[:, :-1], nxt[:, 1:], at[:, 1:]
    faces = np.concatenate([np.stack(f, axis=-1).reshape(-1, 3) for f in ((a, b, c), (a, c, d))])
    return vertices, faces, angle.ravel()


def test_what_is_seen_stays_and_a_ring_goes_on_round() -> None:
    """A red ring on a grey drum, a third of it unseen: there it is red, and the drum grey."""
    vertices, faces, angle = drum()
    ring = np.abs(vertices[:, 2]) < 0.05
    colours = np.where(ring[:, None], RED, GREY).astype(np.float32)
    seen = angle > 2.1
    otherwise = np.full((len(vertices), 3), GREEN, np.uint8)
    shown = np.where(seen[:, None], colours, 0).astype(np.float32)
    filled, around = fill_unseen(vertices, faces, shown, seen, otherwise)
    assert (filled[seen] == colours[seen]).all()
    assert (around == ~seen).all()
    inside = np.abs(vertices[:, 2]) < 0.03
    assert np.abs(filled[~seen & inside] - RED).max() < 40
    assert np.abs(filled[~seen & (np.abs(vertices[:, 2]) > 0.09)] - GREY).max() < 40


def test_where_nothing_is_seen_around_another_colour_stands() -> None:
    """One half of the width is seen nowhere: far from the other it has the colour given."""
    vertices, faces, _ = drum()
    seen = vertices[:, 2] < 0.0
    colours = np.where(seen[:, None], GREY, 0).astype(np.float32)
    otherwise = np.full((len(vertices), 3), GREEN, np.uint8)
    filled, around = fill_unseen(vertices, faces, colours, seen, otherwise)
    assert not around.any()
    assert (filled[seen] == np.float32(GREY)).all()
    beside = np.isclose(vertices[:, 2], 0.0)
    assert np.abs(filled[beside] - GREY).max() < 60, "no step where what was seen begins"


def test_light_on_what_was_seen_runs_out_softly() -> None:
    """Half of a ring is 40 levels brighter; its unseen neighbours begin as bright as it ends."""
    vertices, faces, angle = drum()
    seen = (angle > 1.0) & (angle < 5.0)
    light = np.where(angle < 3.0, 130.0, 90.0)
    colours = np.where(seen[:, None], light[:, None], 0).astype(np.float32).repeat(3, axis=1)[:, :3]
    otherwise = np.zeros((len(vertices), 3), np.uint8)
    filled, _ = fill_unseen(vertices, faces, colours, seen, otherwise)
    step = 2 * np.pi / ROUND
    beside = ~seen & (angle > 1.0 - 1.5 * step) & (angle <= 1.0)
    assert filled[beside].min() > 120
