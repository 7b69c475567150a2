"""By how much the face of a spinning tyre has turned, as its images and its matches tell."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tasks.geometry.sphere import tangents
from tasks.poses.face_images import AROUND, RINGS, turns_of, unrolled
from tasks.poses.face_turns import (
    MIN_ON_FACE,
    NEAR,
    Turns,
    Votes,
    followed_angles,
    plausibility,
    refined_angles,
    steady_angles,
)
from tasks.poses.sfm import Matches
from tasks.poses.spin_film import SpinFilm
from tasks.poses.spin_guess import Guess
from tasks.poses.steady_spin import on_face

FloatArray = NDArray[np.float64]

_SAME_RADIUS = 0.06
"""A point keeps its distance from the axle up to this, in radii of the tyre."""

_MOVED = 0.012
"""A match that moves by less, as a share of the tyre's size, may be a reflection, which stays."""

_AT_REST = np.radians(5.0)
"""So is one that turns by less; where the tyre turns slowly, frames farther apart tell."""

NEAR_SHOWN = np.radians(1.5)
"""Images of a face tell its turn so well: a match that turns otherwise is of what does not."""

_MIN_SHARE = 0.002
"""Share of what one source tells that counts for angles that it tells nothing of."""

LEAST_SWEEP = np.radians(60.0)
"""What turns by less over the film is what stands still, matched badly: no spin."""


def angles_on(
    guess: Guess, film: SpinFilm, of_matches: Turns, known: FloatArray | None
) -> tuple[FloatArray | None, float]:
    """How far the face has turned, and within which limit matches are believed; None if unknown.

    Args:
        guess: Where the face lies.
        film: What is known of the film.
        of_matches: By how much matches on the face turn.
        known: The angles that were found before.
    """
    shown = turns_shown(guess, film)
    angles = angles_from_turns([shown, of_matches], film, known)
    tells = angles is not None and Votes(shown).share(angles) > 0.0
    return angles, NEAR_SHOWN if tells else NEAR


def angles_from_turns(
    sources: Sequence[Turns], film: SpinFilm, known: FloatArray | None
) -> FloatArray | None:
    """How far the face has turned, as turns of pairs of frames tell; None where they do not.

    What repeats around a face supports wrong angles, and edges that stay do: images others than
    matches. The angles are those that all sources support; of some spokes more and less, the less.

    Args:
        sources: Turns of pairs of frames, by images and by matches.
        film: What is known of the film.
        known: The angles that were found before.
    """
    telling = [(turns, Votes(turns)) for turns in sources]
    telling = [(t, v) for t, v in telling if v.total >= MIN_ON_FACE * len(film.order)]
    if not telling:
        return None
    found = [known]
    for turns, votes in telling:
        found += [steady_angles(votes, film.phase), followed_angles(turns, film.phase)]
    refined = [
        refined_angles(angles, film.phase, telling[0][0]) for angles in found if angles is not None
    ]

    def support(angles: FloatArray) -> float:
        return float(plausibility(angles)) * math.prod(
            max(votes.share(angles), _MIN_SHARE) for _, votes in telling
        )

    turned = [angles for angles in refined if abs(angles[-1]) > LEAST_SWEEP]
    return max(turned, key=support, default=None)


def turns_shown(guess: Guess, film: SpinFilm) -> Turns:
    """By how much images of the face turn about the axle, radians; nothing without images."""
    if not film.images:
        return []
    return turns_of(unrolled(film.images, ring_pixels(guess, film, RINGS)))


def ring_pixels(guess: Guess, film: SpinFilm, rings: FloatArray) -> list[FloatArray]:
    """For each frame ``(R, A, 2)``, the pixels of rings of the face (radii of the tyre)."""
    solid, (first, second) = guess.solid, tangents(guess.solid.axle)
    around = 2.0 * np.pi * np.arange(AROUND) / AROUND
    circle = np.cos(around)[:, None] * first + np.sin(around)[:, None] * second
    side = -np.sign(solid.centre @ solid.axle) or 1.0
    face = solid.centre + side * solid.half_width * solid.axle
    points = face + solid.radius * rings[:, None, None] * circle
    at = guess.camera(film.outlines[0]).project(points.reshape(-1, 3))[:, :2]
    shape = len(rings), AROUND, 2
    return [film.steadying.shaken(k, at).reshape(shape) for k in range(len(film.order))]


def turns_matched(guess: Guess, film: SpinFilm) -> tuple[Turns, list[Matches]]:
    """By how much the matches on the face turn about the axle, radians, and these matches."""
    camera = guess.camera(film.outlines[0])
    turns, chosen = [], []
    for m, steady in zip(film.matches, film.steady_matches, strict=True):
        a = on_face(steady.a, camera, guess.solid) @ np.array([1, 1j])
        b = on_face(steady.b, camera, guess.solid) @ np.array([1, 1j])
        good = np.isfinite(a) & np.isfinite(b) & (np.abs(a) > 0.2)
        good &= np.abs(np.abs(a) - np.abs(b)) < _SAME_RADIUS
        good &= np.linalg.norm(steady.b - steady.a, axis=1) > _MOVED * film.size
        good[good] = np.abs(np.angle(b[good] / a[good])) > _AT_REST
        at = film.position[m.first], film.position[m.second]
        turns.append((*at, np.angle(b[good] / a[good])))
        chosen.append(Matches(m.first, m.second, m.a[good], m.b[good]))
    return turns, chosen
