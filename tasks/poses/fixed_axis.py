"""A rigid body that turns about one fixed axis before one camera: bundle adjustment.

The unknowns are the focal length, the axis (direction and place), one angle for each frame and the
body's points; where the camera is held in a hand, a small motion of its own for each frame, too.
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

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

SHAKE = (np.radians(3.0), 0.03)
"""Standard deviations of a hand's motion: radians, and shares of the axis' depth."""

_FOCAL_DEVIATION = 0.25
"""Standard deviation of the logarithm of the focal length about what is assumed of it."""

_GLOBALS = 5  # log focal length, axis (2), centre (2)
_STEPS = 60
_CONVERGED = 1e-12


@dataclass(frozen=True)
class Observations:
    """Where points of the body are seen.

    Args:
        frame: ``(K,)`` position of the frame in the sequence.
        point: ``(K,)`` number of the point.
        pixel: ``(K, 2)`` pixels.
    """

    frame: IntArray
    point: IntArray
    pixel: FloatArray

    def chosen(self, keep: NDArray[np.bool_]) -> Observations:
        """Those where ``keep`` ``(K,)`` is true."""
        return Observations(self.frame[keep], self.point[keep], self.pixel[keep])


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


def _cross(a: FloatArray, b: FloatArray) -> FloatArray:
    return np.cross(np.broadcast_to(a, b.shape), b)


def _linearise(model: FixedAxis, seen: Observations) -> _Linear:
    turns = Rotation.from_rotvec(model.angles[:, None] * model.axis).as_matrix()[seen.frame]
    hands = Rotation.from_rotvec(model.shake[:, :3]).as_matrix()[seen.frame]
    x = model.points[seen.point]
    turned = np.einsum("kij,kj->ki", turns, x)
    y = turned + model.centre
    held = np.einsum("kij,kj->ki", hands, y)
    z = held + model.shake[seen.frame, 3:]
    depth = z[:, 2]
    inverse = 1.0 / np.where(np.abs(depth) < 1e-6, 1e-6, depth)
    image = z[:, :2] * inverse[:, None]
    residual = model.focal * image + model.principal - seen.pixel
    by_z = np.zeros((len(z), 2, 3))  # derivative of the pixel by z
    by_z[:, 0, 0] = by_z[:, 1, 1] = model.focal * inverse
    by_z[:, :, 2] = -model.focal * image * inverse[:, None]
    by_y = by_z @ hands
    tilts = []
    for t in tangents(model.axis):  # exp(p) R exp(-p) for a small rotation p across the axis
        moved = _cross(t, turned) - np.einsum("kij,kj->ki", turns, _cross(t, x))
        tilts.append(np.einsum("kij,kj->ki", by_y, moved))
    by_globals = np.stack(
        [model.focal * image, *tilts, by_y[:, :, 0], by_y[:, :, 1]], axis=2
    )  # (K, 2, 5)
    by_angle = np.einsum("kij,kj->ki", by_y, _cross(model.axis, turned))
    spun = [np.einsum("kij,kj->ki", by_z, _cross(e, held)) for e in np.eye(3)]
    by_shake = np.concatenate([np.stack(spun, axis=2), by_z], axis=2)  # (K, 2, 6)
    return _Linear(residual, depth, by_globals, by_angle, by_shake, by_y @ turns)


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
) -> FixedAxis:
    """Bundle adjustment from a start; the first frame's angle is kept.

    Args:
        start: First guess of everything.
        seen: Observations; some may be wrong. Each point needs two, each frame some.
        scale_px: Scale of Cauchy's loss, pixels.
        focal_prior: What the focal length is assumed to be, weakly, pixels.
        shaking: Whether the camera moves a little by itself.
        fix_focal: Whether to keep the focal length of the start.

    Returns:
        The model with the least cost that was found.
    """
    model = start
    cost, at = _cost(model, seen, scale_px, focal_prior, shaking)
    damping = 1e-3
    for _ in range(_STEPS):
        system = _System(model, at, seen, scale_px, focal_prior, shaking, fix_focal)
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
        if gain < _CONVERGED:
            break
    return model


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
    ) -> None:
        n, m, k = len(model.angles), len(model.points), len(seen.frame)
        self.model, self.shaking, self.n = model, shaking, n
        weight = 1.0 / (scale_px**2 + (at.residual**2).sum(axis=1))  # Cauchy
        weight = np.where(at.depth > 0.05, weight, 0.0)
        size = _GLOBALS + n + (6 * n if shaking else 0)
        # The few columns that an observation touches, and where they stand.
        blocks = [at.by_globals, at.by_angle[:, :, None]]
        columns = [np.tile(np.arange(_GLOBALS), (k, 1)), _GLOBALS + seen.frame[:, None]]
        if shaking:
            blocks.append(at.by_shake)
            columns.append(_GLOBALS + n + 6 * seen.frame[:, None] + np.arange(6))
        jacobian, column = np.concatenate(blocks, axis=2), np.concatenate(columns, axis=1)
        weighted = jacobian * weight[:, None, None]
        self.cameras = np.zeros((size, size))
        np.add.at(
            self.cameras,
            (column[:, :, None], column[:, None, :]),
            weighted.transpose(0, 2, 1) @ jacobian,
        )
        self.right = np.zeros(size)
        np.add.at(self.right, column, -np.einsum("kic,ki->kc", weighted, at.residual))
        by_point = at.by_point * weight[:, None, None]
        self.points = np.zeros((m, 3, 3))
        np.add.at(self.points, seen.point, by_point.transpose(0, 2, 1) @ at.by_point)
        self.right_points = np.zeros((m, 3))
        np.add.at(self.right_points, seen.point, -np.einsum("kic,ki->kc", by_point, at.residual))
        self.mixed = np.zeros((m, size, 3))
        np.add.at(
            self.mixed, (seen.point[:, None], column), weighted.transpose(0, 2, 1) @ at.by_point
        )
        self._priors(focal_prior)
        self.free = np.ones(size, dtype=bool)
        self.free[_GLOBALS] = False  # the first angle: the world turns with the body
        self.free[0] = not fix_focal

    def _priors(self, focal_prior: float) -> None:
        self.cameras[0, 0] += _FOCAL_DEVIATION**-2
        self.right[0] -= np.log(self.model.focal / focal_prior) / _FOCAL_DEVIATION**2
        if self.shaking:
            precision = np.repeat(np.array(SHAKE) ** -2.0, 3)
            place = _GLOBALS + self.n + np.arange(6 * self.n)
            self.cameras[place, place] += np.tile(precision, self.n)
            self.right[place] -= (self.model.shake * precision).ravel()

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
        right = self.right - np.einsum("msi,mi->s", eliminated, self.right_points)
        move = np.zeros(size)
        free = self.free
        move[free] = np.linalg.solve(left[np.ix_(free, free)], right[free])
        shift = np.einsum(
            "mij,mj->mi", inverse, self.right_points - np.einsum("msi,s->mi", self.mixed, move)
        )
        return _moved(self.model, move, shift, shaking=self.shaking)


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
