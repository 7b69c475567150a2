"""The tyre as a solid of revolution, compared with the outlines of its masks.

The solid is the convex hull of circles about the axle; its image is convex, too. With ``h`` the
largest support of all circles' images (`tasks/geometry/conics.py`), a point ``p`` of the image lies
``max_d (d · p - h(d))`` outside of it, a signed distance that is exact on both sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.geometry.angles import wrapped
from tasks.geometry.camera import Camera
from tasks.geometry.conics import dual_conics, supports, touching_points
from tasks.geometry.sphere import tangents
from tasks.poses.outline import ANGLES, DIRECTIONS, NUM_DIRECTIONS, Outline, inside_image

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

KNOTS = np.array([0.45, 0.7, 0.85, 0.95, 1.0])
"""Shares of the half width at which the profile's radius is free."""

TYPICAL_FALLS = np.array([0.01, 0.02, 0.03, 0.04, 0.06])
"""Typical fall of the radius from one knot to the next, as shares of the radius."""

MAX_FALLS = np.array([0.05, 0.08, 0.1, 0.15, 0.15])
"""Largest falls: a deeper one would be a spike on the axle, not a shoulder or a hub."""

NUM_PARAMETERS = 7 + 2 * len(KNOTS)
"""Parameters of a solid: centre, tilt of the axle, logarithms of radius and half width, falls."""

FOLLOWED_PERCENT = 2.0
"""Distance from a mask's contour, of the outline's size, at which the two part."""

_STEP = float(2 * np.pi / NUM_DIRECTIONS)


def _falls_before() -> FloatArray:
    """``(C, 2 K)`` which falls lessen the radius of each circle of :meth:`Solid.circles`."""
    below = np.tri(len(KNOTS))  # (K, K) at a knot, its fall and those before it
    nothing = np.zeros_like(below)
    left, right = np.hstack([below[::-1], nothing]), np.hstack([nothing, below])
    return np.vstack([left, np.zeros((1, 2 * len(KNOTS))), right])


_FALLS_BEFORE = _falls_before()


