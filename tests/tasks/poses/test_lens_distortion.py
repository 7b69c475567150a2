"""A lens is kept where the points show it, and refused where they do not."""

from __future__ import annotations

from typing import Any

import cv2  # noqa: F401  before pycolmap, as tasks/poses/sfm.py says
import pycolmap

from tasks.geometry.lens import Lens
from tasks.poses.lens_distortion import explains, lens_of

FOCAL = 1000.0
"""So long that the points lie all over the frames."""


def seen_through(k1: float) -> Any:
    """A model of exact cameras and points, seen to a tenth of a pixel through a lens."""
    pycolmap.set_random_seed(0)
    options = pycolmap.SyntheticDatasetOptions()
    options.num_rigs = 1
    options.num_cameras_per_rig = 1
    options.num_frames_per_rig = 12
    options.num_points3D = 150
    options.camera_width, options.camera_height = 640, 480
    options.camera_model_id = pycolmap.CameraModelId.SIMPLE_RADIAL
    options.camera_params = [FOCAL, 320.0, 240.0, k1]
    model = pycolmap.synthesize_dataset(options)
    noise = pycolmap.SyntheticNoiseOptions()
    noise.point2D_stddev = 0.1
    pycolmap.synthesize_noise(noise, model)
    return model


def with_coefficient(model: Any, k1: float) -> Any:
    for camera in model.cameras.values():
        camera.params = [*camera.params[:3], k1]
    return model


def test_a_lens_that_the_points_show_is_kept() -> None:
    assert lens_of(seen_through(-0.1)) == Lens(-0.1)


def test_a_coefficient_that_explains_nothing_is_refused() -> None:
    assert lens_of(with_coefficient(seen_through(0.0), 0.03)) is None


def test_a_coefficient_that_moves_nothing_visibly_is_none() -> None:
    assert lens_of(with_coefficient(seen_through(0.0), 0.0005)) == Lens()


def test_no_lens_distorts_absurdly() -> None:
    assert lens_of(with_coefficient(seen_through(0.0), 0.9)) is None


def test_the_model_itself_is_left_as_it_is() -> None:
    model = with_coefficient(seen_through(0.0), 0.03)
    lens_of(model)
    (camera,) = model.cameras.values()
    assert list(camera.params) == [FOCAL, 320.0, 240.0, 0.03]


def test_an_unusual_coefficient_must_explain_more() -> None:
    assert explains(-0.1, 1.01, 1.0, 0.005)
    assert not explains(-0.1, 1.004, 1.0, 0.005)
    assert not explains(-0.39, 1.01, 1.0, 0.005)
    assert explains(-0.39, 1.06, 1.0, 0.005)
