"""Where the camera may be and where the face, before the turn of a spinning tyre is known."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from tasks.geometry.camera import Camera
from tasks.poses.face_circles import CLEAR, Circles
from tasks.poses.outline import Outline
from tasks.poses.solid import TYPICAL_FALLS, Solid
from tasks.poses.spin_film import SpinFilm
from tasks.poses.steady_spin import view_from
from tasks.poses.turning_plane import TurningPlane, find_turning_plane

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Guess:
    """What is thought of the camera at rest and of the tyre before it, in its coordinates.

    Args:
        focal: Focal length, pixels.
        principal: ``(2,)`` principal point, pixels.
        solid: The tyre, its centre at depth 1.
    """

    focal: float
    principal: FloatArray
    solid: Solid

    def camera(self, outline: Outline) -> Camera:
        """The camera at rest."""
        u, v = self.principal
        return Camera(
            self.focal, self.focal, u, v, outline.width, outline.height, np.eye(3), np.zeros(3)
        )


def _guess_of(camera: Camera, solid: Solid) -> Guess:
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
    return Guess(camera.fx, np.array([camera.cx, camera.cy]), moved)


def _guess_on(plane: TurningPlane, film: SpinFilm, fov_deg: float, side: float) -> Guess:
    """The axle across a plane that turns, and a tyre as large as its outline."""
    outline = film.outlines[0]
    focal = 0.5 * max(outline.width, outline.height) / math.tan(math.radians(fov_deg) / 2.0)
    principal = np.array([outline.width / 2.0, outline.height / 2.0])
    face = np.append((plane.pivot - principal) / focal, 1.0)
    ahead = np.array([0.0, 0.0, 1.0])
    towards, _ = Rotation.align_vectors(face[None] / np.linalg.norm(face), ahead[None])
    across = side * math.sin(plane.slant) * plane.tilt
    axle = towards.apply(np.append(across, -math.cos(plane.slant)))
    return Guess(focal, principal, flat_tyre(face, axle, 0.5 * film.size / focal))


def guess_about(circles: Circles, focal: float, principal: FloatArray, film: SpinFilm) -> Guess:
    """The axle of circles, and a tyre as large as its outline.

    Args:
        circles: About the axle.
        focal: Focal length, pixels.
        principal: ``(2,)`` principal point, pixels.
        film: What is known of the film.
    """
    return Guess(focal, principal, flat_tyre(circles.face, circles.axle, 0.5 * film.size / focal))


def flat_tyre(face: FloatArray, axle: FloatArray, radius: float) -> Solid:
    """A tyre whose face towards the camera goes through a point of the axis, its centre at depth 1.

    Any width does: the face alone counts.

    Args:
        face: ``(3,)`` the point, in the camera's coordinates.
        axle: ``(3,)`` unit vector.
        radius: Outer radius, in the same unit as the point.
    """
    side = -np.sign(face @ axle) or 1.0
    middle = face - side * 0.4 * radius * axle
    depth, flat = float(middle[2]), np.zeros((2, len(TYPICAL_FALLS)))
    return Solid(middle / depth, axle, radius / depth, 0.4 * radius / depth, flat)


def first_guesses(film: SpinFilm, fov_deg: float) -> list[Guess]:
    """Where to begin; from afar, nothing tells from which side a face is seen.

    Args:
        film: What is known of the film.
        fov_deg: Assumed field of view of the longest side, degrees.

    Returns:
        By the plane that matches turn in, one for each side; without one by the outline, and one by
        the circles that the images' average shows.
    """
    plane = find_turning_plane(film.steady_matches, film.position, film.size)
    if plane is not None:
        return [_guess_on(plane, film, fov_deg, side) for side in (-1.0, 1.0)]
    guesses = [_guess_of(*view_from(side, film.typical, fov_deg)) for side in (-1.0, 1.0)]
    if film.images:
        circles = film.mean_image.best(guesses[0].camera(film.outlines[0]))
        if circles.sharpness >= CLEAR:
            guesses.append(guess_about(circles, guesses[0].focal, guesses[0].principal, film))
    return guesses
