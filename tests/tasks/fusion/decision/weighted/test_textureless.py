"""Textureless faces: found where nothing can be compared, and nowhere else."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from configs.stages import WeightedConfig
from tasks.fusion.decision.weighted.segmentation import segment
from tasks.fusion.decision.weighted.textureless import find_textureless_face
from tasks.fusion.evidence.spokes import symmetrise_consistency
from tests.tasks.fusion.painted import FACE_Z, RADIUS, SIZES, Sweep


def test_a_textureless_disc_is_found_where_nothing_can_be_compared(
    disc: Sweep,
) -> None:
    grid, found = disc
    at = (grid.radii > 0.03) & (grid.radii < 0.15)
    consistency = symmetrise_consistency(grid, found, 1, RADIUS).mean(axis=1)
    assert consistency[at].max() < 0.05
    unsure = np.full(grid.shape, -1.2, np.float32)
    probability = 1.0 / (1.0 + np.exp(-unsure.mean(axis=1)))
    face = find_textureless_face(grid, found.textureless, consistency, probability, RADIUS)
    assert (face.certainty[at] > 0.9).all()
    assert not face.certainty[grid.radii > 0.22].any()  # there the ring has texture
    np.testing.assert_allclose(grid.heights[face.position[at]], FACE_Z, atol=grid.step)
    inside = np.full(grid.shape, 0.1, np.float32)
    shell = np.zeros((len(grid.radii), len(grid.heights)), bool)

    def solid(config: WeightedConfig, field: NDArray[np.float32]) -> NDArray[np.bool_]:
        share = segment(grid, field, inside, shell, {1: found}, 1, config, **SIZES)
        return np.asarray(share[at] > 0.5)

    section = solid(WeightedConfig(), unsure)
    assert section.any(axis=2).all()
    top = grid.heights[section.shape[2] - 1 - section[..., ::-1].argmax(axis=2)]
    np.testing.assert_allclose(top, FACE_Z, atol=1.5 * grid.step)
    assert not solid(WeightedConfig(textureless_weight=0.0), unsure).any()
    empty = np.full(grid.shape, -4.0, np.float32)
    assert not solid(WeightedConfig(), empty).any()  # the plain ground behind a tyre without a rim


def test_spokes_are_no_textureless_face(spoked: Sweep) -> None:
    grid, found = spoked
    probability = np.full(found.textureless.shape, 0.3, np.float32)
    consistency = symmetrise_consistency(grid, found, 5, RADIUS).mean(axis=1)
    face = find_textureless_face(
        grid,
        found.textureless,
        consistency,
        probability,
        RADIUS,
    )
    assert not face.certainty[(grid.radii > 0.08) & (grid.radii < 0.18)].any()
