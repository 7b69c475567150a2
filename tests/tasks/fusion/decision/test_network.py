"""The fusing network: what it reads, and that it treats all angles alike."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tasks.fusion.decision.network import Fuser, log_odds
from tasks.fusion.decision.network_inputs import CHANNELS, PHOTOS, evidence_channels, mirrored
from tasks.fusion.evidence.gather import Evidence
from tasks.fusion.evidence.plane_sweep import Agreement
from tasks.fusion.evidence.symmetry import RevolvedField
from tasks.fusion.grid import CylinderGrid, make_grid

RADIUS = 0.3


def random_evidence(grid: CylinderGrid, rng: np.random.Generator, *, flip: bool) -> Evidence:
    """Evidence of a random field, seen from +z only, or of its mirror image, seen from -z."""

    def draw(*shape: int) -> np.ndarray:
        values = rng.normal(size=shape).astype(np.float32)
        return values[..., ::-1].copy() if flip else values

    shape, section = grid.shape, (grid.shape[0], grid.shape[2])
    axial = draw(*shape)
    seen = Agreement(
        draw(*shape),
        draw(*shape),
        -axial if flip else axial,
        draw(*section),
        draw(*shape),
        draw(*shape),
    )
    return Evidence(
        grid=grid,
        fields=[],
        first=draw(*shape),
        mean=draw(*shape),
        spread=draw(*shape),
        expected=draw(*shape),
        confidence=draw(*shape),
        blended=RevolvedField(draw(*shape), draw(*section), 1),
        hull=draw(*shape),
        depth=draw(*section).astype(np.float64),
        shell=draw(*section) > 0,
        agreements={-1 if flip else 1: seen},
        fold=5,
        bare=False,
    )


def test_mirrored_channels_are_those_of_the_mirrored_tyre() -> None:
    grid = make_grid(RADIUS, 0.1, steps=12, angles=48)
    one, other = (
        torch.from_numpy(
            evidence_channels(random_evidence(grid, np.random.default_rng(3), flip=flip), RADIUS)
        )
        for flip in (False, True)
    )
    assert one.shape == (len(CHANNELS), *grid.shape)
    torch.testing.assert_close(mirrored(one), other)
    assert torch.equal(mirrored(mirrored(one)), one)
    assert not torch.allclose(one, other)


def test_a_side_that_nobody_filmed_is_zero() -> None:
    grid = make_grid(RADIUS, 0.1, steps=12, angles=48)
    channels = evidence_channels(random_evidence(grid, np.random.default_rng(0), flip=False), 0.3)
    count = len(PHOTOS)
    at = CHANNELS.index("agreement") + count
    assert CHANNELS[at : at + count] == PHOTOS
    assert not channels[at : at + count].any()
    assert channels[at - count : at].any(axis=(1, 2, 3)).all()


def test_angles_are_alike() -> None:
    torch.manual_seed(0)
    fuser = Fuser().eval()
    channels = np.random.default_rng(0).normal(size=(len(CHANNELS), 13, 48, 11)).astype(np.float32)
    found = log_odds(fuser, channels)
    assert found.shape == (13, 48, 11)
    assert found.std() > 0
    turned = log_odds(fuser, np.roll(channels, 8, axis=2))
    np.testing.assert_allclose(turned, np.roll(found, 8, axis=1), atol=1e-4)


def test_the_section_branch_sees_the_whole_circle() -> None:
    torch.manual_seed(0)
    fuser = Fuser().eval()
    torch.nn.init.normal_(fuser.section.head.weight)  # zero at the start of training
    channels = np.zeros((len(CHANNELS), 12, 96, 12), np.float32)
    before = log_odds(fuser, channels)
    channels[0, 6, 0, 6] = 50.0
    changed = np.abs(log_odds(fuser, channels) - before)[6, :, 6]
    assert changed[48] > 0  # half a turn away, out of the local branch's reach


@pytest.mark.parametrize("count", [0.0, 1.0])
def test_scale_of_the_channels(count: float) -> None:
    """What lies a voxel deep in the hull is a quarter, whatever the tyre's size."""
    for radius in (0.2, 0.4):
        grid = make_grid(radius, 0.1, steps=12, angles=48)
        evidence = random_evidence(grid, np.random.default_rng(0), flip=False)
        evidence.hull[:] = count * grid.step
        channels = evidence_channels(evidence, radius)
        np.testing.assert_allclose(channels[CHANNELS.index("hull")], count / 4.0, rtol=1e-6)
        top = channels[CHANNELS.index("radius")].max()
        assert math.isclose(top, grid.radii[-1] / radius, rel_tol=1e-6)
