"""Masks with known faults."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trimesh

from tasks.evaluation.masks import boundary_error, film_scores, score_mask, true_labels
from tasks.geometry.camera import look_at
from tasks.imaging.images import write_image
from tasks.matting.parts import RIM, RUBBER
from tasks.synthetic.scenes.truth import VideoTruth, parts_path
from tasks.synthetic.tyres.imported_wheels import from_trimesh

Y, X = np.mgrid[0:200, 0:200] + 0.5
RADIUS = np.hypot(X - 100, Y - 100)


def wheel(flange: float = 50.0) -> np.ndarray:
    """A tyre of radius 80 with a rim and an opening of radius 20."""
    rings = [RADIUS < 20, flange > RADIUS, RADIUS < 80]
    return np.select(rings, [0, RIM, RUBBER], 0).astype(np.uint8)


def test_a_right_mask_scores_perfectly() -> None:
    scores = score_mask(wheel() > 0, wheel(), wheel())
    assert scores.to_dict() == {
        "iou": 1.0, "precision": 1.0, "recall": 1.0, "openings": 1.0, "boundary": 0.0,
    }  # fmt: skip


def test_a_stand_a_missing_half_and_a_filled_opening_are_told_apart() -> None:
    tyre = wheel() > 0
    stand = tyre | ((np.abs(X - 100) < 30) & (Y > 180))
    assert score_mask(stand, wheel()).precision == pytest.approx(
        tyre.sum() / (tyre.sum() + 60 * 20), abs=0.01
    )
    assert score_mask(stand, wheel()).recall == 1.0
    half = score_mask(tyre & (X < 100), wheel())
    assert (half.precision, half.recall, half.iou) == (1.0, pytest.approx(0.5), pytest.approx(0.5))
    filled = score_mask(RADIUS < 80, wheel())
    assert (filled.openings, filled.recall) == (0.0, 1.0)
    part = score_mask((RADIUS < 80) & ~((RADIUS < 20) & (X < 100)), wheel())
    assert part.openings == pytest.approx(0.5, abs=0.02)
    assert np.isnan(score_mask(tyre, np.where(RADIUS < 80, RUBBER, 0).astype(np.uint8)).openings)


def test_the_boundary_is_off_by_the_known_share_of_the_diameter() -> None:
    assert boundary_error(wheel(54.0), wheel()) == pytest.approx(100 * 4 / 160, abs=0.25)
    assert np.isnan(boundary_error(np.where(wheel() > 0, RUBBER, 0).astype(np.uint8), wheel()))


def test_a_film_has_its_medians_and_its_worst_mask() -> None:
    good, bad = score_mask(wheel() > 0, wheel()), score_mask((wheel() > 0) & (X < 100), wheel())
    film = film_scores([good, good, bad])
    assert (film["iou"], film["iou_worst"]) == (1.0, pytest.approx(0.5))
    assert np.isnan(film["boundary"])
    assert np.isnan(film_scores([])["iou"])


def test_labels_are_read_where_they_are_kept_and_rendered_where_not(tmp_path: Path) -> None:
    ring = from_trimesh(trimesh.creation.annulus(r_min=0.2, r_max=0.4, height=0.1), diameter=0.8)
    camera = look_at(np.array([0.0, 0.0, 2.0]), np.zeros(3), focal_px=200, width=200, height=200)
    known = VideoTruth(1, "orbit", "yard", 15.0, 0.8, 0.1, (camera,))
    video = tmp_path / "film.mp4"
    labels = true_labels(video, known, ring)(0)
    front = 200 / 1.95
    assert not labels[(RADIUS < 0.19 * 200 / 2.05) | (0.405 * front < RADIUS)].any()
    assert (labels[(0.205 * front < RADIUS) & (0.395 * front > RADIUS)] == RUBBER).all()
    parts_path(video, 0).parent.mkdir()
    write_image(parts_path(video, 0), wheel())
    np.testing.assert_array_equal(true_labels(video, known, ring)(0), wheel())
