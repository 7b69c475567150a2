"""A rigid body that turns about one fixed axis before one camera: bundle adjustment.

The unknowns are the focal length, the axis (direction and position), one angle for each frame and
the body's points; where a hand holds the camera, a small motion of its own for each frame, too.
Coordinates are those of the camera at rest, the depth of the axis' point being 1:

    ``y = R(axis, angle) x + centre``, ``z = exp(shake[:3]) y + shake[3:]``,
    ``pixel = focal z_xy / z_z + principal``

Levenberg-Marquardt on the reduced camera system: Triggs, McLauchlan, Hartley and Fitzgibbon, Bundle
adjustment, a modern synthesis, 2000, sections 6 and 8; weights of iteratively reweighted least
squares for Cauchy's loss. Geometry of one axis: Fitzgibbon, Cross and Zisserman, Automatic 3D model
construction for turn-table sequences, SMILE 1998.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from tasks.geometry.camera import Camera
from tasks.geometry.sphere import tangents
from tasks.poses.observations import Observations, adder, sums

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

SHAKE = (np.radians(3.0), 0.03)
"""Standard deviations of a hand's motion: radians, and shares of the axis' depth."""

_FOCAL_DEVIATION = 0.08
"""Standard deviation of the logarithm of the focal length about what is assumed of it: a third of
what cameras differ by, for the errors of a face's edges are not independent, and many small ones
outweigh what is known of cameras even where they tell no focal length at all."""

_GLOBALS = 5  # log focal length, axis (2), centre (2)
MIN_TRACK = 3
"""Fewest frames that must see a point."""

MOST_BENT = float(np.log(2.0))
"""A logarithm of the focal length that is farther from what was assumed is no camera's: seen from
the wrong side, a body turns as the right one does before a lens of endless length."""

_STIFF = 1e6
_COARSE = 1e-5
"""Relative gain of a step that is not worth another one while outliers are being left out."""

_STEPS = 60
_CONVERGED = 1e-12
"""Relative gain of a step after which there is no further one."""


@dataclass(frozen=True)
class FixedAxis:
    """A body that turns before a camera, in the coordinates of the camera at rest.

    Args:
        focal: Focal length, pixels.
        principal: ``(2,)`` principal point, pixels.
        axis: ``(3,)`` unit vector that the body turns about.
        centre: ``(3,)`` a point of the axis, at depth 1.
        angles: ``(N,)`` how far the body has turned in each frame, radians.
        points: ``(M, 3)`` points of the body from ``centre``, at angle 0.
        shake: ``(N, 6)`` rotation vector and shift of the camera's own motion.
    """

    focal: float
    principal: FloatArray
    axis: FloatArray
    centre: FloatArray
    angles: FloatArray
    points: FloatArray
    shake: FloatArray

    def pose(self, k: int) -> tuple[FloatArray, FloatArray]:
        """Rotation ``(3, 3)`` and translation ``(3,)`` from the body at angle 0 to camera k."""
        turn = Rotation.from_rotvec(self.angles[k] * self.axis).as_matrix()
        hand = Rotation.from_rotvec(self.shake[k, :3]).as_matrix()
        return hand @ turn, hand @ (self.centre - turn @ self.centre) + self.shake[k, 3:]

    def camera(self, k: int, width: int, height: int) -> Camera:
        """The camera of the k-th frame in the world of the body at angle 0."""
        rotation, translation = self.pose(k)
        u, v = self.principal
        f = self.focal
        return Camera(f, f, float(u), float(v), width, height, rotation, translation)


@dataclass(frozen=True)
class _Linear:
    """Residuals ``(K, 2)`` with their derivatives by globals, angle, shake and point."""

    residual: FloatArray
    depth: FloatArray
    by_globals: FloatArray
    by_angle: FloatArray
    by_shake: FloatArray
    by_point: FloatArray


def _skew(a: FloatArray) -> FloatArray:
    """The matrix that multiplies rows ``v`` from the right to give ``a x v``."""
    x, y, z = a
    return np.array([[0.0, z, -y], [-z, 0.0, x], [y, -x, 0.0]])


def _linearise(model: FixedAxis, seen: Observations) -> _Linear:
    turns = Rotation.from_rotvec(model.angles[:, None] * model.axis).as_matrix()[seen.frame]
    hands = Rotation.from_rotvec(model.shake[:, :3]).as_matrix()[seen.frame]
    x = model.points[seen.point]
    turned = (turns @ x[:, :, None])[:, :, 0]
    shaken = (hands @ (turned + model.centre)[:, :, None])[:, :, 0]
    z = shaken + model.shake[seen.frame, 3:]
    depth = z[:, 2]
    inverse = 1.0 / np.where(np.abs(depth) < 1e-6, 1e-6, depth)
    image = z[:, :2] * inverse[:, None]
    residual = model.focal * image + model.principal - seen.pixel
    by_z = np.zeros((len(z), 2, 3))  # derivative of the pixel by z
    by_z[:, 0, 0] = by_z[:, 1, 1] = model.focal * inverse
    by_z[:, :, 2] = -model.focal * image * inverse[:, None]
    by_y = by_z @ hands
    by_point = by_y @ turns
    columns = [model.focal * image]
    for t in tangents(model.axis):  # exp(p) R exp(-p) for a small rotation p across the axis
        along, before = turned @ _skew(t), x @ _skew(t)
        columns.append(
            (by_y @ along[:, :, None])[:, :, 0] - (by_point @ before[:, :, None])[:, :, 0]
        )
    by_globals = np.stack([*columns, by_y[:, :, 0], by_y[:, :, 1]], axis=2)  # (K, 2, 5)
    by_angle = (by_y @ (turned @ _skew(model.axis))[:, :, None])[:, :, 0]
    spun = [(by_z @ (shaken @ _skew(e))[:, :, None])[:, :, 0] for e in np.eye(3)]
    by_shake = np.concatenate([np.stack(spun, axis=2), by_z], axis=2)  # (K, 2, 6)
    return _Linear(residual, depth, by_globals, by_angle, by_shake, by_point)


def triangulated(model: FixedAxis, seen: Observations, count: int) -> FloatArray:
    """The points ``(count, 3)`` that are nearest to what was seen of them, by linear equations.

    Args:
        model: Angles, axis, centre and camera; its points do not count.
        seen: Observations, at least two of each point.
        count: Number of points.
    """
    turns = Rotation.from_rotvec(model.angles[:, None] * model.axis).as_matrix()
    hands = Rotation.from_rotvec(model.shake[:, :3]).as_matrix()
    rotation = (hands @ turns)[seen.frame]
    shift = (hands @ model.centre + model.shake[:, 3:])[seen.frame]
    image = (seen.pixel - model.principal) / model.focal
    left = image[:, :, None] * rotation[:, 2:] - rotation[:, :2]  # (K, 2, 3)
    right = shift[:, :2] - image * shift[:, 2:]
    of_point = adder(seen.point, count)
    squares = sums(of_point, left.transpose(0, 2, 1) @ left) + 1e-9 * np.eye(3)
    product = sums(of_point, (left.transpose(0, 2, 1) @ right[:, :, None])[:, :, 0])
    return np.asarray(np.linalg.solve(squares, product[:, :, None])[:, :, 0])


def residuals_px(model: FixedAxis, seen: Observations) -> FloatArray:
    """``(K,)`` reprojection errors in pixels; infinite behind the camera."""
    at = _linearise(model, seen)
    return np.where(at.depth > 0.05, np.linalg.norm(at.residual, axis=1), np.inf)


def adjust(
    start: FixedAxis,
    seen: Observations,
    *,
    scale_px: float,
    focal_prior: float,
    shaking: bool = False,
    fix_focal: bool = False,
    fix_axis: bool = False,
    converged: float = _CONVERGED,
) -> FixedAxis:
    """Bundle adjustment from a start; the first frame's angle is kept.

    Args:
        start: First guess of everything.
        seen: Observations; some may be wrong. Each point needs two, each frame some; no frame sees
            a point twice.
        scale_px: Scale of Cauchy's loss, pixels.
        focal_prior: What the focal length is assumed to be, weakly, pixels.
        shaking: Whether the camera moves a little by itself.
        fix_focal: Whether to keep the focal length of the start.
        fix_axis: Whether to keep the direction of the start's axis.
        converged: Relative gain of a step after which there is no further one.

    Returns:
        The model with the least cost that was found.
    """
    model = start
    cost, at = _cost(model, seen, scale_px, focal_prior, shaking)
    damping = 1e-3
    for _ in range(_STEPS):
        system = _System(model, at, seen, scale_px, focal_prior, shaking, fix_focal, fix_axis)
        while damping < 1e8:
            moved = system.step(damping)
            new_cost, new_at = _cost(moved, seen, scale_px, focal_prior, shaking)
            if new_cost < cost:
                break
            damping *= 5.0
        else:
            return model
        gain = (cost - new_cost) / max(cost, 1e-300)
        model, cost, at = moved, new_cost, new_at
        damping = max(damping / 5.0, 1e-12)
        if gain < converged:
            break
    return model


def adjust_robustly(
    model: FixedAxis,
    seen: Observations,
    focal_prior: float,
    *,
    shaking: bool,
    fix_focal: bool,
    fix_axis: bool = False,
) -> tuple[FixedAxis, Observations]:
    """Adjust, leave out what does not agree, adjust again.

    Args:
        model: The start.
        seen: Observations, many of which may be wrong.
        focal_prior: What the focal length is assumed to be, weakly, pixels.
        shaking: Whether the camera moves a little by itself.
        fix_focal: Whether to keep the focal length of the start.
        fix_axis: Whether to keep the direction of the start's axis.

    Returns:
        The model, and the observations that agree with it, of points that enough frames see.
    """
    for scale, limit in ((6.0, 12.0), (2.0, 5.0), (1.0, 3.0)):
        model = adjust(
            model,
            seen,
            scale_px=scale,
            focal_prior=focal_prior,
            shaking=shaking,
            fix_focal=fix_focal or scale > 2.0,
            fix_axis=fix_axis,
            converged=_COARSE,
        )
        model, seen = _without_outliers(model, seen, limit)
        if len(seen.frame) == 0:
            return model, seen
    model = adjust(
        model,
        seen,
        scale_px=1.0,
        focal_prior=focal_prior,
        shaking=shaking,
        fix_focal=fix_focal,
        fix_axis=fix_axis,
        converged=_COARSE,
    )
    return model, seen


def _without_outliers(
    model: FixedAxis, seen: Observations, limit_px: float
) -> tuple[FixedAxis, Observations]:
    """Observations within a limit, of points that enough frames see; points numbered anew."""
    kept = seen.chosen(residuals_px(model, seen) < limit_px)
    often = np.bincount(kept.point, minlength=len(model.points)) >= MIN_TRACK
    kept = kept.chosen(often[kept.point])
    number = np.cumsum(often) - 1
    return (
        replace(model, points=model.points[often]),
        Observations(kept.frame, number[kept.point], kept.pixel),
    )


def _cost(
    model: FixedAxis, seen: Observations, scale_px: float, focal_prior: float, shaking: bool
) -> tuple[float, _Linear]:
    at = _linearise(model, seen)
    squares = (at.residual**2).sum(axis=1) / scale_px**2
    squares = np.where(at.depth > 0.05, squares, 1e12)
    cost = float(np.log1p(squares).sum())
    cost += float(np.log(model.focal / focal_prior) / _FOCAL_DEVIATION) ** 2
    if shaking:
        cost += float((model.shake[:, :3] ** 2).sum() / SHAKE[0] ** 2)
        cost += float((model.shake[:, 3:] ** 2).sum() / SHAKE[1] ** 2)
    return cost, at


class _System:
    """The normal equations about a model, the points eliminated on demand."""

    def __init__(
        self,
        model: FixedAxis,
        at: _Linear,
        seen: Observations,
        scale_px: float,
        focal_prior: float,
        shaking: bool,
        fix_focal: bool,
        fix_axis: bool,
    ) -> None:
        n, m = len(model.angles), len(model.points)
        self.model, self.shaking, self.n = model, shaking, n
        weight = 1.0 / (scale_px**2 + (at.residual**2).sum(axis=1))  # Cauchy
        weight = np.where(at.depth > 0.05, weight, 0.0)
        size = _GLOBALS + n + (6 * n if shaking else 0)
        own = at.by_angle[:, :, None]  # what belongs to the observation's frame alone
        index = _GLOBALS + np.arange(n)[:, None]
        if shaking:
            own = np.concatenate([own, at.by_shake], axis=2)
            index = np.hstack([index, _GLOBALS + n + 6 * np.arange(n)[:, None] + np.arange(6)])
        both = np.concatenate([at.by_globals, own], axis=2)  # (K, 2, 5 + B)
        weighted = (both * weight[:, None, None]).transpose(0, 2, 1)
        of_frame, of_point = adder(seen.frame, n), adder(seen.point, m)
        squares = sums(of_frame, weighted @ both)  # (N, 5 + B, 5 + B)
        gradient = sums(of_frame, -(weighted @ at.residual[:, :, None])[:, :, 0])
        self.cameras, self.right = np.zeros((size, size)), np.zeros(size)
        self.cameras[:_GLOBALS, :_GLOBALS] = squares[:, :_GLOBALS, :_GLOBALS].sum(axis=0)
        across = squares[:, :_GLOBALS, _GLOBALS:].transpose(1, 0, 2)  # (5, N, B)
        self.cameras[:_GLOBALS, index] = across
        self.cameras[index, :_GLOBALS] = across.transpose(1, 2, 0)
        self.cameras[index[:, :, None], index[:, None, :]] = squares[:, _GLOBALS:, _GLOBALS:]
        self.right[:_GLOBALS] = gradient[:, :_GLOBALS].sum(axis=0)
        self.right[index] = gradient[:, _GLOBALS:]
        by_point = (at.by_point * weight[:, None, None]).transpose(0, 2, 1)
        self.points = sums(of_point, by_point @ at.by_point)
        self.right_points = sums(of_point, -(by_point @ at.residual[:, :, None])[:, :, 0])
        mixed = weighted @ at.by_point  # (K, 5 + B, 3)
        self.mixed = np.zeros((m, size, 3))
        self.mixed[:, :_GLOBALS] = sums(of_point, mixed[:, :_GLOBALS])
        self.mixed[seen.point[:, None], index[seen.frame]] = mixed[:, _GLOBALS:]
        self._priors(focal_prior)
        self.free = np.ones(size, dtype=bool)
        self.free[_GLOBALS] = False  # the first angle: the world turns with the body
        self.free[0] = not fix_focal
        self.free[1:3] = not fix_axis

    def _priors(self, focal_prior: float) -> None:
        self.cameras[0, 0] += _FOCAL_DEVIATION**-2
        self.right[0] -= np.log(self.model.focal / focal_prior) / _FOCAL_DEVIATION**2
        if self.shaking:
            precision = np.repeat(np.array(SHAKE) ** -2.0, 3)
            index = _GLOBALS + self.n + np.arange(6 * self.n)
            self.cameras[index, index] += np.tile(precision, self.n)
            self.right[index] -= (self.model.shake * precision).ravel()

    def step(self, damping: float) -> FixedAxis:
        """The model after a damped step."""
        m, size = len(self.points), len(self.right)
        points = self.points.copy()
        for axis in range(3):
            points[:, axis, axis] *= 1.0 + damping
            points[:, axis, axis] += 1e-12
        inverse = np.linalg.inv(points)
        eliminated = self.mixed @ inverse  # (M, size, 3)
        left = self.cameras - (
            eliminated.transpose(1, 0, 2).reshape(size, 3 * m)
            @ self.mixed.transpose(0, 2, 1).reshape(3 * m, size)
        )
        left[np.diag_indices(size)] += damping * np.diag(self.cameras) + 1e-9
        left[3:_GLOBALS, 3:_GLOBALS] += self._gauge()
        right = self.right - np.einsum("msi,mi->s", eliminated, self.right_points)
        move = np.zeros(size)
        free = self.free
        move[free] = np.linalg.solve(left[np.ix_(free, free)], right[free])
        shift = np.einsum(
            "mij,mj->mi", inverse, self.right_points - np.einsum("msi,s->mi", self.mixed, move)
        )
        return _moved(self.model, move, shift, shaking=self.shaking)

    def _gauge(self) -> FloatArray:
        """What keeps the centre ``(2, 2)`` from sliding along the axis.

        Any point of the axis would do, but the scale is set by its depth: the farther it is beyond
        the body, the larger motions of the hand look likely.
        """
        model = self.model
        along = model.axis[:2] - model.centre[:2] * model.axis[2]
        stiff = _STIFF * float(np.trace(self.cameras[3:_GLOBALS, 3:_GLOBALS]))
        return np.asarray(stiff * np.outer(along, along))


def _moved(model: FixedAxis, move: FloatArray, shift: FloatArray, *, shaking: bool) -> FixedAxis:
    n = len(model.angles)
    tilt = move[1:3] @ tangents(model.axis)
    axis = Rotation.from_rotvec(tilt).as_matrix() @ model.axis
    shake = model.shake
    if shaking:
        step = move[_GLOBALS + n :].reshape(n, 6)
        turned = Rotation.from_rotvec(step[:, :3]) * Rotation.from_rotvec(shake[:, :3])
        shake = np.concatenate([turned.as_rotvec(), shake[:, 3:] + step[:, 3:]], axis=1)
    return replace(
        model,
        focal=model.focal * float(np.exp(np.clip(move[0], -0.5, 0.5))),
        axis=axis / np.linalg.norm(axis),
        centre=model.centre + np.array([move[3], move[4], 0.0]),
        angles=model.angles + move[_GLOBALS : _GLOBALS + n],
        points=model.points + shift,
        shake=shake,
    )