@dataclass(frozen=True)
class Solid:
    """A solid of revolution; only the convex hull of its circles counts.

    Args:
        centre: ``(3,)`` world.
        axle: ``(3,)`` unit vector.
        radius, half_width: World units.
        falls: ``(2, K)`` fall of the radius from knot to knot, as shares of the radius, on the
            sides towards ``-axle`` and ``+axle``.
    """

    centre: FloatArray
    axle: FloatArray
    radius: float
    half_width: float
    falls: FloatArray

    def circles(self) -> tuple[FloatArray, FloatArray]:
        """Positions ``(C,)`` along the axle from the centre, and radii ``(C,)``."""
        z = np.concatenate([-KNOTS[::-1], [0.0], KNOTS])
        r = 1.0 - _FALLS_BEFORE @ self.falls.ravel()
        return self.half_width * z, self.radius * np.maximum(r, 0.02)

    def nearest(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Distances of points from the surface, and its normals where it is nearest.

        The surface is that of the circles joined by cones, with a flat disc at either end.

        Args:
            points: ``(N, 3)`` world.

        Returns:
            Distances ``(N,)`` in world units and unit vectors ``(N, 3)`` that point outwards.
        """
        z, r = self.circles()
        ends = np.column_stack([[z[0], *z, z[-1]], [0.0, *r, 0.0]])  # (C + 2, 2)
        along = np.diff(ends, axis=0)
        length = np.maximum(np.linalg.norm(along, axis=1), 1e-12)
        away = points - self.centre
        height = away @ self.axle
        outward = away - height[:, None] * self.axle
        reach = np.linalg.norm(outward, axis=1)
        outward /= np.maximum(reach, 1e-12)[:, None]
        offset = np.column_stack([height, reach])[:, None] - ends[:-1]  # (N, C + 1, 2)
        share = np.clip((offset * along).sum(axis=2) / length**2, 0.0, 1.0)
        distance = np.linalg.norm(offset - share[..., None] * along, axis=2)
        first = distance.argmin(axis=1)
        across = np.column_stack([-along[:, 1], along[:, 0]])[first] / length[first, None]
        normals = across[:, :1] * self.axle + across[:, 1:] * outward
        return distance.min(axis=1), np.asarray(normals)

    def moved(self, x: FloatArray) -> Solid:
        """The solid changed by parameters ``(17,)``.

        Args:
            x: Shift of the centre in radii (3), tilt of the axle along its two tangents (2), change
                of the logarithms of radius and half width, change of the falls (10).
        """
        axle = self.axle + x[3:5] @ tangents(self.axle)
        return Solid(
            self.centre + x[:3] * self.radius,
            axle / np.linalg.norm(axle),
            self.radius * float(np.exp(x[5])),
            self.half_width * float(np.exp(x[6])),
            np.clip(self.falls + x[7:].reshape(2, -1), 0.0, MAX_FALLS),
        )


@dataclass(frozen=True)
class Misfit:
    """Where the contours' points lie beside a solid's image.

    Args:
        error: ``(N, P)`` signed distance in percent of the outline's size, positive outside.
        facing: ``(N, P)`` cosine between the contour's normal and the solid's.
        direction: ``(N, P, 2)`` unit vectors out of the solid's image, where it is nearest.
        jacobian: ``(N, P, 17)`` derivative of ``error`` by the parameters of :meth:`Solid.moved`;
            ``(N, P, 0)`` where it was not asked for.
    """

    error: FloatArray
    facing: FloatArray
    direction: FloatArray
    jacobian: FloatArray


@dataclass(frozen=True)
class Agreement:
    """What becomes of a solid's outline in each mask, as shares of its length that sum to 1.

    Args:
        followed: ``(N,)`` where the mask's contour runs along it.
        hidden: ``(N,)`` where it runs inside the mask, which holds more than the tyre.
        lacking: ``(N,)`` where it runs outside, so that the mask lacks a part.
    """

    followed: FloatArray
    hidden: FloatArray
    lacking: FloatArray

    @property
    def score(self) -> FloatArray:
        """``(N,)`` from 0 to 1; what is hidden speaks neither for the solid nor against it."""
        return self.followed + 0.5 * self.hidden


class Views:
    """The cameras and outlines of many frames, stacked for fast evaluation.

    Args:
        cameras: ``N`` cameras.
        outlines: Their outlines.
        step: Every so many points of a contour one is used.
    """

    def __init__(
        self, cameras: Sequence[Camera], outlines: Sequence[Outline], *, step: int = 1
    ) -> None:
        intrinsics = np.array(
            [[[c.fx, 0, c.cx], [0, c.fy, c.cy], [0, 0, 1]] for c in cameras], dtype=np.float64
        )
        rotations = np.stack([c.rotation for c in cameras])
        self.cameras = list(cameras)
        self.outlines = list(outlines)
        self.projection = intrinsics @ rotations  # (N, 3, 3)
        translations = np.stack([c.translation for c in cameras])
        self.offset = np.einsum("nij,nj->ni", intrinsics, translations)  # (N, 3)
        self.support = np.stack([o.support for o in outlines])  # (N, D)
        self.valid = np.stack([o.valid for o in outlines])  # (N, D)
        self.size = np.array([o.size for o in outlines])  # (N,)
        self.contour = np.stack([o.contour[::step] for o in outlines])  # (N, P, 2)
        self.normals = np.stack([o.normals[::step] for o in outlines])  # (N, P, 2)
        self.uncut = np.stack([o.uncut[::step] for o in outlines])  # (N, P)

    def subset(self, keep: NDArray[np.intp], *, step: int = 1) -> Views:
        """The views at these indices, with every ``step``-th point of their contours."""
        return Views([self.cameras[i] for i in keep], [self.outlines[i] for i in keep], step=step)

    def conics(self, solid: Solid) -> FloatArray:
        """Dual conics ``(N, C, 3, 3)`` of the circles' images."""
        z, r = solid.circles()
        middle = self.projection @ solid.centre + self.offset  # (N, 3)
        centres = middle[:, None] + z[:, None] * (self.projection @ solid.axle)[:, None]
        return dual_conics(self.projection, centres, solid.axle, r)

    def supports(self, solid: Solid, step: int = 1) -> FloatArray:
        """Support of the solid's image, ``(N, D / step)`` pixels."""
        return np.asarray(supports(self.conics(solid), self._everywhere(step)).max(axis=2))

    def residuals(self, solid: Solid, step: int = 1) -> FloatArray:
        """``(N, D / step)``: solid minus mask, in percent of the mask's size; 0 where cut off."""
        r = (self.supports(solid, step) - self.support[:, ::step]) / self.size[:, None]
        return np.where(self.valid[:, ::step], 100.0 * r, 0.0)

    def tangent_points(self, solid: Solid) -> FloatArray:
        """``(N, D, 2)`` points of the solid's outline, pixels, by the directions it faces there."""
        support, along = self._envelope(self.conics(solid))
        return np.asarray(support[..., None] * DIRECTIONS + along[..., None] * _ACROSS)

    def agreement(self, solid: Solid) -> Agreement:
        """Compare the solid's outline with the masks' contours."""
        points = self.tangent_points(solid)
        after = np.roll(points, -1, axis=1)
        middle, length = 0.5 * (points + after), np.linalg.norm(after - points, axis=2)  # (N, D)
        depth = np.empty_like(length)
        for n, outline in enumerate(self.outlines):
            length[n, ~inside_image(middle[n], outline.width, outline.height)] = 0.0
            polygon = outline.contour.astype(np.float32)
            depth[n] = [cv2.pointPolygonTest(polygon, (x, y), True) for x, y in middle[n].tolist()]
        depth *= 100.0 / self.size[:, None]
        near = 1.0 / (1.0 + (depth / FOLLOWED_PERCENT) ** 2) ** 2
        total = np.maximum(length.sum(axis=1), 1e-9)
        followed = (length * near).sum(axis=1) / total
        hidden = (length * (1.0 - near) * (depth > 0)).sum(axis=1) / total
        lacking = (length * (1.0 - near) * (depth <= 0)).sum(axis=1) / total
        return Agreement(followed, hidden, lacking)

    def misfit(self, solid: Solid, *, derivatives: bool = False) -> Misfit:
        """How far the contours' points lie from the solid's image."""
        conics = self.conics(solid)
        nearest = self._nearest_directions(conics)  # (N, P, 2)
        across = np.stack([-nearest[..., 1], nearest[..., 0]], axis=-1)
        everything = supports(conics, nearest)  # (N, P, C)
        along = touching_points(conics, nearest, everything)
        first = everything.argmax(axis=2)
        support, mine = _at(everything, first), _at(along, first)
        # Between two circles the image's edge is straight. The one after the touched one is that
        # which the tangent meets first when it turns towards the point.
        beside = (self.contour * across).sum(axis=2) - mine
        ahead = (along - mine[..., None]) * np.sign(beside)[..., None]  # (N, P, C)
        turns = np.where(ahead > 1e-9, support[..., None] - everything, np.inf)
        turns /= np.maximum(ahead, 1e-9)
        second = turns.argmin(axis=2)
        turn, reach = _at(turns, second), _at(ahead, second)
        straight = turn < _STEP
        share = np.clip(np.abs(beside) / np.maximum(reach, 1e-9), 0.0, 1.0)
        distance = (self.contour * nearest).sum(axis=2) - support
        distance = distance + np.where(straight, turn * np.abs(beside), 0.0)
        facing = (self.normals * nearest).sum(axis=2)
        scale = 100.0 / self.size[:, None]
        jacobian = np.empty((*distance.shape, 0))
        if derivatives:
            slopes = self._slopes(solid, nearest, support, first)
            later = self._slopes(solid, nearest, _at(everything, second), second)
            slopes += np.where(straight, share, 0.0)[..., None] * (later - slopes)
            jacobian = -scale[..., None] * slopes
        return Misfit(scale * distance, facing, nearest, jacobian)

    def _everywhere(self, step: int = 1) -> FloatArray:
        shape = (len(self.cameras), NUM_DIRECTIONS // step, 2)
        return np.broadcast_to(DIRECTIONS[::step], shape)

    def _envelope(self, conics: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Supports ``(N, D)`` of the hull of all circles, and where its tangents touch it."""
        found = supports(conics, self._everywhere())  # (N, D, C)
        active = found.argmax(axis=2)
        touching = touching_points(conics, self._everywhere(), found)
        return _at(found, active), _at(touching, active)

    def _nearest_directions(self, conics: FloatArray) -> FloatArray:
        """``(N, P, 2)`` the direction in which the solid's image is nearest to each point.

        There the gap ``d · p - h(d)`` is largest. Between two of ``DIRECTIONS`` it is concave,
        often with a kink: where the tangents at both ends meet, it is looked at again.
        """
        support, along = self._envelope(conics)
        gaps = self.contour @ DIRECTIONS.T - support[:, None]  # (N, P, D)
        best = gaps.argmax(axis=2)
        rows = np.arange(len(self.cameras))[:, None]

        def end(k: NDArray[np.intp]) -> tuple[FloatArray, FloatArray, FloatArray]:
            slope = (self.contour * _ACROSS[k]).sum(axis=2) - along[rows, k]
            return ANGLES[k], _at(gaps, k), slope

        here = end(best)
        other = (best + np.where(here[2] > 0, 1, -1)) % NUM_DIRECTIONS
        there = end(other)
        turn = wrapped(there[0] - here[0])
        there = here[0] + turn, *there[1:]
        middle = _meeting(here, there)
        directions = np.stack([np.cos(middle), np.sin(middle)], axis=-1)
        across = np.stack([-directions[..., 1], directions[..., 0]], axis=-1)
        found = supports(conics, directions)  # (N, P, C)
        active = found.argmax(axis=2)
        gap = (self.contour * directions).sum(axis=2) - _at(found, active)
        touched = _at(touching_points(conics, directions, found), active)
        slope = (self.contour * across).sum(axis=2) - touched
        # the maximum lies on the side to which the gap rises
        further = (slope > 0) == (turn > 0)
        ends = [np.where(further, t, h) for h, t in zip(here, there, strict=True)]
        angle = _meeting((middle, gap, slope), (ends[0], ends[1], ends[2]))
        return np.stack([np.cos(angle), np.sin(angle)], axis=-1)

    def _slopes(
        self, solid: Solid, direction: FloatArray, support: FloatArray, circle: NDArray[np.intp]
    ) -> FloatArray:
        """``(N, P, 17)`` derivative of circles' supports by the parameters of :meth:`Solid.moved`.

        That of ``l^T G l = 0``: the back-projected line is a plane that touches the circle.
        """
        z, r = (values[circle] for values in solid.circles())  # (N, P)
        line = np.concatenate([direction, -support[..., None]], axis=2)  # (N, P, 3)
        normal = line @ self.projection  # (N, P, 3) of the plane, in the world
        slant = normal @ solid.axle
        offset = (line @ self.offset[..., None])[..., 0]
        away = normal @ solid.centre + offset + z * slant  # the circle's centre from the plane
        third = self.projection[:, 2]  # (N, 3)
        lean = (third @ solid.axle)[:, None]
        middle = (third @ solid.centre + self.offset[:, 2])[:, None] + z * lean
        flat = (normal @ third[..., None])[..., 0] - slant * lean
        by_radius = 2.0 * r * ((normal**2).sum(axis=2) - slant**2)
        slopes = np.empty((*support.shape, NUM_PARAMETERS))
        slopes[..., :3] = -2.0 * solid.radius * away[..., None] * normal
        tilt = -2.0 * (r**2 * slant + away * z)[..., None] * normal
        slopes[..., 3:5] = tilt @ tangents(solid.axle).T
        slopes[..., 5] = by_radius * r
        slopes[..., 6] = -2.0 * away * slant * z
        slopes[..., 7:] = -solid.radius * by_radius[..., None] * _FALLS_BEFORE[circle]
        return np.asarray(slopes / (2.0 * (r**2 * flat - away * middle))[..., None])


_ACROSS = np.stack([-DIRECTIONS[:, 1], DIRECTIONS[:, 0]], axis=1)
"""``(D, 2)`` unit vectors along the tangents."""


def _meeting(
    one: tuple[FloatArray, FloatArray, FloatArray], other: tuple[FloatArray, FloatArray, FloatArray]
) -> FloatArray:
    """Where tangents of a function meet, given by position, value and slope; between them."""
    (x0, y0, m0), (x1, y1, m1) = one, other
    fall = np.where(np.abs(m0 - m1) > 1e-12, m0 - m1, np.inf)
    x = x0 + (y1 - y0 - m1 * (x1 - x0)) / fall
    return np.asarray(np.clip(x, np.minimum(x0, x1), np.maximum(x0, x1)))


def _at(values: FloatArray, index: NDArray[np.intp]) -> FloatArray:
    """Values ``(N, P)`` of ``(N, P, K)`` at indices ``(N, P)`` of the last axis."""
    return np.take_along_axis(values, index[..., None], axis=2)[..., 0]
