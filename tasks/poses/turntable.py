"""A tyre that turns with the plate that it stands or lies on, before a camera at rest.

A steady rate and a camera that looks down at some angle are tried one after the other: the rate and
the angle with which most tracks are points of one body are the start of the bundle adjustment of
one fixed axis. It need be neither the tyre's axle nor pass through the tyre's centre.

Geometry of one axis: Fitzgibbon, Cross and Zisserman, Automatic 3D model construction for
turn-table sequences, SMILE 1998.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tasks.geometry.camera import Camera
from tasks.poses.fixed_axis import (
    MIN_TRACK,
    MOST_BENT,
    FixedAxis,
    adjust_robustly,
    residuals_px,
    triangulated,
)
from tasks.poses.observations import Observations
from tasks.poses.outline import Outline
from tasks.poses.sfm import Matches
from tasks.poses.steady_orbit import phases
from tasks.poses.tracks import join_matches

FloatArray = NDArray[np.float64]

_ELEVATIONS = np.radians([4.0, 12.0, 20.0, 28.0, 36.0, 48.0, 64.0])
"""Angles at which the camera looks down that are tried."""

_SWEEPS = 2 * np.pi * np.outer([1.0, -1.0], np.arange(0.15, 1.3, 0.05)).ravel()
"""Turns from the first frame to the last that are tried, radians."""

_LONG = 5
"""Frames of a track that tells how fast its point turns."""

_MOST_TRACKS = 500

_MOVED = 0.04
"""A track that moves by less, as a share of the tyre's size, may be a shadow or a reflection."""

_NEAR = 0.015
"""A track fits a guess where it is that near, as a share of the tyre's size, on average."""

_FOLLOWED_PX = 3.0
"""A match agrees with a model up to this."""

_MIN_PER_FRAME = 8
"""Fewest points seen in a frame whose angle is known."""

_MIN_SHARE = 0.4
"""Least share of the observations that must agree with one axis."""

_ROUNDS = 2


@dataclass(frozen=True)
class TurnedPlate:
    """Cameras round a body that turns about a fixed axis.

    Args:
        cameras: Cameras by frame index, in the world of the body.
        axis: ``(3,)`` unit vector of the turn.
        error_px: Median reprojection error.
        points: Number of points followed.
        share: Share of the observations that agree with the one axis.
        sweep_deg: How far the body has turned from the first frame to the last, signed.
    """

    cameras: dict[int, Camera]
    axis: FloatArray
    error_px: float
    points: int
    share: float
    sweep_deg: float


def follow_turntable(
    outlines: Mapping[int, Outline],
    times_s: Mapping[int, float],
    matches: Sequence[Matches],
    fov_deg: float,
) -> TurnedPlate | None:
    """Find axis, angles and camera of a body that turns about a steep axis.

    Args:
        outlines: Outlines by frame index.
        times_s: Time of each frame in seconds, by frame index.
        matches: Matches on what turns, of neighbours and of frames farther apart.
        fov_deg: Assumed field of view of the longest side, degrees.

    Returns:
        None where the tracks do not agree on one axis.
    """
    order, phase = phases(outlines, times_s)
    film = [outlines[i] for i in order]
    size = float(np.median([o.size for o in film]))
    position = {index: k for k, index in enumerate(order)}
    near = [m for m in matches if position[m.second] - position[m.first] <= 2]
    tracks = _moving(join_matches(near, order, least=_LONG), _MOVED * size)
    if len(tracks.frame) < _MIN_PER_FRAME * len(order):
        return None
    width, height = film[0].width, film[0].height
    focal = 0.5 * max(width, height) / float(np.tan(np.radians(fov_deg) / 2))
    principal = np.array([width, height]) / 2.0
    middle = np.median([o.centre for o in film], axis=0)
    centre = np.append((middle - principal) / focal, 1.0)
    guesses = _guesses(focal, principal, centre, phase, tracks, _NEAR * size)
    fits = [adjust_robustly(g, tracks, focal, shaking=False, fix_focal=True) for g in guesses]
    model, seen = max(fits, key=lambda fit: len(fit[1].frame))
    total = len(tracks.frame)
    for _ in range(_ROUNDS):
        if len(seen.frame) < _MIN_PER_FRAME * len(order):
            return None
        more = join_matches(_agreeing(model, matches, position), order, least=MIN_TRACK)
        if len(more.frame) < _MIN_PER_FRAME * len(order):
            return None
        count = int(more.point.max()) + 1
        start = replace(model, points=triangulated(model, more, count))
        total = len(more.frame)
        model, seen = adjust_robustly(start, more, focal, shaking=False, fix_focal=False)
    share = len(seen.frame) / total
    enough = np.bincount(seen.frame, minlength=len(order)) >= _MIN_PER_FRAME
    bent = abs(float(np.log(model.focal / focal))) > MOST_BENT
    if share < _MIN_SHARE or bent or not enough.any():
        return None
    return TurnedPlate(
        {order[k]: model.camera(k, width, height) for k in np.flatnonzero(enough).tolist()},
        model.axis,
        float(np.median(residuals_px(model, seen))),
        len(model.points),
        share,
        float(np.degrees(model.angles[-1])),
    )


