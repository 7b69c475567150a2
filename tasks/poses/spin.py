"""A tyre that turns about its own axle before a camera at rest or in a hand.

The outline gives a first guess of the axle; matches on the face, unrolled about it, give the angle
between frames. Spokes repeat, so that a match may be some spokes off: the angles are the smoothest
sequence that many matches support (Viterbi). Bundle adjustment of one fixed axis does the rest,
and the outlines tell how large the solid about that axis is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from tasks.geometry.camera import Camera
from tasks.poses.face_turns import (
    MIN_ON_FACE,
    NEAR,
    Turns,
    followed_angles,
    refined_angles,
    steady_angles,
    support,
    wrapped,
)
from tasks.poses.fixed_axis import FixedAxis, Observations, adjust, residuals_px
from tasks.poses.outline import DIRECTIONS, Outline
from tasks.poses.sfm import Matches
from tasks.poses.solid import TYPICAL_FALLS, Solid, Views
from tasks.poses.steady_orbit import phases
from tasks.poses.steady_spin import median_outline, on_face, view_from
from tasks.poses.tracks import join_matches

FloatArray = NDArray[np.float64]

_SAME_RADIUS = 0.06
"""A point keeps its distance from the axle up to this, in radii of the tyre."""

_MIN_TRACK = 3

_MOVED = 0.012
"""A match that moves by less, as a share of the tyre's size, may be a reflection, which stays."""

_AT_REST = np.radians(2.0)
"""So is one that turns by less; where the tyre turns slowly, frames farther apart tell."""

_ROUNDS_OF_ASSUMED_LENS = 3
"""So often the focal length is kept: a few points on wrong spokes bend it as suits them."""

_ROUNDS = 10
"""At most so often is the face followed, each time with the axle that was found before."""


@dataclass(frozen=True)
class Turning:
    """A tyre that turned about a fixed axis.

    Args:
        cameras: Cameras by frame index, in the world of the tyre.
        solid: The tyre.
        error_px: Median reprojection error.
        points: Number of points followed.
        support: Number of their observations that agree.
        sweep_deg: How far the tyre has turned from the first frame to the last, signed.
    """

    cameras: dict[int, Camera]
    solid: Solid
    error_px: float
    points: int
    support: int
    sweep_deg: float


@dataclass(frozen=True)
class Steadying:
    """Maps pixels of each frame to where a camera at rest would see them: ``s (x - c) + c0``."""

    scale: FloatArray
    centre: FloatArray
    middle: FloatArray

    @classmethod
    def of(cls, outlines: Sequence[Outline], *, shaking: bool) -> Steadying:
        """By place and size of the outlines where the camera shakes, else nothing is moved."""
        centre = np.stack([o.centre for o in outlines])
        sizes = np.array([o.size for o in outlines])
        middle = np.median(centre, axis=0)
        if not shaking:
            return cls(np.ones(len(outlines)), np.tile(middle, (len(outlines), 1)), middle)
        return cls(np.median(sizes) / sizes, centre, middle)

    def pixels(self, k: int, pixels: FloatArray) -> FloatArray:
        """Pixels ``(N, 2)`` of the k-th frame, steadied."""
        return np.asarray(self.scale[k] * (pixels - self.centre[k]) + self.middle)

    def outline(self, k: int, outline: Outline) -> Outline:
        """The outline of the k-th frame, steadied."""
        shift = self.middle - self.scale[k] * self.centre[k]
        support = self.scale[k] * outline.support + DIRECTIONS @ shift
        return replace(outline, hull=self.pixels(k, outline.hull), support=support)

    def shake(self, focal: float) -> FloatArray:
        """The camera's own motion ``(N, 6)`` that would do this: turns, and steps ahead."""
        moved = (self.centre - self.middle) / focal
        none = np.zeros(len(moved))
        ahead = self.scale - 1.0
        return np.stack([-moved[:, 1], moved[:, 0], none, none, none, ahead], axis=1)


def follow_spin(
    outlines: Mapping[int, Outline],
    times_s: Mapping[int, float],
    matches: Sequence[Matches],
    fov_deg: float,
    *,
    shaking: bool = False,
) -> Turning | None:
    """Find axle, angles and camera of a tyre that spins.

    Args:
        outlines: Outlines by frame index; all alike but for the camera's own motion.
        times_s: Time of each frame in seconds, by frame index.
        matches: Matches on the tyre, of neighbours and of frames farther apart.
        fov_deg: Assumed field of view of the longest side, degrees.
        shaking: Whether the camera moves a little by itself.

    Returns:
        None where too few matches follow the face.
    """
    order, phase = phases(outlines, times_s)
    steadying = Steadying.of([outlines[i] for i in order], shaking=shaking)
    steadied = [steadying.outline(k, outlines[i]) for k, i in enumerate(order)]
    typical = median_outline(steadied)
    found = []
    for side in (-1.0, 1.0):
        guess = _guess_of(*view_from(side, typical, fov_deg))
        fit = _followed(
            guess, order, phase, matches, steadying, [outlines[i] for i in order], shaking
        )
        if fit is not None:
            found.append(fit)
    if not found:
        return None
    return max(found, key=lambda f: f.support)


