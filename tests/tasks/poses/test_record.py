"""An estimate as its artifact holds it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from tasks.geometry.camera import look_at
from tasks.geometry.lens import Lens
from tasks.poses.record import ObjectEstimate, PoseEstimate
from tasks.storage.artifacts import Artifact


def test_an_estimate_comes_back_to_the_bit(tmp_path: Path) -> None:
    """Frames of two digits in order; numbers that no decimal states exactly."""
    eye = np.array([1 / 3, 2 / 7, 5.1])
    cameras = {
        index: look_at(eye * index, np.zeros(3), focal_px=1000 / 3, width=640, height=480)
        for index in (10, 2, 33)
    }
    axle = np.array([1.0, 2, 3]) / np.sqrt(14)
    tyre = ObjectEstimate(eye, axle, np.cross(axle, [0.0, 0, 1]), 1 / 3, 1 / 7)
    lens = Lens(k1=-0.1 / 3)
    before = PoseEstimate("sfm", "turntable", cameras, tyre, {"x": 1 / 3}, ("a", "b"), lens)
    record = {"poses": json.loads(json.dumps(before.to_dict()))}
    after = PoseEstimate.read(Artifact(tmp_path, record, ("poses.json",)))
    assert list(after.cameras) == sorted(cameras)
    for index, camera in cameras.items():
        again = after.cameras[index]
        np.testing.assert_array_equal(again.rotation, camera.rotation)
        np.testing.assert_array_equal(again.translation, camera.translation)
        assert (again.fx, again.cy, again.width) == (camera.fx, camera.cy, camera.width)
    for name in ("centre", "axle", "up", "radius", "half_width"):
        np.testing.assert_array_equal(getattr(after.tyre, name), getattr(tyre, name))
    rest = ("method", "motion", "figures", "warnings", "lens")
    assert [getattr(after, n) for n in rest] == [getattr(before, n) for n in rest]
    assert after.to_dict() == before.to_dict()
