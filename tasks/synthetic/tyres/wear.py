"""Known loss of radius over the tread."""

from __future__ import annotations

import math

import numpy as np

from tasks.synthetic.tyres.damage import wrapped
from tasks.synthetic.tyres.profile import FloatArray
from tasks.synthetic.tyres.spec import WearSpec


def radius_loss(
    wear: WearSpec | None, theta: FloatArray, z: FloatArray, *, radius: float, half: float
) -> FloatArray:
    """Radius lost at each angle and width, ``(N,)`` metres, zero or more.

    Args:
        wear: None for a new tyre.
        theta: Angle about the axle.
        z: Along the axle from the middle of the tread, metres.
        radius: Radius of the new tyre.
        half: Half of the section width.
    """
    loss = np.zeros(np.broadcast(theta, z).shape)
    if wear is None:
        return loss
    s = z / half
    loss += wear.uniform + wear.run_out * (0.5 + 0.5 * np.cos(theta - 0.7 * wear.seed))
    loss += wear.inner * np.clip(-s, 0, 1) ** 2 + wear.outer * np.clip(s, 0, 1) ** 2
    loss += wear.centre * np.clip(1 - s * s, 0, 1) ** 2
    if wear.conical != 0.0:
        loss += abs(wear.conical) * np.clip(0.5 + 0.5 * math.copysign(1.0, wear.conical) * s, 0, 1)
    for spot in wear.flat_spots:
        off = wrapped(theta - spot.angle)
        chord = (radius - spot.depth) / np.maximum(np.cos(off), 0.2)
        loss = np.maximum(loss, np.where(np.abs(off) < 1.0, radius - chord, 0.0))
    if wear.graining > 0.0:
        rng = np.random.default_rng(wear.seed)
        around = rng.integers(30, 90, 5)
        across = rng.uniform(-8.0, 8.0, 5)
        phase = rng.uniform(0, 2 * math.pi, 5)
        waves = sum(np.sin(around[k] * theta + across[k] * 2 * s + phase[k]) for k in range(5))
        where = np.exp(-(((s - wear.graining_centre) / 0.3) ** 2))
        loss = loss + wear.graining * where * (0.5 + 0.18 * np.clip(waves, -2.7, 2.7))
    for cut in wear.cuts:
        along = wrapped(theta - cut.angle) * radius
        across_ = z - cut.z
        c, d = math.cos(cut.direction), math.sin(cut.direction)
        a = (along * c + across_ * d) / cut.length
        b = (-along * d + across_ * c) / cut.width
        shape = np.clip(1 - a * a, 0, 1) * np.clip(1 - b * b, 0, 1)
        loss = np.maximum(loss, loss + cut.depth * shape)
    return np.asarray(np.maximum(loss, 0.0))
