"""Bundle adjustment of points and outlines: cameras, lens, points and the solid in one problem.

Structure from motion chains relative poses. Over the long way round a tyre their errors add up, and
a focal length that is a few per cent off bends the whole path at hardly any cost in reprojection
errors, since views from opposite sides share no points. The outline of a solid of revolution,
however, tells in every frame by itself how the axle lies. So both are adjusted together: contour
points of the masks are to lie on the image of one solid, as points are to lie where they were seen.

Levenberg-Marquardt on the reduced camera system: Triggs, McLauchlan, Hartley and Fitzgibbon, Bundle
adjustment, a modern synthesis, 2000, sections 6 and 8. Points are weighted by Cauchy's loss,
contour points as :mod:`tasks.poses.fit_solid` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.spatial.transform import Rotation

from tasks.geometry.camera import Camera
from tasks.geometry.sphere import tangents
from tasks.poses.fit_solid import along_outline, contour_noise, solid_priors
from tasks.poses.observations import Observations, adder, sums
from tasks.poses.outline import Outline
from tasks.poses.solid import NUM_PARAMETERS, Misfit, Solid, Views

FloatArray = NDArray[np.float64]

_POINT_PX = 0.5
"""Standard deviation of where a point is seen, pixels."""

_SCALE_PX = 1.0
"""Scale of Cauchy's loss of points, pixels."""

_CONTOUR_PERCENT = 0.25
"""Standard deviation of a contour point, percent of the outline's size. It is a small one, since
errors of points are no noise: mistaken matches and shadows pull the whole path the same way."""

_BREATHING = 0.003
"""Standard deviation of a frame's focal length about that of all: a phone's changes with focus."""

_SEVERAL_LENSES = 0.1
"""The same where frames of several sizes come from who knows how many cameras."""

_K1 = 0.1
"""Standard deviation of a lens's radial distortion."""

_STEPS = 25
_CONVERGED = 1e-4
"""Relative gain of a step after which there is no further one."""

_FIRST_SCALE, _SHRINK = 4.0, 0.7
"""Scale of the contour points' weights at the start, percent, and its factor from step to step."""

_OWN = 7  # rotation (3), translation (3), log focal length of each frame
_COMMON = 2  # log focal length and k1 of all frames


@dataclass(frozen=True)
class Scene:
    """What is adjusted.

    Args:
        cameras: ``N`` cameras, pinholes behind the lens.
        k1: Radial distortion of the lens.
        points: ``(M, 3)`` world.
        solid: The tyre.
    """

    cameras: tuple[Camera, ...]
    k1: float
    points: FloatArray
    solid: Solid


@dataclass(frozen=True)
class _Linear:
    """Residuals ``(K, 2)`` in pixels and their derivatives by log focal length, k1 and pose."""

    residual: FloatArray
    depth: FloatArray
    by_camera: FloatArray  # (K, 2, 2 + 6)
    by_point: FloatArray  # (K, 2, 3)

    @property
    def square(self) -> FloatArray:
        """``(K,)`` squares of the residuals over the loss's scale; large behind the camera."""
        square = (self.residual**2).sum(axis=1) / _SCALE_PX**2
        return np.where(self.depth > 0.0, square, 1e6)


def adjust_with_outlines(
    start: Scene, seen: Observations, outlines: Sequence[Outline | None], *, fix_k1: bool = False
) -> Scene:
    """Bundle adjustment of points and outlines from a start.

    Args:
        start: First guess of everything.
        seen: Where points are seen behind the lens; some may be wrong.
        outlines: Outlines of the ``N`` frames as a pinhole would see them; None where there is
            none.
        fix_k1: Whether to keep the lens of the start.

    Returns:
        The scene with the least cost that was found.
    """
    problem = _Problem(start, seen, outlines, fix_k1)
    scene, scale, damping = start, _FIRST_SCALE, 1e-4
    for _ in range(_STEPS):
        at, views = _linearise(scene, seen), problem.views(scene)
        misfit = views.misfit(scene.solid, derivatives=True)
        noise = contour_noise(views, misfit)
        scale = max(noise, _SHRINK * scale)
        along = along_outline(views, misfit)
        cost = problem.cost(scene, at, misfit, along, scale)
        system = problem.system(scene, at, misfit, along, scale)
        while damping < 1e6:
            moved = problem.moved(scene, *system.step(damping))
            there = _linearise(moved, seen), problem.views(moved).misfit(moved.solid)
            new_cost = problem.cost(moved, *there, along, scale)
            if new_cost < cost:
                break
            damping *= 5.0
        else:
            break
        scene, damping = moved, max(damping / 5.0, 1e-9)
        if scale <= noise and cost - new_cost < _CONVERGED * cost:
            break
    return scene


