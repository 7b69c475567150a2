"""Whether a lens distorts: bundle adjustment with and without a radial coefficient."""

from __future__ import annotations

import copy
import logging
from typing import Any

import cv2  # noqa: F401  before pycolmap, as tasks/poses/sfm.py says
import numpy as np
import pycolmap
from numpy.typing import NDArray

from tasks.geometry.camera import Camera
from tasks.geometry.lens import Lens

FloatArray = NDArray[np.float64]

_log = logging.getLogger("tyre3d.poses")

MAX_DISTORTION = 0.4
"""Largest coefficient of a lens: beyond it the image of no phone or camera is still one."""

NEGLIGIBLE_PX = 0.5
"""A lens that moves the image's corners less is taken for a pinhole."""

MIN_GAIN = 0.005
"""Share by which a lens must lower the reprojection error; a coefficient that the points do not
determine lowers it by less and may take any value. That of -0.08 of validation film 1000521 lowers
it by 0.014."""

USUAL_K1, UNUSUAL_GAIN = 0.15, 0.05
"""Coefficients beyond those of phones and cameras must lower the error by this share: an action
camera's lowers it by more, and what few and faint points leave open reaches any value. Of a pinhole
in a plain room -0.39 was made, which lowered it by 0.007."""

MIDDLE = 0.5
"""Half diagonals of the frame within which 19 of 20 points lie if they lie in its middle: a lens
moves them by an eighth at most of what it moves the corners, and whatever else is wrong with them
passes for one. Of a pinhole in a plain room, where all points were on the tyre (they reach to 0.3,
those of a room to 0.84), -0.14 was made."""


def lie_in_middle(pixels: FloatArray, camera: Camera) -> bool:
    """Whether points seen at pixels ``(N, 2)`` lie in the middle of the frames, see ``MIDDLE``."""
    middle = np.array([camera.cx, camera.cy])
    away = np.linalg.norm(pixels - middle, axis=1) / np.linalg.norm(middle)
    return not len(away) or bool(np.quantile(away, 0.95) < MIDDLE)


def lens_of(model: Any) -> Lens | None:
    """The lens that a model of COLMAP was mapped with.

    Args:
        model: A ``pycolmap.Reconstruction``; if it has one camera, of the kind ``SIMPLE_RADIAL``,
            its mapping left the coefficient free.

    Returns:
        None where the coefficient explains nothing, or points in the middle of the frames alone:
        what was mapped with it has drifted with it, and is better mapped without.
    """
    cameras = list(model.cameras.values())
    if len(cameras) != 1 or cameras[0].model != pycolmap.CameraModelId.SIMPLE_RADIAL:
        return Lens()
    lens = Lens(float(cameras[0].params[3]))
    image = next(i for i in model.images.values() if i.has_pose)
    if lens.shift_px(pinhole_of(image)) < NEGLIGIBLE_PX:
        return Lens()
    if abs(lens.k1) > MAX_DISTORTION or lie_in_middle(_seen_at(model), pinhole_of(image)):
        return None
    model.update_point_3d_errors()
    error = model.compute_mean_reprojection_error()
    pinhole_error = _error_without_distortion(model)
    _log.info("lens %+.3f: %.3f px, pinhole: %.3f px", lens.k1, error, pinhole_error)
    return lens if explains(lens.k1, pinhole_error, error, MIN_GAIN) else None


def explains(k1: float, pinhole_px: float, lens_px: float, gain: float) -> bool:
    """Whether a lens explains the points enough better than a pinhole.

    Args:
        k1: Its coefficient.
        pinhole_px: Mean reprojection error without it.
        lens_px: The same with it.
        gain: Share by which a usual coefficient must lower it.
    """
    needed = UNUSUAL_GAIN if abs(k1) > USUAL_K1 else gain
    return pinhole_px > (1.0 + needed) * lens_px


def _seen_at(model: Any) -> FloatArray:
    """Pixels ``(N, 2)`` at which the points of a model are seen."""
    elements = (e for point in model.points3D.values() for e in point.track.elements)
    pixels = [model.images[e.image_id].points2D[e.point2D_idx].xy for e in elements]
    return np.array(pixels, dtype=np.float64).reshape(-1, 2)


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
