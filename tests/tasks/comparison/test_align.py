"""Alignment by marks: turns, sizes and faces that are known are found again."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from configs.comparison import CompareConfig
from tasks.comparison import align
from tasks.comparison.align import Alignment, align_scans
from tasks.comparison.polar import PolarImage, Rings
from tasks.geometry.similarity import Similarity
from tests.tasks.comparison.made import scan


@pytest.mark.parametrize(
    ("spin", "scale", "turned"),
    [(0.0, 1.0, False), (73.0, 720 / 680, False), (73.0, 1.006, True), (-140.0, 0.99, True)],
)
def test_spin_scale_and_face_are_found(spin: float, scale: float, turned: bool) -> None:
    other = scan(spin_deg=spin, scale=scale, turned=turned)
    found = align_scans(scan(), other, CompareConfig())
    assert found.anchor == "sidewall-markings"
    assert found.faces == ("turned" if turned else "same")
    assert found.spin_certain
    assert found.runner_up < found.correlation, "of another angle than that which was found"
    assert found.scale_ratio == pytest.approx(scale, abs=5e-4)
    assert found.tilt_deg < 0.05
    assert found.residual_mm < 1.0
    if not turned:  # as seen from the new tyre's outer face
        assert abs((found.spin_deg - spin + 180.0) % 360.0 - 180.0) < 0.3
    new = scan().vertices
    moved = found.transform.apply(other.vertices)
    assert np.linalg.norm(moved - new, axis=1).max() < 0.0008  # a third of a column


def test_the_size_is_not_that_of_the_tread() -> None:
    """A tyre worn all round, scaled to its old diameter, is told by its sidewalls."""
    grown = 0.32 / 0.317
    worn = scan(
        lambda angle, arc: np.where(abs(arc - 0.21) < 0.1, -0.003, 0.0 * angle), scale=grown
    )
    assert align_scans(scan(), worn, CompareConfig()).scale_ratio == pytest.approx(grown, abs=5e-4)


def test_circles_of_light_do_not_outweigh_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    """An edge that light draws lies a millimetre farther out in the other film."""

    def moved(new: PolarImage, other: PolarImage, columns: int) -> Rings:
        angle = np.arange(36) * 2 * np.pi / 36
        radius = np.full(36, float(new.radii.mean()))
        return Rings(angle, radius, radius + 0.001)

    monkeypatch.setattr(align, "match_rings", moved)
    assert align_scans(scan(), scan(spin_deg=73.0), CompareConfig()).scale_ratio == pytest.approx(
        1.0, abs=5e-4
    )


def test_without_marks_nothing_is_made_up() -> None:
    found = align_scans(scan(letters=False), scan(letters=False, spin_deg=30.0), CompareConfig())
    assert found.anchor == "diameter"
    assert found.transform.scale == 1.0


def test_without_marks_one_tyre_has_one_diameter() -> None:
    """Results made with two diameters lie on each other, not a centimetre apart."""
    new, other = (replace(scan(letters=False, scale=s), parts={}) for s in (1.0, 680 / 720))
    found = align_scans(new, other, CompareConfig())
    assert found.transform.scale == pytest.approx(720 / 680)
    assert found.scale_ratio == pytest.approx(680 / 720)


def test_another_tyres_marks_are_no_anchor() -> None:
    assert align_scans(scan(seed=0), scan(seed=50), CompareConfig()).anchor == "diameter"


def test_a_record_reads_back() -> None:
    turn = Rotation.from_rotvec([0.1, 0.2, 0.3]).as_matrix()
    place = Similarity(1.01, turn, np.array([0.1, 0.0, -0.2]))
    found = Alignment(place, "sidewall-markings", "turned", 12.5, True, shift_mm=(1.0, 2.0, 3.0))
    record = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    again = Alignment.from_dict(record)
    assert np.array_equal(again.transform.rotation, turn)
    assert again.to_dict() == found.to_dict()
    assert again.shift_mm == found.shift_mm
    assert np.isnan(again.scale_sd)