def reprojection_px(scene: Scene, seen: Observations) -> FloatArray:
    """``(K,)`` reprojection errors in pixels."""
    return np.asarray(np.linalg.norm(_linearise(scene, seen).residual, axis=1))


def _linearise(scene: Scene, seen: Observations) -> _Linear:
    cameras = scene.cameras
    rotations = np.stack([c.rotation for c in cameras])[seen.frame]
    shifts = np.stack([c.translation for c in cameras])[seen.frame]
    focal = np.array([c.fx for c in cameras])[seen.frame]
    principal = np.array([(c.cx, c.cy) for c in cameras])[seen.frame]
    y = (rotations @ scene.points[seen.point][:, :, None])[:, :, 0] + shifts
    depth = y[:, 2]
    inverse = 1.0 / np.where(np.abs(depth) < 1e-9, 1e-9, depth)
    image = y[:, :2] * inverse[:, None]
    square = (image**2).sum(axis=1)
    bend = 1.0 + scene.k1 * square
    by_image = 2.0 * scene.k1 * image[:, :, None] * image[:, None, :]
    by_image[:, 0, 0] += bend
    by_image[:, 1, 1] += bend
    of_image = np.zeros((len(y), 2, 3))
    of_image[:, 0, 0] = of_image[:, 1, 1] = inverse
    of_image[:, :, 2] = -image * inverse[:, None]
    by_y = focal[:, None, None] * by_image @ of_image
    bent = focal[:, None] * image
    by_camera = np.concatenate(
        [
            (bend[:, None] * bent)[:, :, None],
            (square[:, None] * bent)[:, :, None],
            -by_y @ _skews(y),
            by_y,
        ],
        axis=2,
    )
    residual = bend[:, None] * bent + principal - seen.pixel
    return _Linear(residual, depth, by_camera, by_y @ rotations)


def _skews(a: FloatArray) -> FloatArray:
    """Matrices ``(K, 3, 3)`` that multiply ``v`` from the left to give ``a x v``."""
    x, y, z = a.T
    nothing = np.zeros(len(a))
    rows = [nothing, -z, y, z, nothing, -x, -y, x, nothing]
    return np.stack(rows, axis=1).reshape(-1, 3, 3)


@dataclass(frozen=True)
class _System:
    """Normal equations; those of the points ``(M, 3, 3)`` are eliminated in a step.

    Unknowns are log focal length and k1 of all frames, rotation, translation and log focal length
    of each, and the solid's parameters.
    """

    left: FloatArray
    right: FloatArray
    points: FloatArray
    right_points: FloatArray
    mixed: csr_matrix
    free: NDArray[np.bool_]

    def step(self, damping: float) -> tuple[FloatArray, FloatArray]:
        """A damped step of the unknowns ``(S,)`` and of the points ``(M, 3)``."""
        count, axes = len(self.points), np.arange(3)
        points = self.points.copy()
        points[:, axes, axes] = points[:, axes, axes] * (1.0 + damping) + 1e-9
        inverse = np.linalg.inv(points)
        offset = 3 * np.arange(count)[:, None, None]
        rows = np.broadcast_to(offset + axes[:, None], inverse.shape)
        columns = np.broadcast_to(offset + axes, inverse.shape)
        blocks = csr_matrix((inverse.ravel(), (rows.ravel(), columns.ravel())))
        eliminated = self.mixed @ blocks
        left = self.left - (eliminated @ self.mixed.T).toarray()
        left[np.diag_indices(len(left))] += damping * np.diag(self.left) + 1e-9
        right = self.right - eliminated @ self.right_points.ravel()
        move = np.zeros(len(right))
        move[self.free] = np.linalg.solve(left[np.ix_(self.free, self.free)], right[self.free])
        rest = self.right_points - (self.mixed.T @ move).reshape(count, 3)
        return move, (inverse @ rest[:, :, None])[:, :, 0]


