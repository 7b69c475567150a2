"""Bundle adjustment of one fixed axis, against bodies that turn as they are told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from tasks.poses.fixed_axis import FixedAxis, adjust, residuals_px
from tasks.poses.observations import Observations

FloatArray = NDArray[np.float64]

SPIN = np.array([0.5, -0.15, -0.85])  # the face is seen, 32 degrees off the axle
TURNTABLE = np.array([0.03, -0.95, -0.3])


def body(axis: FloatArray, *, frames: int, turn_deg: float, seed: int = 0) -> FixedAxis:
    """Points of a thick disc about the axle's direction, a third as large as the distance."""
    rng = np.random.default_rng(seed)
    axis = axis / np.linalg.norm(axis)
    count = 150
    around, radius = rng.uniform(0, 2 * np.pi, count), 0.18 * np.sqrt(rng.uniform(0.1, 1, count))
    flat = np.stack([radius * np.cos(around), radius * np.sin(around)], axis=1)
    height = rng.uniform(-0.06, 0.06, count)
    upright = Rotation.align_vectors(axis[None], np.array([[0.0, 0.0, 1.0]]))[0].as_matrix()
    points = np.concatenate([flat, height[:, None]], axis=1) @ upright.T
    steps = np.radians(turn_deg) / frames * (1 + 0.2 * np.sin(np.arange(frames)))
    return FixedAxis(
        620.0,
        np.array([320.0, 240.0]),
        axis,
        np.array([0.03, -0.02, 1.0]),
        np.concatenate([[0.0], np.cumsum(steps)[:-1]]),
        points,
        np.zeros((frames, 6)),
    )


def observed(model: FixedAxis, *, length: int, seed: int = 1) -> Observations:
    """Every point in a run of frames, as tracks see it."""
    rng = np.random.default_rng(seed)
    n = len(model.angles)
    frame, point = [], []
    for p in range(len(model.points)):
        first = int(rng.integers(0, n - length + 1))
        frame += list(range(first, first + length))
        point += [p] * length
    seen = Observations(np.array(frame), np.array(point), np.zeros((len(frame), 2)))
    pixel = np.empty((len(frame), 2))
    for k in range(n):
        at = seen.frame == k
        pixel[at] = model.camera(k, 640, 480).project(model.points[seen.point[at]] + model.centre)[
            :, :2
        ]
    return Observations(seen.frame, seen.point, pixel)


def disturbed(model: FixedAxis, seed: int = 2) -> FixedAxis:
    """A first guess as coarse as outlines give it."""
    rng = np.random.default_rng(seed)
    tilt = Rotation.from_rotvec(np.radians(4.0) * np.array([0.6, 0.8, 0.0])).as_matrix()
    noise = np.radians(1.5) * rng.normal(size=len(model.angles))
    noise[0] = 0.0
    return replace(
        model,
        focal=1.12 * model.focal,
        axis=tilt @ model.axis,
        centre=model.centre + np.array([0.01, -0.01, 0.0]),
        angles=model.angles + noise,
        points=model.points + rng.normal(0, 0.01, model.points.shape),
        shake=np.zeros_like(model.shake),
    )


def rotation_errors_deg(found: FixedAxis, truth: FixedAxis) -> FloatArray:
    """Errors of the frames, the body's own frame being turned as fits them best."""
    frames = range(len(truth.angles))
    apart = Rotation.from_matrix([found.pose(k)[0].T @ truth.pose(k)[0] for k in frames])
    turn = apart.mean().as_matrix()  # truth -> found
    errors = [found.pose(k)[0] @ turn @ truth.pose(k)[0].T for k in frames]
    return np.degrees(Rotation.from_matrix(errors).magnitude())


def axis_error_deg(found: FixedAxis, truth: FixedAxis) -> float:
    return float(np.degrees(np.arccos(min(1.0, abs(found.axis @ truth.axis)))))


