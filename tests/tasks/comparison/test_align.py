"""Alignment by marks: turns, sizes and faces that are known are found again."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.comparison.align import Alignment, align_scans
from tests.tasks.comparison.made import scan


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(("spin", "scale"), [(0.0, 1.0), (73.0, 1.006), (-140.0, 0.99)])
def test_spin_scale_and_face_are_found(spin: float, scale: float, turned: bool) -> None:
    other = scan(spin_deg=spin, scale=scale, turned=turned)
    found = align_scans(scan(), other)
    assert found.anchor == "sidewall-markings"
    assert found.faces == ("turned" if turned else "same")
    assert found.spin_certain
    assert found.scale_ratio == pytest.approx(scale, abs=5e-4)
    assert found.tilt_deg < 0.05
    new = scan().vertices
    moved = found.place.apply(other.vertices)
    assert np.linalg.norm(moved - new, axis=1).max() < 0.0008  # a third of a column


def test_spin_is_told_as_seen_from_the_new_tyres_outer_face() -> None:
    assert align_scans(scan(), scan(spin_deg=73.0)).spin_deg == pytest.approx(73.0, abs=0.3)


def test_the_size_is_not_that_of_the_tread() -> None:
    """A tyre worn all round, scaled to its old diameter, is told by its sidewalls."""
    grown = 0.32 / 0.317
    worn = scan(
        lambda angle, arc: np.where(abs(arc - 0.21) < 0.1, -0.003, 0.0 * angle), scale=grown
    )
    assert align_scans(scan(), worn).scale_ratio == pytest.approx(grown, abs=5e-4)


def test_without_marks_nothing_is_made_up() -> None:
    found = align_scans(scan(letters=False), scan(letters=False, spin_deg=30.0))
    assert found.anchor == "diameter"
    assert found.place.scale == 1.0


def test_another_tyres_marks_are_no_anchor() -> None:
    assert align_scans(scan(seed=0), scan(seed=50)).anchor == "diameter"


def test_a_record_reads_back() -> None:
    found = align_scans(scan(), scan(spin_deg=10.0))
    again = Alignment.from_dict(found.to_dict())
    assert np.allclose(again.place.rotation, found.place.rotation)
    assert again.spin_deg == found.spin_deg
