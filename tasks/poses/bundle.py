"""Whether a lens distorts: bundle adjustment with and without a radial coefficient."""

from __future__ import annotations

import copy
import logging
from typing import Any

import cv2  # noqa: F401  before pycolmap, as tasks/poses/sfm.py says
import numpy as np
import pycolmap

from tasks.geometry.camera import Camera
from tasks.geometry.lens import Lens

_log = logging.getLogger("tyre3d.poses")

MAX_DISTORTION = 0.4
"""Largest coefficient of a lens: beyond it the picture of no phone or camera is still one."""

NEGLIGIBLE_PX = 0.5
"""A lens that moves the image's corners less is taken for a pinhole."""

MIN_GAIN, MIN_GAIN_OF_MIDDLE = 0.005, 0.02
"""Share by which a lens must lower the reprojection error; a coefficient that the points do not
determine lowers it by less and may take any value. That of -0.08 of validation film 1000521 lowers
it by 0.014. In the middle of the picture, where a tyre is, a lens hardly distorts, and what else is
wrong there passes for a coefficient sooner."""


def lens_of(model: Any, *, middle: bool = False) -> Lens | None:
    """The lens that a model of COLMAP was mapped with.

    Args:
        model: A ``pycolmap.Reconstruction``; if it has one camera, of the kind ``SIMPLE_RADIAL``,
            its mapping left the coefficient free.
        middle: Whether its points come from the middle of the frames alone.

    Returns:
        None where the coefficient explains nothing: what was mapped with it has drifted with it,
        and is better mapped without.
    """
    cameras = list(model.cameras.values())
    if len(cameras) != 1 or cameras[0].model != pycolmap.CameraModelId.SIMPLE_RADIAL:
        return Lens()
    lens = Lens(float(cameras[0].params[3]))
    image = next(i for i in model.images.values() if i.has_pose)
    if lens.shift_px(pinhole_of(image)) < NEGLIGIBLE_PX:
        return Lens()
    if abs(lens.k1) > MAX_DISTORTION:
        return None
    model.update_point_3d_errors()
    error = model.compute_mean_reprojection_error()
    pinhole_error = _error_without_distortion(model)
    _log.info("lens %+.3f: %.3f px, pinhole: %.3f px", lens.k1, error, pinhole_error)
    gain = MIN_GAIN_OF_MIDDLE if middle else MIN_GAIN
    return lens if pinhole_error > (1.0 + gain) * error else None


def _error_without_distortion(model: Any) -> float:
    """Mean reprojection error in pixels of the model adjusted anew with a pinhole.

    It is adjusted on one thread, for the order of its sums.
    """
    plain = copy.deepcopy(model)
    for camera in plain.cameras.values():
        focal, u, v, _ = camera.params
        camera.params = [focal, u, v, 0.0]
    options = pycolmap.BundleAdjustmentOptions()
    options.refine_extra_params = False
    options.print_summary = False
    options.ceres.solver_options.num_threads = 1
    options.ceres.solver_options.max_num_iterations = 50
    scope = pycolmap.BundleAdjustmentConfig()
    for image_id in plain.reg_image_ids():
        scope.add_image(image_id)
    scope.fix_gauge(pycolmap.BundleAdjustmentGauge.TWO_CAMS_FROM_WORLD)
    pycolmap.create_default_bundle_adjuster(options, scope, plain).solve()
    plain.update_point_3d_errors()
    return float(plain.compute_mean_reprojection_error())


def pinhole_of(image: Any) -> Camera:
    """The camera of a registered ``pycolmap.Image``, without its distortion."""
    pose = image.cam_from_world()
    intrinsics = image.camera
    return Camera(
        fx=float(intrinsics.focal_length_x),
        fy=float(intrinsics.focal_length_y),
        cx=float(intrinsics.principal_point_x),
        cy=float(intrinsics.principal_point_y),
        width=int(intrinsics.width),
        height=int(intrinsics.height),
        rotation=np.asarray(pose.rotation.matrix(), dtype=np.float64),
        translation=np.asarray(pose.translation, dtype=np.float64),
    )
