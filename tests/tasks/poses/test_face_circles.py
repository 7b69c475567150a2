"""The axle of a spinning tyre by the circles that its pictures show on average."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from tasks.geometry.camera import Camera
from tasks.poses.face_circles import Circles, MeanImage
from tasks.poses.outline import outline_of_mask
from tasks.poses.stabilisation import Steadying
from tests.tasks.poses.test_solid import mask_of
from tests.tasks.poses.test_spin import SIZES, cameras_of, face_with_rim, photographed, rings

FloatArray = NDArray[np.float64]


@pytest.fixture(scope="module")
def seen() -> tuple[MeanImage, Camera, FloatArray]:
    """The average, the camera at rest, and the right axle towards it."""
    cameras = list(cameras_of(np.arange(12) * 30.0, SIZES["landscape"], 0.0).values())
    outline = outline_of_mask(mask_of(cameras[0], rings()))
    assert outline is not None
    steadying = Steadying.of([outline] * len(cameras), shaking=False)
    texture = face_with_rim()
    mean = MeanImage([photographed(c, texture) for c in cameras], steadying, outline)
    c = cameras[0]
    rest = Camera(c.fx, c.fy, c.cx, c.cy, c.width, c.height, np.eye(3), np.zeros(3))
    return mean, rest, c.rotation[:, 2]


def test_circles_tell_the_axle_and_the_side(seen: tuple[MeanImage, Camera, FloatArray]) -> None:
    mean, rest, axle = seen
    found = mean.best(rest)
    assert found.axle @ axle > np.cos(np.radians(1.0))
    assert found.sharpness > 0.4


def test_about_an_axle_ten_degrees_off_circles_are_waves(
    seen: tuple[MeanImage, Camera, FloatArray],
) -> None:
    mean, rest, axle = seen
    found = mean.best(rest)
    across = np.cross(axle, [0.0, 0.0, 1.0])
    tilt = Rotation.from_rotvec(np.radians(10.0) * across / np.linalg.norm(across))
    for turn in (tilt, tilt.inv()):
        assert mean.sharpness(rest, turn.apply(axle), found.face) < 0.5 * found.sharpness


def test_a_face_seen_along_its_edge_is_none(
    seen: tuple[MeanImage, Camera, FloatArray], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its circles are lines, on which any edges lie: refined from afar it must not win."""
    mean, rest, axle = seen
    refined = mean.refined

    def escaping(
        camera: Camera, start: FloatArray, face: FloatArray, *, blur: float = 0.007
    ) -> Circles:
        found = refined(camera, start, face, blur=blur)
        if found.axle @ axle > np.cos(np.radians(5.0)):
            return found
        across = np.cross(face, [0.0, 1.0, 0.0])
        sight = -face / np.linalg.norm(face)
        edge = 0.15 * sight + across / np.linalg.norm(across)
        return Circles(edge / np.linalg.norm(edge), face, 1.0)

    monkeypatch.setattr(mean, "refined", escaping)
    found = mean.best(rest)
    assert found.axle @ axle > np.cos(np.radians(1.0))
    assert found.sharpness < 1.0
