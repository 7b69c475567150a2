"""A mesh's colours against photos of it: exposed otherwise, shifted, of something else."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.geometry.ray_caster import RayCaster
from tasks.verdict.photos import Prediction, log_grey, photo_agreement, predict
from tests.tasks.verdict.scene import RADIUS, drum, orbit

CAMERA = orbit(1)[0]


@pytest.fixture(scope="module")
def predicted() -> Prediction:
    mesh = drum()
    return predict(mesh, RayCaster(mesh.vertices, mesh.faces, scale=100.0), CAMERA)


def photo_of(predicted: Prediction) -> NDArray[np.float64]:
    grey = np.where(predicted.hits, np.exp(predicted.grey) - 4.0, 230.0)
    return np.repeat(grey[..., None], 3, axis=2)


def agreement(predicted: Prediction, photo: NDArray[np.float64]) -> float:
    image = np.clip(np.rint(photo), 0, 255).astype(np.uint8)
    return photo_agreement(predicted, image, predicted.hits)


def test_a_pixel_shows_what_its_ray_meets(predicted: Prediction) -> None:
    v, u = 120, 160
    mesh = drum()
    ray = CAMERA.rays(np.array([[u + 0.5, v + 0.5]]))[0]
    away = np.linalg.norm(np.cross(mesh.vertices - CAMERA.centre, ray), axis=1)
    front = mesh.vertices @ CAMERA.centre > 0
    nearest = np.argmin(np.where(front, away, np.inf))
    assert predicted.grey[v, u] == pytest.approx(log_grey(mesh.colours)[nearest], abs=0.3)
    assert predicted.hits[v, u]
    assert not predicted.hits[2, 2]
    assert predicted.grey[2, 2] == 0
    widest = predicted.hits.any(axis=0).sum()
    assert widest == pytest.approx(300 * 2 * RADIUS / 1.4, rel=0.05)


def test_what_no_frame_saw_is_told_apart(predicted: Prediction) -> None:
    mesh = drum(seen_above=0.1)
    caster = RayCaster(mesh.vertices, mesh.faces, scale=100.0)
    below = predict(mesh, caster, orbit(4)[1])
    assert below.hits.sum() > 1000
    assert not (below.seen & ~below.hits).any()
    assert below.seen.sum() < 0.4 * below.hits.sum()
    assert (predicted.seen == predicted.hits).all()


def test_exposure_and_shading_of_whole_parts_count_for_nothing(predicted: Prediction) -> None:
    photo = photo_of(predicted)
    assert agreement(predicted, photo) > 0.98
    shade = np.linspace(0.4, 0.9, photo.shape[1])[None, :, None]
    assert agreement(predicted, photo * shade) > 0.95


def test_a_pattern_that_is_shifted_inverted_or_another_does_not_agree(
    predicted: Prediction,
) -> None:
    photo = photo_of(predicted)
    shifted = np.roll(photo, 12, axis=1)
    assert agreement(predicted, shifted) < 0.4
    middle = float(np.median(predicted.grey[predicted.hits]))
    inverted = np.exp(2 * middle - predicted.grey) - 4.0
    assert agreement(predicted, np.repeat(inverted[..., None], 3, axis=2)) < -0.95
    mesh = drum(seed=1)
    other = predict(mesh, RayCaster(mesh.vertices, mesh.faces, scale=100.0), CAMERA)
    assert abs(agreement(predicted, photo_of(other))) < 0.3


def test_a_photo_without_detail_says_nothing(predicted: Prediction) -> None:
    flat = np.where(predicted.hits[..., None], 60.0, photo_of(predicted))
    assert math.isnan(agreement(predicted, flat))
    few = np.zeros_like(predicted.hits)
    few[118:125, 157:164] = True
    photo = photo_of(predicted).astype(np.uint8)
    assert math.isnan(photo_agreement(predicted, photo, few))


def test_a_change_of_exposure_is_an_offset() -> None:
    colours = np.array([[[96, 96, 96]], [[46, 46, 46]], [[0, 0, 0]]], np.uint8)
    assert log_grey(colours)[:, 0] == pytest.approx(np.log([100.0, 50.0, 4.0]))