@pytest.mark.parametrize("axis", [SPIN, TURNTABLE], ids=["spin", "turntable"])
@pytest.mark.parametrize("turn_deg", [360.0, -360.0, 60.0])
def test_without_noise_the_turn_is_found_exactly(axis: FloatArray, turn_deg: float) -> None:
    truth = body(axis, frames=20, turn_deg=turn_deg)
    seen = observed(truth, length=8)
    start = disturbed(truth)
    found = adjust(start, seen, scale_px=1.0, focal_prior=truth.focal)
    assert axis_error_deg(found, truth) < 1e-5
    assert rotation_errors_deg(found, truth).max() < 1e-5
    assert found.focal == pytest.approx(truth.focal, rel=1e-6)
    assert residuals_px(found, seen).max() < 1e-5


@pytest.mark.parametrize("axis", [SPIN, TURNTABLE], ids=["spin", "turntable"])
def test_noise_and_outliers_are_withstood(axis: FloatArray) -> None:
    truth = body(axis, frames=24, turn_deg=345.0)
    seen = observed(truth, length=10)
    rng = np.random.default_rng(5)
    pixel = seen.pixel + rng.normal(0, 0.5, seen.pixel.shape)
    wrong = rng.random(len(pixel)) < 0.2
    pixel[wrong] += rng.uniform(-40, 40, (int(wrong.sum()), 2))
    noisy = Observations(seen.frame, seen.point, pixel)
    found = adjust(disturbed(truth), noisy, scale_px=1.0, focal_prior=1.1 * truth.focal)
    assert axis_error_deg(found, truth) < 0.3
    assert np.median(rotation_errors_deg(found, truth)) < 0.3
    assert rotation_errors_deg(found, truth).max() < 0.5  # the ends of an arc hang on one side
    assert found.focal == pytest.approx(truth.focal, rel=0.04)


@pytest.mark.parametrize("axis", [SPIN, TURNTABLE], ids=["spin", "turntable"])
def test_a_hand_that_moves_is_followed(axis: FloatArray) -> None:
    truth = body(axis, frames=20, turn_deg=340.0)
    time = np.arange(20)[:, None]
    sway = np.sin(time / np.array([2.0, 3.0, 4.0, 2.5, 3.5, 4.5]))
    shake = sway * np.array([0.03, 0.03, 0.02, 0.015, 0.015, 0.02])
    truth = replace(truth, shake=shake - shake[0])
    seen = observed(truth, length=10)
    found = adjust(disturbed(truth), seen, scale_px=1.0, focal_prior=truth.focal, shaking=True)
    assert rotation_errors_deg(found, truth).max() < 0.6
    assert residuals_px(found, seen).max() < 0.2


def test_the_centre_does_not_slide_along_the_axis_to_make_a_hands_motion_likely() -> None:
    """Its depth is the unit of what a hand moves: from far beyond the body all of it is small."""
    truth = body(SPIN, frames=20, turn_deg=340.0)
    rng = np.random.default_rng(3)
    truth = replace(truth, shake=rng.normal(0, 1, (20, 6)) * np.repeat([0.01, 0.03], 3))
    seen = observed(truth, length=10)
    noisy = Observations(seen.frame, seen.point, seen.pixel + rng.normal(0, 0.5, seen.pixel.shape))
    start = replace(truth, shake=np.zeros((20, 6)))
    found = adjust(start, noisy, scale_px=1.0, focal_prior=truth.focal, shaking=True)
    heights = found.points @ found.axis
    assert abs(float(np.median(heights))) < 0.06, "of a body 0.12 thick about its centre"
    assert axis_error_deg(found, truth) < 1.5


def test_the_same_observations_give_the_same_bits() -> None:
    truth = body(SPIN, frames=12, turn_deg=200.0)
    seen = observed(truth, length=6)
    first, second = (
        adjust(disturbed(truth), seen, scale_px=1.0, focal_prior=700.0) for _ in range(2)
    )
    np.testing.assert_array_equal(first.points, second.points)
    np.testing.assert_array_equal(first.angles, second.angles)