class _Problem:
    """Cost and normal equations of a scene."""

    def __init__(
        self, start: Scene, seen: Observations, outlines: Sequence[Outline | None], fix_k1: bool
    ) -> None:
        self.seen, self.fix_k1 = seen, fix_k1
        self.outlines = [(n, o) for n, o in enumerate(outlines) if o is not None]
        self.start_focal = np.log([c.fx for c in start.cameras])
        sizes = {(c.width, c.height) for c in start.cameras}
        self.breathing = _BREATHING if len(sizes) == 1 else _SEVERAL_LENSES

    def views(self, scene: Scene) -> Views:
        """Cameras and outlines of the frames that have one."""
        return Views([scene.cameras[n] for n, _ in self.outlines], [o for _, o in self.outlines])

    def cost(
        self, scene: Scene, at: _Linear, misfit: Misfit, along: FloatArray, scale: float
    ) -> float:
        """The cost of a scene.

        Args:
            scene: The scene.
            at: Its points' residuals.
            misfit: How far contour points lie beside its solid.
            along: ``(N, P)`` how far contour points belong to the outline.
            scale: Where their weights fall off, percent.
        """
        points = float(np.log1p(at.square).sum())
        square = misfit.error**2
        contours = float((along * square / (1.0 + square / scale**2)).sum())
        priors = [solid_priors(scene.solid)[1], self._breath(scene), np.array([scene.k1 / _K1])]
        return (
            points * (_SCALE_PX / _POINT_PX) ** 2
            + contours / _CONTOUR_PERCENT**2
            + float((np.concatenate(priors) ** 2).sum())
        )

    def _breath(self, scene: Scene) -> FloatArray:
        """``(N,)`` how far the frames' focal lengths depart from their mean, in deviations."""
        change = np.log([c.fx for c in scene.cameras]) - self.start_focal
        return np.asarray((change - change.mean()) / self.breathing)

    def system(
        self, scene: Scene, at: _Linear, misfit: Misfit, along: FloatArray, scale: float
    ) -> _System:
        """The normal equations about a scene; arguments as those of :meth:`cost`.

        The misfit comes with its derivatives.
        """
        n, m = len(scene.cameras), len(scene.points)
        size = _COMMON + _OWN * n + NUM_PARAMETERS
        left, right = np.zeros((size, size)), np.zeros(size)
        # where the derivatives by log focal length, k1 and pose belong, (N, 2 + 6 + 1)
        own = _COMMON + _OWN * np.arange(n)[:, None] + np.arange(_OWN)
        indices = np.hstack([np.broadcast_to([0, 1], (n, 2)), own])
        seen = self.seen
        weight = np.where(at.depth > 0.0, _POINT_PX**-2 / (1.0 + at.square), 0.0)
        by_camera = np.concatenate([at.by_camera, at.by_camera[:, :, :1]], axis=2)
        weighted = (by_camera * weight[:, None, None]).transpose(0, 2, 1)
        of_frame, of_point = adder(seen.frame, n), adder(seen.point, m)
        squares = sums(of_frame, weighted @ by_camera)
        gradients = sums(of_frame, -(weighted @ at.residual[:, :, None])[:, :, 0])
        for index, square, gradient in zip(indices, squares, gradients, strict=True):
            left[np.ix_(index, index)] += square
            right[index] += gradient
        by_point = (at.by_point * weight[:, None, None]).transpose(0, 2, 1)
        mixed = weighted @ at.by_point  # (K, 9, 3)
        rows = np.broadcast_to(indices[seen.frame][:, :, None], mixed.shape)
        columns = np.broadcast_to(3 * seen.point[:, None, None] + np.arange(3), mixed.shape)
        coupled = csr_matrix((mixed.ravel(), (rows.ravel(), columns.ravel())), (size, 3 * m))
        self._add_outlines(scene, misfit, along, scale, indices, left, right)
        self._add_priors(scene, indices, left, right)
        free = np.ones(size, dtype=bool)
        free[1] = not self.fix_k1
        return _System(
            left,
            right,
            sums(of_point, by_point @ at.by_point),
            sums(of_point, -(by_point @ at.residual[:, :, None])[:, :, 0]),
            coupled,
            free,
        )

    def _add_outlines(
        self,
        scene: Scene,
        misfit: Misfit,
        along: FloatArray,
        scale: float,
        indices: NDArray[np.int64],
        left: FloatArray,
        right: FloatArray,
    ) -> None:
        solid = scene.solid
        weights = along / (1.0 + (misfit.error / scale) ** 2) ** 2 / _CONTOUR_PERCENT**2
        of_solid = len(right) - NUM_PARAMETERS + np.arange(NUM_PARAMETERS)
        across = tangents(solid.axle)
        for k, (n, outline) in enumerate(self.outlines):
            camera, by_solid = scene.cameras[n], misfit.jacobian[k]  # (P, 17)
            # A camera that moves sees what one at rest sees of a solid that moves the other way.
            to_world = camera.rotation.T
            centre = camera.rotation @ solid.centre + camera.translation
            axle = camera.rotation @ solid.axle
            shift = to_world @ np.hstack([-_skews(centre[None])[0], np.eye(3)]) / solid.radius
            by_pose = by_solid[:, :3] @ shift
            by_pose[:, :3] -= by_solid[:, 3:5] @ (across @ to_world @ _skews(axle[None])[0])
            # The image grows with the focal length, about the principal point.
            reach = ((outline.contour - (camera.cx, camera.cy)) * misfit.direction[k]).sum(axis=1)
            by_focal = (misfit.error[k] - 100.0 / outline.size * reach)[:, None]
            derivatives = np.hstack([by_focal, by_pose, by_focal, by_solid])
            index = np.concatenate([indices[n][[0, *range(2, 2 + _OWN)]], of_solid])
            weighted = (derivatives * weights[k][:, None]).T
            left[np.ix_(index, index)] += weighted @ derivatives
            right[index] -= weighted @ misfit.error[k]

    def _add_priors(
        self, scene: Scene, indices: NDArray[np.int64], left: FloatArray, right: FloatArray
    ) -> None:
        rows, values = solid_priors(scene.solid)
        left[-NUM_PARAMETERS:, -NUM_PARAMETERS:] += rows.T @ rows
        right[-NUM_PARAMETERS:] -= rows.T @ values
        n = len(indices)
        mean = (np.eye(n) - 1.0 / n) / self.breathing
        focal = indices[:, -1]
        left[np.ix_(focal, focal)] += mean.T @ mean
        right[focal] -= mean.T @ self._breath(scene)
        left[1, 1] += _K1**-2
        right[1] -= scene.k1 / _K1**2

    def moved(self, scene: Scene, move: FloatArray, shift: FloatArray) -> Scene:
        """The scene after a step of the unknowns ``(S,)`` and of the points ``(M, 3)``."""
        own = move[_COMMON:-NUM_PARAMETERS].reshape(-1, _OWN)
        turns = Rotation.from_rotvec(own[:, :3]).as_matrix()
        factors = np.exp(np.clip(move[0] + own[:, 6], -0.2, 0.2))
        cameras = tuple(
            replace(
                camera,
                fx=camera.fx * float(factor),
                fy=camera.fy * float(factor),
                rotation=turn @ camera.rotation,
                translation=turn @ camera.translation + step,
            )
            for camera, turn, step, factor in zip(
                scene.cameras, turns, own[:, 3:6], factors, strict=True
            )
        )
        solid = move[-NUM_PARAMETERS:].copy()
        solid[:7] = np.clip(solid[:7], -0.3, 0.3)
        k1 = scene.k1 + float(np.clip(move[1], -0.1, 0.1))
        return Scene(cameras, k1, scene.points + shift, scene.solid.moved(solid))
