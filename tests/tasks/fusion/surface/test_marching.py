"""Marching cubes on the cylindrical grid."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tasks.fusion.surface.marching import (
    TriangleMesh,
    is_watertight,
    march,
    signed_volume,
    without_small_parts,
)


def test_marching_gives_one_outward_body() -> None:
    x = np.linspace(-1, 1, 41)
    p = np.stack(np.meshgrid(x, x, x, indexing="ij"), axis=-1)
    distance = np.maximum(0.6 - np.linalg.norm(p, axis=-1), 0.1 - np.linalg.norm(p - 0.85, axis=-1))
    hollow = np.minimum(distance, np.linalg.norm(p, axis=-1) - 0.2).astype(np.float32)
    surface = march(hollow, np.full(3, -1.0), (0.05, 0.05, 0.05))
    assert surface is not None
    assert is_watertight(surface)
    assert signed_volume(surface) == pytest.approx(4 / 3 * math.pi * 0.6**3, rel=0.02)
    inverted = TriangleMesh(surface.vertices, surface.faces[:, ::-1])
    assert signed_volume(without_small_parts(inverted)) > 0
    assert not is_watertight(TriangleMesh(surface.vertices, surface.faces[:-1]))
