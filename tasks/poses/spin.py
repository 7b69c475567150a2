"""A tyre that turns about its own axle before a camera at rest or in a hand.

How matches move tells the plane of the face, and with it the axle, from either side; images of
the face, unrolled about it, tell the angle between frames. Spokes repeat, so that an image may be
some spokes off: the angles are the smoothest sequence that most pairs support (Viterbi). Bundle
adjustment of one fixed axis does the rest, and the outlines tell how large the solid about that
axis is. Where features match too little, patches of the images are followed. The images'
average shows circles about the axle: they tell it where matches tell no plane, and points that put
it elsewhere are held to them, if the outlines agree.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from tasks.geometry.angles import wrapped
from tasks.geometry.camera import Camera
from tasks.poses.face_circles import CLEAR
from tasks.poses.face_images import unrolled
from tasks.poses.face_patches import PATCH_RINGS, follow_patches
from tasks.poses.face_turns import (
    MIN_ON_FACE,
    Votes,
    evened,
    in_pace,
)
from tasks.poses.fit_solid import HALF_WIDTHS, refine_solid
from tasks.poses.fixed_axis import (
    MIN_TRACK,
    MOST_BENT,
    FixedAxis,
    adjust_robustly,
    residuals_px,
)
from tasks.poses.observations import Observations
from tasks.poses.outline import Outline
from tasks.poses.sfm import Matches
from tasks.poses.solid import TYPICAL_FALLS, Solid, Views
from tasks.poses.spin_angles import (
    LEAST_SWEEP,
    NEAR_SHOWN,
    angles_from_turns,
    angles_on,
    ring_pixels,
    turns_matched,
    turns_shown,
)
from tasks.poses.spin_film import SpinFilm
from tasks.poses.spin_guess import Guess, first_guesses, flat_tyre, guess_about
from tasks.poses.stabilisation import Steadying
from tasks.poses.tracks import join_matches

FloatArray = NDArray[np.float64]

_GROWN = 1.02
"""By so much more must be followed for another round to be worth it."""

_MANY = 40
"""With so many points followed in each frame the focal length is found from the first round on."""

_BULGE = 0.8
"""Share of a sidewall's points that lie no farther out than it bulges; the rest is noise."""

_OUTERMOST = 0.9
"""Radius of the outermost points of a face that are followed, in radii of the tyre."""

_ENOUGH = 80
"""Points of a frame, those followed longest, that are enough where each camera moves, too: more
take a minute."""

_NEIGHBOURS = 3
"""Within so many frames patches of the face are followed first."""

_LEAST_SHARE = 0.5
"""Least share of the patches found that must agree with one axis: they are looked for farther off
than they may err, so that few of those agree that find something by chance."""

_AS_SHARP = 0.8
"""Circles near the axle found are the tyre's if they are so sharp, as a share of the sharpest."""

_CONTRADICTED = np.radians(1.0)
"""Circles that put the axle farther off contradict the points that were followed."""

_MIN_SUPPORT = 0.7
"""Least share of the observations that must agree with the axle of the circles, too, for it to be
taken: about a wrong one most do not."""

_OUTLINED = 0.75
"""Outlines that follow the solid's less tell that matches were followed wrongly: right ones have
0.8 to 0.9, wrong ones 0.2 to 0.7."""

_ROUNDS = 8
"""At most so often is the face followed, each time with the axle that was found before."""


@dataclass(frozen=True)
class Turning:
    """A tyre that turned about a fixed axis.

    Args:
        cameras: Cameras by frame index, in the world of the tyre.
        solid: The tyre.
        agreement: How far the outlines follow the solid's, 0 to 1.
        error_px: Median reprojection error.
        points: Number of points followed.
        support: Number of their observations that agree.
        sweep_deg: How far the tyre has turned from the first frame to the last, signed.
        axle_apart_deg: How far apart the points and the circles that the images show on average
            put the axle; NaN where there are no clear ones.
    """

    cameras: dict[int, Camera]
    solid: Solid
    agreement: float
    error_px: float
    points: int
    support: int
    sweep_deg: float
    axle_apart_deg: float = math.nan


def follow_spin(
    outlines: Mapping[int, Outline],
    times_s: Mapping[int, float],
    matches: Sequence[Matches],
    fov_deg: float,
    *,
    frame_paths: Mapping[int, Path] | None = None,
    shaking: bool = False,
) -> Turning | None:
    """Find axle, angles and camera of a tyre that spins.

    Args:
        outlines: Outlines by frame index; all alike but for the camera's own motion.
        times_s: Time of each frame in seconds, by frame index.
        matches: Matches on the tyre, of neighbours and of frames farther apart.
        fov_deg: Assumed field of view of the longest side, degrees.
        frame_paths: Images by frame index; without them the matches alone tell the angles.
        shaking: Whether the camera moves a little by itself.

    Returns:
        None where too few matches follow the face.
    """
    film = SpinFilm.of(outlines, times_s, matches, frame_paths, shaking=shaking)
    guesses = first_guesses(film, fov_deg)
    found = _likeliest(_followed, guesses, film)
    if found is None or found[1].agreement < _OUTLINED:
        others = [f for f in (found, _likeliest(_followed_by_patches, guesses, film)) if f]
        found = max(others, key=lambda each: each[1].agreement, default=None)
    if found is None:
        return None
    fit, turning = found
    if not film.images:
        return turning
    return _fixed_by_circles(fit, turning, film, guesses[0].focal)


