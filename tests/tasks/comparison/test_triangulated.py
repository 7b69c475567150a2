"""Marks are placed by the frames that show them, wherever meshes and pictures have them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tasks.comparison.align import align_scans
from tasks.comparison.polar import follow_marks, polar_picture
from tasks.comparison.scan import Scan
from tasks.comparison.triangulated import patches_of, sites_on, spread_out, triangulate
from tests.tasks.comparison.made import BEAD, HALF, SHOULDER, face_filmed, scan

OUTER = "outer-sidewall"


def _said(made: Scan, *, larger: float = 1.0, higher: float = 0.0) -> Scan:
    """The scan's outer sidewall alone, said to be larger, and farther out."""
    part = made.parts[OUTER]
    section = part.section * [larger, 1.0] + [0.0, higher]
    return replace(made, parts={OUTER: replace(part, section=section)})


def test_marks_lie_where_their_rays_meet(tmp_path: Path) -> None:
    made = _said(face_filmed(scan(), tmp_path), higher=0.003)
    part = made.parts[OUTER]
    picture = polar_picture(part, 1.0, np.arange(SHOULDER - 0.004, BEAD + 0.004, -0.001))
    marks = follow_marks(picture, picture, 0).new
    marks = marks[spread_out(marks[:, 0])]
    patches, shows = patches_of(picture, marks, part)
    assert shows.mean() > 0.7
    sites = sites_on(marks[shows], part, 1.0)
    assert np.allclose(sites.normals, [0, 0, 1])
    found = triangulate(made, sites, patches[shows])
    seen = np.isfinite(found[:, 0])
    assert seen.mean() > 0.7
    off = found[seen] - sites.points[seen]
    assert np.median(off[:, 2]) == pytest.approx(-0.003, abs=1e-4)
    assert found[seen, 2] == pytest.approx(HALF, abs=1e-3)
    assert np.percentile(np.hypot(off[:, 0], off[:, 1]), 90) < 6e-4, "half a pixel"
    outwards = (off[:, :2] * found[seen, :2]).sum(axis=1) / np.hypot(*found[seen, :2].T)
    assert np.median(outwards) == pytest.approx(0.0, abs=1e-4)


def test_the_scale_is_that_of_the_frames(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "other").mkdir()
    new = _said(face_filmed(scan(), tmp_path / "new"))
    other = _said(face_filmed(scan(spin_deg=40.0), tmp_path / "other"), larger=1.003)
    by_pictures = align_scans(replace(new, cameras={}), other)
    assert not by_pictures.triangulated
    assert by_pictures.scale_ratio == pytest.approx(1.003, abs=5e-4)
    found = align_scans(new, other)
    assert found.triangulated
    assert found.scale_ratio == pytest.approx(1.0, abs=2e-4)
    assert found.spin_deg == pytest.approx(40.0, abs=0.1)
    assert found.residual_mm < 0.3
