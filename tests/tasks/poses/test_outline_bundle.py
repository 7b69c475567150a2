"""Cameras adjusted to points and outlines together, against known ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from tasks.geometry.camera import Camera
from tasks.geometry.lens import Lens
from tasks.poses.fit_solid import fit_solid
from tasks.poses.observations import Observations
from tasks.poses.outline_bundle import Scene, adjust_with_outlines, reprojection_px
from tasks.poses.solid import Views
from tests.tasks.poses.silhouettes import (
    CENTRE,
    axle_error_deg,
    cameras_around,
    mask_of,
    outline,
    stand,
    tyre_points,
)

FloatArray = NDArray[np.float64]

FRAMES = 24


def points_seen(
    cameras: list[Camera], lens: Lens, noise_px: float
) -> tuple[FloatArray, Observations]:
    """Points of the world, each seen from one side only, so that no track goes far round."""
    rng = np.random.default_rng(3)
    outward = rng.normal(size=(900, 3))
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    points = CENTRE + outward * rng.uniform(0.25, 0.7, (900, 1))
    frame, point, pixel = [], [], []
    for n, camera in enumerate(cameras):
        view = camera.centre - CENTRE
        facing = outward @ view / np.linalg.norm(view)
        seen = lens.distort_pixels(camera.project(points)[:, :2], camera)
        inside = ((seen > 0) & (seen < (camera.width, camera.height))).all(axis=1)
        which = np.flatnonzero((facing > 0.85) & inside)
        frame.append(np.full(len(which), n))
        point.append(which)
        pixel.append(seen[which] + rng.normal(0, noise_px, (len(which), 2)))
    return points, Observations(np.concatenate(frame), np.concatenate(point), np.concatenate(pixel))


def bent(
    cameras: list[Camera], points: FloatArray, seen: Observations, by_deg: float
) -> tuple[list[Camera], FloatArray]:
    """Cameras turned about the upright by an angle that grows along the path; points with them."""
    angles = np.radians(by_deg) * (np.arange(len(cameras)) / (len(cameras) - 1) - 0.5)
    turned = []
    for camera, angle in zip(cameras, angles, strict=True):
        turn = Rotation.from_rotvec([0, angle, 0]).as_matrix()
        rotation = camera.rotation @ turn.T
        centre = CENTRE + turn @ (camera.centre - CENTRE)
        turned.append(
            replace(
                camera,
                fx=1.05 * camera.fx,
                fy=1.05 * camera.fy,
                rotation=rotation,
                translation=-rotation @ centre,
            )
        )
    count = np.maximum(np.bincount(seen.point, minlength=len(points)), 1)
    mean = np.bincount(seen.point, angles[seen.frame], minlength=len(points)) / count
    turns = Rotation.from_rotvec(np.outer(mean, [0, 1, 0]))
    return turned, CENTRE + turns.apply(points - CENTRE)


def errors_deg(found: Scene, truth: list[Camera]) -> tuple[FloatArray, float]:
    """Errors of rotations ``(N,)`` and axle, after the turn of the world that suits all cameras."""
    pairs = list(zip(found.cameras, truth, strict=True))
    turn = Rotation.from_matrix([t.rotation.T @ c.rotation for c, t in pairs]).mean().as_matrix()
    turns = [Rotation.from_matrix(c.rotation @ turn.T @ t.rotation.T) for c, t in pairs]
    off = np.degrees([t.magnitude() for t in turns])
    return off, axle_error_deg(replace(found.solid, axle=turn @ found.solid.axle))


@pytest.mark.parametrize("k1", [0.0, -0.06])
def test_a_bent_path_is_straightened_by_outlines(k1: float) -> None:
    """Though every mask holds a stand besides, and the focal length is a twentieth too long."""
    truth, lens = cameras_around(FRAMES, 300.0), Lens(k1)
    points, seen = points_seen(truth, lens, 0.3)
    outlines = [outline(mask_of(c, tyre_points(), *stand())) for c in truth]
    cameras, moved = bent(truth, points, seen, 8.0)
    start = Scene(tuple(cameras), 0.0, moved, fit_solid(Views(cameras, outlines)))
    assert np.median(errors_deg(start, truth)[0]) > 1.9
    found = adjust_with_outlines(start, seen, outlines, fix_k1=k1 == 0.0)
    rotations, axle = errors_deg(found, truth)
    assert np.median(rotations) < 0.1
    assert rotations.max() < 0.25
    assert axle < 0.15
    assert found.cameras[0].fx == pytest.approx(truth[0].fx, rel=0.01)
    assert found.k1 == pytest.approx(k1, abs=0.01)
    assert np.median(reprojection_px(found, seen)) < 0.4


def test_mistaken_points_and_frames_without_a_mask_do_no_harm() -> None:
    truth = cameras_around(FRAMES, 300.0)
    points, seen = points_seen(truth, Lens(), 0.3)
    rng = np.random.default_rng(5)
    wrong = rng.random(len(seen.frame)) < 0.1
    seen.pixel[wrong] += rng.normal(0, 30.0, (int(wrong.sum()), 2))
    outlines = [outline(mask_of(c, tyre_points())) for c in truth]
    cameras, moved = bent(truth, points, seen, 4.0)
    start = Scene(tuple(cameras), 0.0, moved, fit_solid(Views(cameras, outlines)))
    some = [o if k % 3 else None for k, o in enumerate(outlines)]
    found = adjust_with_outlines(start, seen, some, fix_k1=True)
    rotations, axle = errors_deg(found, truth)
    assert np.median(rotations) < 0.1
    assert axle < 0.15


def test_a_frame_s_own_focal_length_may_breathe_a_little() -> None:
    truth = [
        replace(c, fx=c.fx * (1 + 0.004 * np.sin(k)), fy=c.fy * (1 + 0.004 * np.sin(k)))
        for k, c in enumerate(cameras_around(FRAMES, 300.0))
    ]
    points, seen = points_seen(truth, Lens(), 0.1)
    outlines = [outline(mask_of(c, tyre_points())) for c in truth]
    same = [replace(c, fx=600.0, fy=600.0) for c in truth]
    start = Scene(tuple(same), 0.0, points, fit_solid(Views(same, outlines)))
    found = adjust_with_outlines(start, seen, outlines, fix_k1=True)
    off = np.log([c.fx / t.fx for c, t in zip(found.cameras, truth, strict=True)])
    assert np.std(off) < 0.6 * np.std(np.log([t.fx for t in truth]))


def test_the_same_bits_again() -> None:
    truth = cameras_around(8, 140.0)
    points, seen = points_seen(truth, Lens(), 0.3)
    outlines = [outline(mask_of(c, tyre_points())) for c in truth]
    cameras, moved = bent(truth, points, seen, 4.0)
    start = Scene(tuple(cameras), 0.0, moved, fit_solid(Views(cameras, outlines)))
    once, again = (adjust_with_outlines(start, seen, outlines) for _ in range(2))
    assert np.array_equal(once.points, again.points)
    for a, b in zip(once.cameras, again.cameras, strict=True):
        assert np.array_equal(a.rotation, b.rotation)