@dataclass(frozen=True)
class _Guess:
    """What is thought of the camera at rest and of the tyre before it, in its coordinates."""

    focal: float
    principal: FloatArray
    solid: Solid

    def camera(self, outline: Outline) -> Camera:
        """The camera at rest."""
        u, v = self.principal
        return Camera(
            self.focal, self.focal, u, v, outline.width, outline.height, np.eye(3), np.zeros(3)
        )


def _guess_of(camera: Camera, solid: Solid) -> _Guess:
    """The same in the camera's coordinates, the tyre's centre at depth 1."""
    middle = camera.rotation @ solid.centre + camera.translation
    depth = float(middle[2])
    moved = Solid(
        middle / depth,
        camera.rotation @ solid.axle,
        solid.radius / depth,
        solid.half_width / depth,
        solid.falls,
    )
    return _Guess(camera.fx, np.array([camera.cx, camera.cy]), moved)


def _followed(
    guess: _Guess,
    order: Sequence[int],
    phase: FloatArray,
    matches: Sequence[Matches],
    steadying: Steadying,
    outlines: Sequence[Outline],
    shaking: bool,
) -> Turning | None:
    """Follow the face, adjust, and follow it again with what was found."""
    angles: FloatArray | None = None
    prior = guess.focal
    width, height = outlines[0].width, outlines[0].height
    best: Turning | None = None
    for done in range(_ROUNDS):
        turns, candidates = _turns(guess, order, matches, steadying, outlines)
        guesses = [angles, steady_angles(turns, phase), followed_angles(turns, phase)]
        angles = max(
            (refined_angles(g, phase, turns) for g in guesses if g is not None),
            key=lambda g: support(turns, g),
            default=None,
        )
        if angles is None:
            return best
        believed = []
        for m, (i, j, turn) in zip(candidates, turns, strict=True):
            good = np.abs(wrapped(turn - (angles[j] - angles[i]))) < NEAR
            believed.append(Matches(m.first, m.second, m.a[good], m.b[good]))
        seen = join_matches(believed, order, least=_MIN_TRACK)
        if len(seen.frame) < MIN_ON_FACE * len(order):
            return best
        start = _model_of(guess, angles, seen, steadying)
        if shaking:
            start = replace(start, shake=steadying.shake(start.focal))
        model, kept = _adjusted(
            start, seen, prior, shaking=shaking, fix_focal=done < _ROUNDS_OF_ASSUMED_LENS
        )
        told = np.bincount(kept.frame, minlength=len(order)) >= MIN_ON_FACE
        known = [int(k) for k in np.flatnonzero(told)]
        cameras = {order[k]: model.camera(k, width, height) for k in known}
        views = Views(list(cameras.values()), [outlines[k] for k in known])
        solid = solid_about(model.axis, model.centre, views)
        if len(kept.frame) < MIN_ON_FACE * len(order):
            return best
        if (
            best is not None
            and done > _ROUNDS_OF_ASSUMED_LENS
            and len(kept.frame) < 1.02 * best.support
        ):
            return best
        best = Turning(
            cameras,
            solid,
            float(np.median(residuals_px(model, kept))),
            len(model.points),
            len(kept.frame),
            float(np.degrees(model.angles[-1])),
        )
        angles = model.angles
        guess = _Guess(model.focal, model.principal, solid)
    return best


def _turns(
    guess: _Guess,
    order: Sequence[int],
    matches: Sequence[Matches],
    steadying: Steadying,
    outlines: Sequence[Outline],
) -> tuple[Turns, list[Matches]]:
    """By how much the matches on the face turn about the axle, and these matches."""
    position = {index: k for k, index in enumerate(order)}
    least = _MOVED * float(np.median([o.size for o in outlines]))
    camera = guess.camera(outlines[0])
    turns, chosen = [], []
    for m in matches:
        i, j = position[m.first], position[m.second]
        a = on_face(steadying.pixels(i, m.a), camera, guess.solid) @ np.array([1, 1j])
        b = on_face(steadying.pixels(j, m.b), camera, guess.solid) @ np.array([1, 1j])
        good = np.isfinite(a) & np.isfinite(b) & (np.abs(a) > 0.2)
        good &= np.abs(np.abs(a) - np.abs(b)) < _SAME_RADIUS
        good &= np.linalg.norm(steadying.pixels(j, m.b) - steadying.pixels(i, m.a), axis=1) > least
        good[good] = np.abs(np.angle(b[good] / a[good])) > _AT_REST
        turns.append((i, j, np.angle(b[good] / a[good])))
        chosen.append(Matches(m.first, m.second, m.a[good], m.b[good]))
    return turns, chosen


