"""Pairs: equal for equal seeds, and their truth is what the two tyres show."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from configs.evaluation import PAIR_KINDS
from tasks.synthetic.tyres.pair_truth import (
    ZONES,
    read_pair_truth,
    truth_of_pair,
    write_pair_truth,
)
from tasks.synthetic.tyres.pairs import (
    PAIR_TEST_SEEDS,
    PAIR_VALIDATION_SEEDS,
    plan_pair,
)
from tasks.synthetic.tyres.profile import FloatArray
from tasks.synthetic.tyres.spec import TEST_SEEDS, VALIDATION_SEEDS
from tasks.synthetic.tyres.tyre import build_tyre

SEED = PAIR_VALIDATION_SEEDS[100]


def test_pairs_have_seeds_of_their_own() -> None:
    assert set(PAIR_VALIDATION_SEEDS) <= set(VALIDATION_SEEDS)
    assert set(PAIR_TEST_SEEDS) <= set(TEST_SEEDS)


@pytest.mark.parametrize("kind", PAIR_KINDS)
def test_every_kind_can_be_planned_and_has_a_truth(kind: str, tmp_path: Path) -> None:
    for seed in PAIR_VALIDATION_SEEDS[100:106]:
        pair = plan_pair(seed, kind)
        assert pair == plan_pair(seed, kind)
        assert pair.new.wear is None
        assert pair.new.damage is None
        assert pair.new.rim is not None
        assert pair.new.look.letterings[-1].repeats == 1, "nothing tells how far it was turned"
        assert pair.new.look.letterings == pair.damaged.look.letterings
        assert pair.film_seed("new") != pair.film_seed("damaged")
        truth = truth_of_pair(pair)
        changed = any(abs(z.change_mm) > 0.2 for z in truth.zones) or bool(truth.findings)
        assert changed == (kind not in ("null", "turned"))
        for finding in truth.findings:
            assert finding.length_mm >= finding.width_mm or finding.kind == "flat-spot"
            if finding.kind == "cut":
                assert finding.length_mm >= 30
                assert finding.width_mm >= 3
            if finding.kind == "flat-spot":
                assert finding.length_mm >= 60
                assert finding.depth_mm is not None
                assert finding.depth_mm >= 2.0 - 1e-9
    write_pair_truth(tmp_path / "pair.json", truth)
    again = read_pair_truth(tmp_path / "pair.json")
    assert again.zones == truth.zones
    assert again.findings == truth.findings
    assert again.field == pytest.approx(truth.field, abs=1e-3)


def test_kinds_go_together_and_unknown_ones_are_refused() -> None:
    both = plan_pair(SEED, "cuts+bulge").damaged.damage
    assert both is not None
    assert both.cuts == plan_pair(SEED, "cuts").damaged.damage.cuts  # type: ignore[union-attr]
    assert both.bulges
    with pytest.raises(ValueError, match="no kind of pair: rust"):
        plan_pair(SEED, "cuts+rust")


def test_even_wear_is_two_millimetres_everywhere() -> None:
    truth = truth_of_pair(plan_pair(SEED, "even"))
    assert [z.name for z in truth.zones] == list(ZONES)
    assert truth.zones[2].change_mm == pytest.approx(-2.0, abs=0.02)
    assert all(-2.0 <= z.change_mm <= -1.6 for z in truth.zones)  # normals of shoulders look aside


@pytest.mark.parametrize("kind", ["flat-spots", "bulge+zones", "turned+chunks"])
def test_the_truth_is_what_the_two_tyres_show(kind: str) -> None:
    """Along the new profile's normals the surfaces lie as far apart as the field says."""
    pair = plan_pair(SEED + 2, kind)
    truth = truth_of_pair(pair)
    new, used = (build_tyre(s, detail=0.35) for s in (pair.new, pair.damaged))
    tangent = np.gradient(truth.profile, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1)[:, None]
    rows, columns = (a.ravel() for a in np.mgrid[2 : len(truth.profile) - 2, 0:72:2])
    theta = np.radians(90 - 5 * (columns + 0.5))
    r, z = truth.profile[rows].T / 1000
    steps = np.linspace(0.011, -0.013, 121)  # from outside inwards
    at_r = r + steps[:, None] * tangent[rows, 1]
    at_z = z - steps[:, None] * tangent[rows, 0]
    at = np.stack([at_r * np.cos(theta), at_r * np.sin(theta), at_z], axis=-1).reshape(-1, 3)
    at_used = at @ truth.rotation - [0, 0, used.z_shift]

    def surface(inside: NDArray[np.bool_]) -> FloatArray:
        return 1000 * steps[inside.reshape(len(steps), -1).argmax(axis=0)]

    before = surface(new.contains(at - [0, 0, new.z_shift]))
    after = surface(used.contains(at_used))
    land = np.abs(before) < 0.5  # neither a groove nor beside the rim
    assert land.mean() > 0.5
    error = np.abs(after - before - truth.field[rows, columns])[land]
    assert np.quantile(error, 0.95) < 0.4
    assert np.abs(truth.field[rows, columns][land]).max() > 1.5


def test_spin_leads_from_a_place_on_the_new_tyre_to_the_same_on_the_used_one() -> None:
    for kind in ("null", "turned"):
        truth = truth_of_pair(plan_pair(SEED, kind))
        assert truth.faces == ("turned" if kind == "turned" else "same")
        assert np.linalg.det(truth.rotation) == pytest.approx(1.0)
        for angle in (0.0, 40.0, 200.0):
            a = math.radians(90 - angle)
            x, y, _ = np.array([math.cos(a), math.sin(a), 0.0]) @ truth.rotation
            sign = -1 if kind == "turned" else 1
            found = 90 - math.degrees(math.atan2(y, x))
            assert (found - truth.spin_deg - sign * angle + 180) % 360 == pytest.approx(180)
