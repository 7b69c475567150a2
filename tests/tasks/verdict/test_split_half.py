"""Halves of a film agree where it determines the tyre, and frames that were zoomed stand out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tasks.geometry.camera import Camera
from tasks.poses.outline import Outline, read_outline
from tasks.poses.record import ObjectEstimate
from tasks.verdict.split_half import compare_halves, scale_by_frame, scale_spread_percent
from tests.tasks.poses.scene import HALF_WIDTH, RADIUS, write_video

TYRE = ObjectEstimate(
    np.zeros(3), np.array([0.0, 0.0, 1.0]), np.array([0.0, 1.0, 0.0]), RADIUS, HALF_WIDTH
)
Film = tuple[dict[int, Camera], dict[int, Outline]]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Film:
    video = write_video(tmp_path_factory.mktemp("film"), "orbit", count=14, size=(240, 180))
    found = [read_outline(video.alphas[i]) for i in video.cameras]
    cameras = dict(enumerate(video.cameras.values()))
    return cameras, {i: o for i, o in enumerate(found) if o is not None}


def zoomed(camera: Camera, times: float) -> Camera:
    return replace(camera, fx=times * camera.fx, fy=times * camera.fy)


def test_halves_of_a_right_film_agree(film: Film) -> None:
    halves = compare_halves(*film, TYRE)
    assert halves is not None
    assert halves.axle_deg < 0.4
    assert halves.centre_percent < 1.0
    assert halves.outline_percent < 1.5


def test_halves_that_were_filmed_otherwise_do_not(film: Film) -> None:
    """The odd frames are taken to have a focal length a tenth longer: their tyre is smaller."""
    cameras, outlines = film
    odd = {i: zoomed(c, 1.1) if i % 2 else c for i, c in cameras.items()}
    halves = compare_halves(odd, outlines, TYRE)
    assert halves is not None
    assert halves.outline_percent > 5.0


def test_with_few_frames_nothing_is_compared(film: Film) -> None:
    cameras, outlines = film
    assert compare_halves({i: cameras[i] for i in range(9)}, outlines, TYRE) is None
    assert scale_by_frame({}, outlines, TYRE) == {}
    assert np.isnan(scale_spread_percent({0: 1.0, 1: 1.1}))


def test_a_frame_that_was_zoomed_stands_out(film: Film) -> None:
    cameras, outlines = film
    right = scale_by_frame(cameras, outlines, TYRE)
    assert sorted(right) == sorted(outlines)
    assert scale_spread_percent(right) < 2.0
    wrong = scale_by_frame(cameras | {5: zoomed(cameras[5], 1.1)}, outlines, TYRE)
    assert wrong[5] / right[5] == pytest.approx(1 / 1.1, rel=0.01)
    assert all(wrong[i] == right[i] for i in right if i != 5)


def test_the_spread_is_half_of_what_lies_between_the_tenths() -> None:
    assert scale_spread_percent(dict(enumerate(np.linspace(0.9, 1.1, 11)))) == pytest.approx(8.0)