def _likeliest(
    follow: Callable[[Guess, SpinFilm], _Fit | None], guesses: Sequence[Guess], film: SpinFilm
) -> tuple[_Fit, Turning] | None:
    """What is found from the guesses; about an axle on the wrong side points may agree as well."""
    fits = [fit for guess in guesses if (fit := follow(guess, film))]
    found = [(fit, _turning(fit, film)) for fit in fits]
    return max(found, key=lambda each: each[1].agreement * each[1].support, default=None)


def _fixed_by_circles(fit: _Fit, free: Turning, film: SpinFilm, focal: float) -> Turning:
    """The fit, or one about the axle of the circles that the images' average shows.

    Points that cover one side of a tyre alone fit axles that are 12 degrees off, and its outline
    fits those, too.

    Args:
        fit: What the points tell.
        free: Its cameras and solid.
        film: What is known of the film.
        focal: The assumed focal length.
    """
    mean = film.mean_image
    camera = replace(fit.guess(), focal=focal).camera(film.outlines[0])
    face = fit.face()
    towards = -(np.sign(fit.model.centre @ fit.model.axis) or 1.0) * fit.model.axis
    near, best = mean.refined(camera, towards, face / face[2]), mean.best(camera)
    if near.sharpness >= _AS_SHARP * best.sharpness:
        best = near
    if best.sharpness < CLEAR:
        return free
    apart = math.acos(min(1.0, abs(float(best.axle @ fit.model.axis))))
    if not film.shaking:  # what a hand films is blurred on average: it may help, and tells nothing
        free = replace(free, axle_apart_deg=math.degrees(apart))
    if apart <= _CONTRADICTED:
        return free
    guess = guess_about(best, focal, fit.model.principal, film)
    from_face = _followed(guess, film, hold_axle=True)
    if from_face is None or len(from_face.seen.frame) < _MIN_SUPPORT * len(fit.seen.frame):
        return free
    found = replace(_turning(from_face, film), axle_apart_deg=free.axle_apart_deg)
    return found if found.agreement >= free.agreement else free


@dataclass(frozen=True)
class _Fit:
    """A model and the observations that agree with it."""

    model: FixedAxis
    seen: Observations

    def guess(self) -> Guess:
        """The model, its face the plane that most of its points lie near."""
        model = self.model
        heights = model.points @ model.axis
        radius = float(np.quantile(self._radii(), 0.97)) / _OUTERMOST
        face = model.centre + float(np.median(heights[self.seen.point])) * model.axis
        return Guess(model.focal, model.principal, flat_tyre(face, model.axis, radius))

    def face(self) -> FloatArray:
        """``(3,)`` a point of the axis in the plane that the sidewall bulges to."""
        model = self.model
        heights, radii = model.points @ model.axis, self._radii()
        outer = radii > 0.6 * np.quantile(radii, 0.97)
        side = -np.sign(model.centre @ model.axis) or 1.0
        reach = float(np.quantile(side * heights[outer], _BULGE))
        return np.asarray(model.centre + side * reach * model.axis)

    def _radii(self) -> FloatArray:
        return np.asarray(np.linalg.norm(np.cross(self.model.points, self.model.axis), axis=1))


def _followed(guess: Guess, film: SpinFilm, *, hold_axle: bool = False) -> _Fit | None:
    """Follow the face, adjust, and follow it again with what was found.

    Args:
        guess: Where to begin.
        film: What is known of the film.
        hold_axle: Whether the direction of the guess's axle is kept.
    """
    angles: FloatArray | None = None
    prior = guess.focal
    best: _Fit | None = None
    free = False  # a few points on wrong spokes bend the focal length as suits them, as a hand does
    for _ in range(_ROUNDS):
        turns, candidates = turns_matched(guess, film)
        angles, near = angles_on(guess, film, turns, angles)
        if angles is None:
            return best
        believed = []
        for m, (i, j, turn) in zip(candidates, turns, strict=True):
            good = np.abs(wrapped(turn - (angles[j] - angles[i]))) < near
            believed.append(Matches(m.first, m.second, m.a[good], m.b[good]))
        seen = join_matches(believed, film.order, least=MIN_TRACK)
        if film.shaking:
            _, seen = seen.of_longest_tracks(_ENOUGH).renumbered()
        if len(seen.frame) < MIN_ON_FACE * len(film.order):
            return best
        start = _model_of(guess, angles, seen, film.steadying)
        if film.shaking:
            start = replace(start, shake=film.steadying.shake(start.focal))
        adjusted = adjust_robustly(
            start, seen, prior, shaking=film.shaking, fix_focal=not free, fix_axis=hold_axle
        )
        fit = _Fit(*adjusted)
        bent = abs(float(np.log(fit.model.focal / prior))) > MOST_BENT
        rests = abs(float(fit.model.angles[-1])) < LEAST_SWEEP
        if len(fit.seen.frame) < MIN_ON_FACE * len(film.order) or bent or rests:
            return best
        grown = best is None or len(fit.seen.frame) > _GROWN * len(best.seen.frame)
        if grown or (best is not None and len(fit.seen.frame) > len(best.seen.frame)):
            best = fit
        if not grown and (free or film.shaking):
            return best
        many = len(fit.seen.frame) > _MANY * len(film.order)
        free = (free or not grown or many) and not film.shaking
        assert best is not None
        angles, guess = best.model.angles, best.guess()
    return best


