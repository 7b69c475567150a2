"""The fusing network: what it reads, and that it treats all angles alike."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from tasks.core.errors import ModelError
from tasks.fusion.decision.network import Fuser, FuserSizes, load_fuser, log_odds
from tasks.fusion.decision.network_inputs import (
    CHANNELS,
    PHOTOS,
    evidence_channels,
    mirror_channels,
)
from tasks.fusion.evidence.gather import Evidence
from tasks.fusion.evidence.plane_sweep import PhotoConsistency
from tasks.fusion.evidence.symmetry import SymmetrisedField
from tasks.fusion.grid import CylinderGrid, make_grid
from tasks.network.weights import FUSER, choose_model

RADIUS = 0.3


def random_evidence(grid: CylinderGrid, rng: np.random.Generator, *, flip: bool) -> Evidence:
    """Evidence of a random field, seen from +z only, or of its mirror image, seen from -z."""

    def draw(*shape: int) -> np.ndarray:
        values = rng.normal(size=shape).astype(np.float32)
        return values[..., ::-1].copy() if flip else values

    shape, section = grid.shape, (grid.shape[0], grid.shape[2])
    axial = draw(*shape)
    seen = PhotoConsistency(
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
        unweighted_mean=draw(*shape),
        mean=draw(*shape),
        std=draw(*shape),
        occupancy=draw(*shape),
        confidence=draw(*shape),
        symmetrised=SymmetrisedField(draw(*shape), draw(*section), 1),
        hull=draw(*shape),
        profile_depth=draw(*section).astype(np.float64),
        shell=draw(*section) > 0,
        consistencies={-1 if flip else 1: seen},
        symmetry_order=5,
        without_rim=False,
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
    torch.testing.assert_close(mirror_channels(one), other)
    assert torch.equal(mirror_channels(mirror_channels(one)), one)
    assert not torch.allclose(one, other)


def test_a_side_that_nobody_filmed_is_zero() -> None:
    grid = make_grid(RADIUS, 0.1, steps=12, angles=48)
    channels = evidence_channels(random_evidence(grid, np.random.default_rng(0), flip=False), 0.3)
    count = len(PHOTOS)
    at = CHANNELS.index("consistency") + count
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


def test_a_tyre_and_its_mirror_image_are_alike_to_the_bit() -> None:
    torch.manual_seed(0)
    fuser = Fuser().eval()
    channels = np.random.default_rng(1).normal(size=(len(CHANNELS), 13, 48, 11)).astype(np.float32)
    found = log_odds(fuser, channels)
    mirrored = log_odds(fuser, mirror_channels(torch.from_numpy(channels)).numpy())
    assert np.abs(found - found[..., ::-1]).max() > 0.1
    np.testing.assert_array_equal(mirrored[..., ::-1], found)


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


def test_a_file_tells_the_sizes_of_its_network(tmp_path: Path) -> None:
    sizes = FuserSizes((8, 12, 16), (4, 8, 12), section_kernel=3, local_kernel=5, context=6)
    path = tmp_path / FUSER
    save_file({k: v.half().contiguous() for k, v in Fuser(sizes).state_dict().items()}, path)
    fuser = load_fuser(path, "narrow")
    assert FuserSizes.of_weights(fuser.state_dict()) == sizes
    channels = np.zeros((len(CHANNELS), 12, 16, 12), np.float32)
    assert log_odds(fuser, channels).shape == (12, 16, 12)


def test_the_bundled_file_loads_with_the_sizes_of_a_new_network(tmp_path: Path) -> None:
    chosen = choose_model("tyre-mini", tmp_path)
    fuser = load_fuser(chosen.fuser.path, chosen.fuser.digest)
    assert FuserSizes.of_weights(fuser.state_dict()) == FuserSizes()


def _without_a_layer(weights: dict[str, Tensor]) -> None:
    del weights["local.down2.weight"]


def _with_a_layer_too_many(weights: dict[str, Tensor]) -> None:
    weights["local.down3.weight"] = torch.zeros(3)


def _with_a_layer_of_another_width(weights: dict[str, Tensor]) -> None:
    weights["local.up2.weight"] = torch.zeros(5, 32, 1, 1)


def _with_an_even_kernel(weights: dict[str, Tensor]) -> None:
    weights["local.fine.0.section.weight"] = torch.zeros(16, 1, 1, 3)


def _with_another_number_of_channels(weights: dict[str, Tensor]) -> None:
    narrow = Fuser(FuserSizes(inputs=len(CHANNELS) - 1))
    weights.update({k: v.contiguous() for k, v in narrow.state_dict().items()})


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (_without_a_layer, r"it lacks local\.down2\.weight"),
        (_with_a_layer_too_many, "it holds another network"),
        (_with_a_layer_of_another_width, "it holds another network"),
        (_with_an_even_kernel, "it holds another network"),
        (_with_another_number_of_channels, rf"it reads {len(CHANNELS) - 1} channels of evidence"),
    ],
)
def test_a_file_of_another_network_is_refused_as_a_model(
    damage: Callable[[dict[str, Tensor]], None], why: str, tmp_path: Path
) -> None:
    weights = {k: v.contiguous() for k, v in Fuser().state_dict().items()}
    damage(weights)
    save_file(weights, tmp_path / FUSER)
    with pytest.raises(ModelError, match=why) as caught:
        load_fuser(tmp_path / FUSER, damage.__name__)
    assert caught.value.code == "model-unreadable"


def test_a_file_that_is_no_safetensors_is_refused_as_a_model(tmp_path: Path) -> None:
    (tmp_path / FUSER).write_bytes(b"not a file of weights")
    with pytest.raises(ModelError) as caught:
        load_fuser(tmp_path / FUSER, "damaged")
    assert caught.value.code == "model-unreadable"
