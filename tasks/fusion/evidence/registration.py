"""Registration: every frame's field is brought to the consensus of all by a scale and a shift.

A network that was not trained in exactly our crop frame guesses its own scale and depth. The
consensus (the rotational mean of the robust mean, cut by the visual hull) is better: each field is
moved by the scale and shift that fit it best, if that helps by more than a stated gain.

Gauss-Newton alignment: Baker and Matthews, Lucas-Kanade 20 years on, IJCV 56, 2004.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tasks.fusion.evidence.fields import PosedField, robust_mean
from tasks.fusion.grid import CylinderGrid, Field
from tasks.geometry.similarity import Similarity

FloatArray = NDArray[np.float64]


def register_fields(
    fields: Sequence[PosedField],
    grid: CylinderGrid,
    values: NDArray[np.float32],
    hull: Field,
    *,
    robust_scale: float,
    min_gain: float,
    scale_std: float = 0.05,
    shift_std: float = 0.04,
    points: int = 12000,
) -> list[PosedField]:
    """Register each field to the consensus by a scale and a shift.

    Args:
        fields: Posed fields.
        grid: The common grid.
        values: ``(N, R, T, Z)`` float32 log-densities of the fields.
        hull: ``(R, T, Z)`` float32 metres inside the visual hull.
        robust_scale: See :func:`robust_mean`.
        min_gain: Relative drop of the squared difference for a move to be kept.
        scale_std: Prior standard deviation of the scale's logarithm.
        shift_std: Prior standard deviation of the shift along each axis, outer radii.
        points: Number of nodes that are compared.

    Returns:
        The fields; those whose move is kept have a new similarity.
    """
    radius = float(grid.radii[-1])
    mean, _, _ = robust_mean(values, np.ones_like(values), robust_scale=robust_scale)
    symmetric = np.repeat(mean.mean(axis=1, keepdims=True), grid.shape[1], axis=1)
    target_field = np.minimum(symmetric, (2.0 / grid.step) * hull)
    rng = np.random.default_rng(0)
    share = np.broadcast_to(grid.radii[:, None, None] + grid.step, grid.shape).ravel()
    pick = rng.choice(share.size, points, p=share / share.sum())
    nodes = grid.points()[pick].astype(np.float64)
    target = _probability(target_field.reshape(-1)[pick])
    std = np.array([scale_std, *[shift_std * radius] * 3])
    out = []
    for posed, own in zip(fields, values, strict=True):
        x, before, after = _fit(grid, own, nodes, target, std)
        if after < (1.0 - min_gain) * before:
            move = Similarity(math.exp(x[0]), np.eye(3), x[1:])
            posed = replace(posed, to_crop=posed.to_crop.compose(move))
        out.append(posed)
    return out


def _probability(log_odds: NDArray[np.float32]) -> FloatArray:
    return 1.0 / (1.0 + np.exp(-log_odds.astype(np.float64)))


def _fit(
    grid: CylinderGrid, own: Field, nodes: FloatArray, target: FloatArray, std: FloatArray
) -> tuple[FloatArray, float, float]:
    """Gauss-Newton for log-scale and shift; returns them and the cost before and after."""

    def difference(x: FloatArray) -> FloatArray:
        return _probability(grid.sample(own, math.exp(x[0]) * nodes + x[1:])) - target

    def cost(x: FloatArray) -> float:
        return float((difference(x) ** 2).mean())

    x = np.zeros(4)
    start = best = cost(x)
    step = np.array([0.01, *[0.5 * grid.step] * 3])
    for _ in range(5):
        here = difference(x)
        jac = np.stack(
            [(difference(x + e) - difference(x - e)) / (2 * e.sum()) for e in np.diag(step)], axis=1
        )
        noise = max(float((here**2).mean()), 1e-4) * 100.0  # errors of neighbouring nodes correlate
        a = jac.T @ jac / noise + np.diag(1.0 / std**2)
        move = -np.linalg.solve(a, jac.T @ here / noise + x / std**2)
        trial = cost(x + move)
        if trial >= best:
            break
        x, best = x + move, trial
    return x, start, best
