"""The outer surface of a tyre as a surface of revolution: from bead over tread to bead.

A half-section of a tyre is star-shaped about a point inside the rubber, so that rays towards that
point meet it where an eye outside would. Their distances, over all angles round the axle, give one
smooth profile; it ends where the surface stops being one of revolution, at the rim.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import cKDTree

from tasks.geometry.ray_caster import CENTIMETRES, RayCaster

FloatArray = NDArray[np.float64]

_CENTRE = 0.82
"""Radius of the point that a section is seen from, outer radii: inside the rubber of most tyres."""
_STEPS, _ANGLES = 721, 96
"""Rays of a section, from -180° to 180°, and sections round the axle."""
_QUANTILE = 0.8
"""Quantile of the distances round the axle: the tops of a tread's blocks, but no outlier."""
_MAX_RANGE = 0.05
"""Distances round the axle may differ by so many outer radii, 10th to 90th percentile."""
_MAX_JUMP = 0.015
"""Below the shoulders, distances of three neighbouring rays may be so far from a straight line,
outer radii. Above, rays that graze a wide tread meet its grooves' walls."""
_MIN_RADIUS = 0.5
"""The rubber ends outside this share of the outer radius."""
_SHOULDER, _MIN_AXIAL = 0.9, 0.4
"""Below the shoulders, at this share of the outer radius, normals have this axial part, or are the
rim's inside."""
_MIN_LENGTH = 0.1
"""A profile that is shorter, in outer radii, is a rag's."""
ZONES = ("inner-shoulder", "inner", "centre", "outer", "outer-shoulder")
"""Fifths of the tread's width, from the inner face to the outer."""
TREAD_NORMAL = 0.7
"""Normals of the tread have at least this radial part: 45° from the axle's plane."""
_SMOOTHING_M, _STEP_M = 0.003, 0.001


@dataclass(frozen=True)
class OuterProfile:
    """A half-section of the outer surface.

    Args:
        points: ``(P, 2)`` radius and height along the axle, metres, evenly spaced, from the bead of
            the inner face (-Z) over the tread to the bead of the outer face (+Z).
    """

    points: FloatArray

    @property
    def arc(self) -> FloatArray:
        """``(P,)`` arc length from the inner face's bead to each point, metres."""
        steps = np.linalg.norm(np.diff(self.points, axis=0), axis=1)
        return np.concatenate([[0.0], np.cumsum(steps)])

    @property
    def length(self) -> float:
        """Arc length from bead to bead, metres."""
        return float(self.arc[-1])

    @property
    def normals(self) -> FloatArray:
        """``(P, 2)`` unit, outwards."""
        along = np.gradient(self.points, axis=0)
        across = np.stack([along[:, 1], -along[:, 0]], axis=1)
        return np.asarray(across / np.linalg.norm(across, axis=1, keepdims=True))

    def unroll(self, vertices: NDArray[np.floating[Any]]) -> tuple[FloatArray, FloatArray]:
        """Where points lie along the profile.

        Args:
            vertices: ``(N, 3)`` in the tyre frame.

        Returns:
            ``(N,)`` arc length of the nearest point of the profile, metres; ``(N,)`` distance from
            it, metres, positive outside.
        """
        section = np.stack([np.hypot(vertices[:, 0], vertices[:, 1]), vertices[:, 2]], axis=1)
        _, nearest = cKDTree(self.points).query(section)
        normal = self.normals[nearest]
        tangent = np.stack([-normal[:, 1], normal[:, 0]], axis=1)
        offset = section - self.points[nearest]
        half = _STEP_M / 2
        along = np.clip((offset * tangent).sum(axis=1), -half, half)
        return self.arc[nearest] + along, (offset * normal).sum(axis=1)


