"""The fused field: the network's decision within the hull, closed, and in one piece."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import label

from configs.stages import MergeConfig
from tasks.fusion.decision import fuse
from tasks.fusion.decision.fuse import fuse_learned, fuse_weighted
from tasks.fusion.grid import make_grid

GRID = make_grid(0.3, 0.1, steps=30, angles=60)
R, _, Z = np.meshgrid(GRID.radii, GRID.angles, GRID.heights, indexing="ij")
TYRE = (R > 0.2) & (R < 0.29) & (np.abs(Z) < 0.08)
HUB = (R < 0.06) & (np.abs(Z) < 0.02)
CONFIG = MergeConfig()
BOUND = CONFIG.max_log_density


def evidence(*, reach: float = 0.3, without_rim: bool = False) -> Any:
    """What the decision looks at: a hull that is a cylinder of a radius."""
    return SimpleNamespace(
        grid=GRID,
        hull=np.asarray(np.minimum(reach - R, 0.1 - np.abs(Z)), np.float32),
        std=np.full(GRID.shape, 0.5, np.float32),
        symmetry_order=5,
        symmetrised=SimpleNamespace(kept=np.full(GRID.shape[::2], 0.25)),
        fields=["a field"],
        without_rim=without_rim,
    )


def learned(
    monkeypatch: pytest.MonkeyPatch, solid: NDArray[np.bool_], seen: Any, sure: float = 9.0
) -> fuse.FusedField:
    fit: Any = SimpleNamespace(profile=SimpleNamespace(radius=0.3))
    said = np.where(solid, sure, -sure).astype(np.float32)
    monkeypatch.setattr(fuse, "evidence_channels", lambda *_: None)
    monkeypatch.setattr(fuse, "log_odds", lambda *_: said)
    monkeypatch.setattr(fuse, "weighted_field", lambda *_: np.full(GRID.shape, 2.0, np.float32))
    network: Any = None
    return fuse_learned(seen, fit, network, CONFIG)


def test_the_network_decides_within_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    found = learned(monkeypatch, TYRE, evidence())
    np.testing.assert_array_equal(found.field > 0, TYRE)
    assert np.abs(found.field).max() <= BOUND + 1.5
    assert (found.symmetry_order, found.kept, found.fields) == (5, 0.25, ["a field"])


def test_nothing_is_solid_outside_of_the_hull_or_at_the_border(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = learned(monkeypatch, np.ones(GRID.shape, bool), evidence(reach=0.25))
    np.testing.assert_array_equal(found.field > 0, (R < 0.25 - 1e-6) & (np.abs(Z) < 0.1 - 1e-6))
    open_hull = evidence()
    open_hull.hull[:] = 9.0
    closed = learned(monkeypatch, np.ones(GRID.shape, bool), open_hull).field
    for border in (closed[-1], closed[:, :, 0], closed[:, :, -1]):
        assert (border == -BOUND).all()


def test_a_hub_that_lies_apart_is_joined_and_one_that_does_not_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    between = (R > 0.05) & (R < 0.21) & (np.abs(Z) < 0.02)
    apart = learned(monkeypatch, TYRE | HUB, evidence()).field > 0
    assert label(TYRE | HUB)[1] == 2
    assert label(apart)[1] == 1
    assert not (apart & ~(TYRE | HUB))[R > 0.21].any()
    spoked = TYRE | HUB | (between & (np.arange(60)[None, :, None] < 30))
    np.testing.assert_array_equal(learned(monkeypatch, spoked, evidence()).field > 0, spoked)


def test_without_a_rim_weights_have_half_a_say(monkeypatch: pytest.MonkeyPatch) -> None:
    found = learned(monkeypatch, TYRE, evidence(without_rim=True))
    middle = (R > 0.22) & (R < 0.27) & (np.abs(Z) < 0.06)
    lifted = BOUND + fuse.MAX_LEVEL  # where nothing is unsure, no volume holds the level back
    np.testing.assert_allclose(found.field[middle], 0.5 * (lifted + 2.0), atol=1e-5)


def test_without_a_network_weights_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuse, "weighted_field", lambda *_: np.where(TYRE, 3.0, -3.0))
    fit: Any = None
    found = fuse_weighted(evidence(), fit, CONFIG)
    np.testing.assert_array_equal(found.field > 0, TYRE)
    assert (found.field[-1] == -BOUND).all()