def _moving(tracks: Observations, least_px: float) -> Observations:
    """The longest of the tracks that move, numbered anew."""
    if len(tracks.frame) == 0:
        return tracks
    count = int(tracks.point.max()) + 1
    low, high = np.full((count, 2), np.inf), np.full((count, 2), -np.inf)
    np.minimum.at(low, tracks.point, tracks.pixel)
    np.maximum.at(high, tracks.point, tracks.pixel)
    length = np.where(np.linalg.norm(high - low, axis=1) > least_px, np.bincount(tracks.point), 0)
    chosen = np.zeros(count, dtype=bool)
    chosen[np.argsort(-length, kind="stable")[:_MOST_TRACKS]] = True
    chosen &= length > 0
    kept = tracks.chosen(chosen[tracks.point])
    return Observations(kept.frame, (np.cumsum(chosen) - 1)[kept.point], kept.pixel)


def _guesses(
    focal: float,
    principal: FloatArray,
    centre: FloatArray,
    phase: FloatArray,
    tracks: Observations,
    near_px: float,
) -> list[FixedAxis]:
    """Either way, the steady turn with which most tracks are points on this side of its axis."""
    count = int(tracks.point.max()) + 1
    lengths = np.bincount(tracks.point)
    found: list[tuple[float, FixedAxis]] = []
    for elevation in _ELEVATIONS:
        axis = np.array([0.0, -np.cos(elevation), -np.sin(elevation)])
        for sweep in _SWEEPS:
            angles = sweep * phase
            model = FixedAxis(
                focal, principal, axis, centre, angles,
                np.zeros((count, 3)), np.zeros((len(phase), 6)),
            )  # fmt: skip
            model = replace(model, points=triangulated(model, tracks, count))
            error = np.minimum(residuals_px(model, tracks), 100.0)
            typical = np.bincount(tracks.point, error) / lengths
            # opaque: what is seen lies on this side of the axis
            ahead = _depths(model, tracks, lengths) < 0.0
            found.append((float(np.exp(-((typical[ahead] / near_px) ** 2)).sum()), model))
    ways = [[f for f in found if (f[1].angles[-1] > 0) == way] for way in (True, False)]
    return [max(way, key=lambda item: item[0])[1] for way in ways]


def _depths(model: FixedAxis, tracks: Observations, lengths: NDArray[np.int64]) -> FloatArray:
    """``(M,)`` how far points lie beyond the axis, on average over the frames that see them."""
    beyond = np.empty(len(tracks.frame))
    for k in range(len(model.angles)):
        at = tracks.frame == k
        rotation, _ = model.pose(k)
        beyond[at] = model.points[tracks.point[at]] @ rotation[2]
    return np.asarray(np.bincount(tracks.point, beyond) / lengths)


def _agreeing(
    model: FixedAxis, matches: Sequence[Matches], position: Mapping[int, int]
) -> list[Matches]:
    """Each pair's matches that are two views of one point of the body."""
    kept = []
    for m in matches:
        n = len(m.a)
        if n == 0:
            continue
        frame = np.repeat([position[m.first], position[m.second]], n)
        seen = Observations(frame, np.tile(np.arange(n), 2), np.concatenate([m.a, m.b]))
        two = replace(model, points=triangulated(model, seen, n))
        error = residuals_px(two, seen).reshape(2, n).max(axis=0)
        # near the camera or behind it, or far beyond the axis, there is nothing of the body
        radius = np.linalg.norm(np.cross(two.points, model.axis), axis=1)
        moved = np.linalg.norm(m.a - m.b, axis=1) > _FOLLOWED_PX
        good = (error < _FOLLOWED_PX) & (radius < 0.5) & moved
        kept.append(Matches(m.first, m.second, m.a[good], m.b[good]))
    return kept