def _model_of(
    guess: _Guess, angles: FloatArray, seen: Observations, steadying: Steadying
) -> FixedAxis:
    """The fixed axis of a guess, its points on the face."""
    solid, principal = guess.solid, guess.principal
    axis, middle = solid.axle, solid.centre
    side = -np.sign(middle @ axis) or 1.0
    face = middle + side * solid.half_width * axis
    steady = np.empty_like(seen.pixel)
    for k in range(len(angles)):
        at = seen.frame == k
        steady[at] = steadying.pixels(k, seen.pixel[at])
    rays = np.column_stack([(steady - principal) / guess.focal, np.ones(len(steady))])
    on_plane = rays * ((face @ axis) / (rays @ axis))[:, None] - middle
    back = Rotation.from_rotvec(-angles[seen.frame][:, None] * axis).apply(on_plane)
    count = np.bincount(seen.point)
    points = np.stack([np.bincount(seen.point, back[:, c]) / count for c in range(3)], axis=1)
    depth = middle[2]
    shake = np.zeros((len(angles), 6))
    return FixedAxis(guess.focal, principal, axis, middle / depth, angles, points / depth, shake)


def _adjusted(
    model: FixedAxis, seen: Observations, focal_prior: float, *, shaking: bool, fix_focal: bool
) -> tuple[FixedAxis, Observations]:
    """Adjust, leave out what does not agree, adjust again."""
    for scale, limit in ((6.0, 12.0), (2.0, 5.0), (1.0, 3.0)):
        model = adjust(
            model,
            seen,
            scale_px=scale,
            focal_prior=focal_prior,
            shaking=shaking,
            fix_focal=fix_focal or scale > 2.0,
        )
        model, seen = _without_outliers(model, seen, limit)
        if len(seen.frame) == 0:
            return model, seen
    model = adjust(
        model, seen, scale_px=1.0, focal_prior=focal_prior, shaking=shaking, fix_focal=fix_focal
    )
    return model, seen


def _without_outliers(
    model: FixedAxis, seen: Observations, limit_px: float
) -> tuple[FixedAxis, Observations]:
    """Observations within a limit, of points that enough frames see; points numbered anew."""
    kept = seen.chosen(residuals_px(model, seen) < limit_px)
    often = np.bincount(kept.point, minlength=len(model.points)) >= _MIN_TRACK
    kept = kept.chosen(often[kept.point])
    number = np.cumsum(often) - 1
    return (
        replace(model, points=model.points[often]),
        Observations(kept.frame, number[kept.point], kept.pixel),
    )


def solid_about(axis: FloatArray, point: FloatArray, views: Views) -> Solid:
    """The solid of revolution about a known axis that the outlines show.

    Args:
        axis: ``(3,)`` unit vector.
        point: ``(3,)`` any point of the axis.
        views: Cameras and outlines.
    """
    few = views.subset(np.unique(np.linspace(0, len(views.cameras) - 1, 12).astype(np.intp)))
    # Which point of the axis it is given is arbitrary: take the one that the outlines surround.
    rays = [c.rays(o.centre[None])[0] for c, o in zip(few.cameras, few.outlines, strict=True)]
    along = [
        np.linalg.lstsq(np.stack([axis, -ray], axis=1), c.centre - point, rcond=None)[0][0]
        for c, ray in zip(few.cameras, rays, strict=True)
    ]
    point = point + float(np.median(along)) * axis
    distance = np.array([c.project(point[None])[0, 2] for c in few.cameras])
    focal = np.array([c.fx for c in few.cameras])
    radius = float(np.median(few.size * distance / focal)) / 2.0

    def solid_at(x: FloatArray) -> Solid:
        return Solid(
            point + x[0] * radius * axis,
            axis,
            radius * float(np.exp(x[1])),
            radius * float(np.exp(x[2])),
            x[3:].reshape(2, -1),
        )

    def errors(x: FloatArray) -> FloatArray:
        outline = few.residuals(solid_at(x), 2).ravel()
        prior = np.concatenate(
            [[(x[2] - x[1] - np.log(0.42)) / 0.5], x[3:] / np.tile(TYPICAL_FALLS, 2) - 1.0]
        )
        return np.concatenate([outline, 0.02 * np.sqrt(len(outline)) * prior])

    x0 = np.concatenate([[0.0, 0.0, np.log(0.42)], np.tile(TYPICAL_FALLS, 2)])
    low = np.concatenate([[-2.0, -1.0, -3.5], np.zeros(2 * len(TYPICAL_FALLS))])
    high = np.concatenate([[2.0, 1.0, 0.7], np.full(2 * len(TYPICAL_FALLS), 0.15)])
    best = least_squares(errors, x0, bounds=(low, high), loss="soft_l1", x_scale="jac", max_nfev=60)
    return solid_at(best.x)
