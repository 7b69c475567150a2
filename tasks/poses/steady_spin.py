"""A tyre that turns about its own axle before a fixed camera, without structure from motion.

The outline, the same in all frames, gives the axle; the face's texture gives how far it turned.
Failing that, one turn per video is assumed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from tasks.geometry.camera import Camera
from tasks.geometry.sphere import tangents
from tasks.poses.fit_solid import refine_solid
from tasks.poses.outline import Outline
from tasks.poses.sfm import Matches
from tasks.poses.solid import Solid, Views
from tasks.poses.steady_orbit import (
    SteadyMotion,
    camera_of_pose,
    fit_path,
    phases,
    plain_solid,
    pose_on_path,
    refine_pose,
)

FloatArray = NDArray[np.float64]

_CLOSES = 0.06
"""A measured turn this near to a whole one is taken as whole."""

_MIN_TURNED_POINTS = 8


def steady_spin(
    outlines: Mapping[int, Outline],
    times_s: Mapping[int, float],
    matches: Sequence[Matches],
    fov_deg: float,
) -> SteadyMotion:
    """A tyre that turns about its own axle before a fixed camera.

    Args:
        outlines: Outlines by frame index; all alike.
        times_s: Time of each frame in seconds, by frame index.
        matches: Matches of neighbouring frames on the tyre; enough of them give the angle.
        fov_deg: Assumed field of view of the longest side, degrees.
    """
    indices, phase = phases(outlines, times_s)
    typical = median_outline([outlines[i] for i in indices])
    # Seen from afar, an outline does not tell from which side the face is seen: try both. Where
    # the face turns about tells, and failing that the better fit.
    sides = [
        _turn_seen_from(side, typical, indices, phase, matches, fov_deg) for side in (-1.0, 1.0)
    ]
    best = min(sides, key=lambda t: (not t.measured, t.off_centre if t.measured else t.misfit))
    fixed, solid, angles, measured = best.camera, best.solid, best.angles, best.measured
    cameras = {}
    for i, angle in zip(indices, angles, strict=True):
        turned = Rotation.from_rotvec(angle * solid.axle).as_matrix()
        about = fixed.rotation @ (solid.centre - turned @ solid.centre)
        cameras[i] = Camera(
            fixed.fx,
            fixed.fy,
            fixed.cx,
            fixed.cy,
            fixed.width,
            fixed.height,
            fixed.rotation @ turned,
            fixed.translation + about,
        )
    return SteadyMotion(cameras, solid, float(np.degrees(angles[-1])), measured)


@dataclass(frozen=True)
class _Turn:
    """A fixed camera with the solid it sees and the angles turned, and how well they fit."""

    camera: Camera
    solid: Solid
    angles: FloatArray
    measured: bool
    off_centre: float
    misfit: float


def _turn_seen_from(
    side: float,
    typical: Outline,
    indices: list[int],
    phase: FloatArray,
    matches: Sequence[Matches],
    fov_deg: float,
) -> _Turn:
    """The spinning tyre seen from the left (-1) or the right (1) of its axle."""
    camera, solid = view_from(side, typical, fov_deg)
    angles, measured, off_centre = _angles_turned(indices, phase, matches, camera, solid)
    misfit = float(np.abs(Views([camera], [typical]).residuals(solid)).mean())
    return _Turn(camera, solid, angles, measured, off_centre, misfit)


def view_from(side: float, typical: Outline, fov_deg: float) -> tuple[Camera, Solid]:
    """The camera and the solid (radius 1, near the origin, axle +z) of one outline.

    Args:
        side: Whether the tyre is seen from the left (-1) or the right (1) of its axle; seen from
            afar, an outline does not tell.
        typical: The outline.
        fov_deg: Assumed field of view of the longest side, degrees.
    """
    x = fit_path([typical], np.zeros(1), fov_deg, sweeps=np.zeros(1), side=side)
    solid = plain_solid(x)
    pose = refine_pose(pose_on_path(x, 0.0, typical, fov_deg), float(x[1]), solid, typical, fov_deg)
    camera = camera_of_pose(pose, typical, fov_deg)
    return camera, refine_solid(Views([camera], [typical]), solid)


def outlines_alike(outlines: Mapping[int, Outline]) -> bool:
    """Whether all frames show the same outline, as a tyre does that spins on its axle.

    An orbit changes the outline in some directions more than in others. Half the span of the middle
    four fifths of the frames is 0.08 of the size on an arc of 60 degrees, in the worst direction.
    """
    shapes = np.stack([o.widths / o.size for o in outlines.values()])
    spans = np.quantile(shapes, 0.9, axis=0) - np.quantile(shapes, 0.1, axis=0)
    return float(spans.max()) / 2.0 < 0.04


def outlines_sway(outlines: Mapping[int, Outline]) -> bool:
    """Whether the outline moves about in the image, as it does before a hand-held camera.

    Before a plain wall nothing else tells that the camera moves. Half of the frames are farther
    from the middle place than 0.8 % of the outline's size in a hand, than 0.2 % on a tripod.
    """
    centres = np.stack([o.centre for o in outlines.values()])
    size = float(np.median([o.size for o in outlines.values()]))
    off = np.linalg.norm(centres - np.median(centres, axis=0), axis=1)
    return float(np.median(off)) > 0.004 * size


def median_outline(outlines: Sequence[Outline]) -> Outline:
    """The outline whose support is the median over frames in each direction."""
    support = np.median(np.stack([o.support for o in outlines]), axis=0)
    valid = np.mean(np.stack([o.valid for o in outlines]), axis=0) > 0.5
    likest = min(outlines, key=lambda o: float(np.abs(o.support - support).sum()))
    return replace(likest, support=support, valid=valid)


def _angles_turned(
    indices: list[int],
    phase: FloatArray,
    matches: Sequence[Matches],
    camera: Camera,
    solid: Solid,
) -> tuple[FloatArray, bool, float]:
    """How far the tyre has turned in each frame (radians), and whether this was measured.

    The last value is how far from the axle the face turned about, in radii.
    """
    steps: dict[tuple[int, int], float] = {}
    pivots: list[FloatArray] = []
    for m in matches:
        a, b = on_face(m.a, camera, solid), on_face(m.b, camera, solid)
        seen = np.isfinite(a).all(axis=1) & np.isfinite(b).all(axis=1)
        seen &= np.linalg.norm(m.b - m.a, axis=1) > 1.0  # reflections and what shines through
        if seen.sum() < _MIN_TURNED_POINTS:
            continue
        # The angle of a turn in the plane does not depend on where its centre lies.
        map_ab, agree = cv2.estimateAffinePartial2D(
            a[seen], b[seen], method=cv2.RANSAC, ransacReprojThreshold=0.03
        )
        if map_ab is None or agree.sum() < max(_MIN_TURNED_POINTS, 0.3 * seen.sum()):
            continue
        angle = float(np.arctan2(map_ab[1, 0], map_ab[0, 0]))
        if abs(angle) > 0.01:
            steps[(m.first, m.second)] = angle
            pivots.append(np.linalg.solve(np.eye(2) - map_ab[:, :2], map_ab[:, 2]))
    neighbours = list(pairwise(indices))
    known = [steps[pair] for pair in neighbours if pair in steps]
    if len(known) < 0.5 * len(neighbours):
        return 2.0 * np.pi * phase * (len(indices) - 1) / len(indices), False, np.inf
    usual = float(np.median(known))
    moves = [steps.get(pair, usual) for pair in neighbours]
    off_centre = float(np.linalg.norm(np.median(np.stack(pivots), axis=0)))
    angles = np.concatenate([[0.0], np.cumsum(moves)])
    whole = 2.0 * np.pi * (len(indices) - 1) / len(indices)
    if abs(abs(angles[-1]) - whole) < _CLOSES * whole:
        angles *= whole / abs(angles[-1])
    return angles, True, off_centre


def on_face(pixels: FloatArray, camera: Camera, solid: Solid) -> FloatArray:
    """Pixels ``(N, 2)`` on the plane of the nearer face, in radii from the axle; NaN off the face.

    The axes are right-handed about the axle.
    """
    side = np.sign((camera.centre - solid.centre) @ solid.axle) or 1.0
    face = solid.centre + side * solid.half_width * solid.axle
    rays = camera.rays(pixels)
    t = ((face - camera.centre) @ solid.axle) / (rays @ solid.axle)
    from_axle = (camera.centre + t[:, None] * rays - face) / solid.radius
    first, second = tangents(solid.axle)
    at = np.stack([from_axle @ first, from_axle @ second], axis=1)
    return np.where(np.linalg.norm(at, axis=1, keepdims=True) < 0.95, at, np.nan)