def fit_outer_profile(
    vertices: NDArray[np.floating[Any]], faces: NDArray[np.integer[Any]]
) -> OuterProfile | None:
    """The profile of a mesh's outer surface.

    Args:
        vertices: ``(V, 3)`` in the tyre frame, metres.
        faces: ``(F, 3)``.

    Returns:
        The profile; None where nothing about the mesh turns with the axle.
    """
    reach = float(np.hypot(vertices[:, 0], vertices[:, 1]).max())
    middle = float(vertices[:, 2].max() + vertices[:, 2].min()) / 2
    turn = np.linspace(-math.pi, math.pi, _STEPS)  # 0 along the radius, positive towards +Z
    towards = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    distance = _distances(vertices, faces, reach, middle, towards)
    met = np.isfinite(distance)
    distance[~met] = 0.0
    low, typical, high = np.quantile(distance, (0.1, _QUANTILE, 0.9), axis=1)
    section = np.array([_CENTRE * reach, middle]) + typical[:, None] * towards
    jump = np.zeros(_STEPS)
    jump[1:-1] = np.abs(np.diff(typical, n=2))
    sound = (
        (met.mean(axis=1) > 0.9)
        & (high - low < _MAX_RANGE * reach)
        & ((jump < _MAX_JUMP * reach) | (section[:, 0] > _SHOULDER * reach))
        & (section[:, 0] > _MIN_RADIUS * reach)
    )
    start = _STEPS // 2
    if not sound[start - 2 : start + 3].all():
        return None
    first, last = _run_around(sound, start)
    profile = _without_rim(OuterProfile(_evenly(section[first : last + 1])), reach)
    return profile if profile.length > _MIN_LENGTH * reach else None


def _without_rim(profile: OuterProfile, reach: float) -> OuterProfile:
    """The part that ends where the surface turns from the face to the inside of the rim."""
    radius, normal = profile.points[:, 0], profile.normals[:, 1]
    outwards = np.sign(np.arange(len(radius)) - int(radius.argmax())) * normal
    ends = (radius < _SHOULDER * reach) & (outwards < _MIN_AXIAL)
    first, last = _run_around(~ends, int(radius.argmax()))
    return OuterProfile(profile.points[first : last + 1])


def _distances(
    vertices: NDArray[np.floating[Any]],
    faces: NDArray[np.integer[Any]],
    reach: float,
    middle: float,
    towards: FloatArray,
) -> FloatArray:
    """Distances ``(S, A)`` of the surface from the section's point, not finite where none is."""
    caster = RayCaster(vertices, faces, scale=CENTIMETRES)
    angle = np.arange(_ANGLES) * (2 * math.pi / _ANGLES)
    radial = np.stack([np.cos(angle), np.sin(angle), np.zeros(_ANGLES)], axis=1)
    axial = np.array([0.0, 0.0, 1.0])
    out = towards[:, None, :1] * radial[None] + towards[:, None, 1:] * axial  # (S, A, 3)
    centre = _CENTRE * reach * radial + middle * axial  # (A, 3)
    far = np.full(len(towards), 1.2 * reach)
    inwards = towards[:, 0] < 0  # from beyond the axle the other side would be met
    far[inwards] = np.minimum(far[inwards], _CENTRE * reach / -towards[inwards, 0])
    origins = centre[None] + far[:, None, None] * out
    found = caster.distances(origins.reshape(-1, 3), -out.reshape(-1, 3))
    return np.asarray(far[:, None] - found.reshape(len(towards), _ANGLES), np.float64)


def _run_around(sound: NDArray[np.bool_], start: int) -> tuple[int, int]:
    """First and last index of the sound points around one of them."""
    bad = np.flatnonzero(~sound)
    before, after = bad[bad < start], bad[bad > start]
    first = int(before[-1]) + 1 if len(before) else 0
    last = int(after[0]) - 1 if len(after) else len(sound) - 1
    return first, last


def _evenly(section: FloatArray) -> FloatArray:
    """A smooth curve's points at equal steps of arc length."""
    fine = _resampled(section, _STEP_M / 4)
    smooth = gaussian_filter1d(fine, 4 * _SMOOTHING_M / _STEP_M, axis=0, mode="nearest")
    return _resampled(smooth, _STEP_M)


def _resampled(section: FloatArray, step: float) -> FloatArray:
    arc = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(section, axis=0), axis=1))])
    count = max(2, round(arc[-1] / step) + 1)
    at = np.linspace(0.0, arc[-1], count)
    return np.stack([np.interp(at, arc, section[:, k]) for k in (0, 1)], axis=1)