def _followed_by_patches(guess: Guess, film: SpinFilm) -> _Fit | None:
    """The same where features match too little, by patches of the face's images.

    With a first guess neighbours alone look alike; with what they tell all frames do. About a wrong
    axle patches are found, too, but images unrolled about it tell other angles.
    """
    angles = angles_from_turns([turns_shown(guess, film)], film, None)
    prior, least = guess.focal, MIN_ON_FACE * len(film.order)
    fit: _Fit | None = None
    for reach in (_NEIGHBOURS, _NEIGHBOURS, len(film.order), len(film.order)):
        if angles is None:
            return None
        pixels = ring_pixels(guess, film, PATCH_RINGS)
        found = follow_patches(unrolled(film.images, pixels), pixels, angles, reach)
        _, seen = found.of_longest_tracks(_ENOUGH).renumbered()
        if len(seen.frame) < least:
            return None
        start = _model_of(guess, angles, seen, film.steadying)
        if film.shaking:
            start = replace(start, shake=film.steadying.shake(start.focal))
        many = fit is not None and len(fit.seen.frame) > _MANY * len(film.order)
        fixed = film.shaking or not many
        fit = _Fit(*adjust_robustly(start, seen, prior, shaking=film.shaking, fix_focal=fixed))
        bent = abs(float(np.log(fit.model.focal / prior))) > MOST_BENT
        rests = abs(float(fit.model.angles[-1])) < LEAST_SWEEP
        few = len(fit.seen.frame) < max(least, _LEAST_SHARE * len(seen.frame))
        if few or bent or rests:
            return None
        angles, guess = evened(fit.model.angles, film.phase), fit.guess()
    assert fit is not None
    angles, shown = fit.model.angles, turns_shown(guess, film)
    votes, best = Votes(shown), angles_from_turns([shown], film, None)
    if best is None or votes.support(best) <= votes.support(angles):
        return fit
    return None if np.median(np.abs(best - angles)) > NEAR_SHOWN else fit


def _turning(fit: _Fit, film: SpinFilm) -> Turning:
    """Cameras of the frames in which points were followed in pace, and the solid they show."""
    model, seen, order, outlines = fit.model, fit.seen, film.order, film.outlines
    enough = np.bincount(seen.frame, minlength=len(order)) >= MIN_ON_FACE
    known = [int(k) for k in np.flatnonzero(enough & in_pace(model.angles, film.phase))]
    width, height = outlines[0].width, outlines[0].height
    cameras = {order[k]: model.camera(k, width, height) for k in known}
    views = Views(list(cameras.values()), [outlines[k] for k in known])
    solid = solid_about(model.axis, model.centre, fit.face(), views)
    return Turning(
        cameras,
        solid,
        float(views.agreement(solid).score.mean()),
        float(np.median(residuals_px(model, seen))),
        len(model.points),
        len(seen.frame),
        float(np.degrees(model.angles[-1])),
    )


def _model_of(
    guess: Guess, angles: FloatArray, seen: Observations, steadying: Steadying
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


def solid_about(axis: FloatArray, point: FloatArray, face: FloatArray, views: Views) -> Solid:
    """The solid of revolution about a known axis that the outlines show.

    From one place an outline tells the width badly; where the near face lies, its points tell.

    Args:
        axis: ``(3,)`` unit vector.
        point: ``(3,)`` any point of the axis.
        face: ``(3,)`` a point in the plane of the face that is seen.
        views: Cameras and outlines.
    """
    few = views.subset(np.unique(np.linspace(0, len(views.cameras) - 1, 12).astype(np.intp)))
    on_axis = point + ((face - point) @ axis) * axis
    side = float(np.sign((few.cameras[0].centre - on_axis) @ axis)) or 1.0
    distance = np.array([c.project(on_axis[None])[0, 2] for c in few.cameras])
    focal = np.array([c.fx for c in few.cameras])
    radius = 0.5 * float(np.median(few.size * distance / focal))
    falls = np.stack([TYPICAL_FALLS, TYPICAL_FALLS])
    starts = [
        Solid(on_axis - side * ratio * radius * axis, axis, radius, ratio * radius, falls)
        for ratio in HALF_WIDTHS
    ]
    fits = [refine_solid(few, s, scale=8.0, known_axle=True, known_face=side) for s in starts]
    return max(fits, key=lambda s: float(few.agreement(s).score.mean()))
