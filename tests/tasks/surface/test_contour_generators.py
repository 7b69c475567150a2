"""Outlines against a surface: pictures of a truth tell how far a mesh is from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tasks.surface.contour_generators import edge_points, joined, touches_of
from tasks.surface.heights import field_over, grid_on, mesh_heights
from tests.tasks.comparison.made import filmed, scan


@pytest.mark.parametrize("missing_mm", [0.0, 1.5])
def test_touches_tell_how_far_a_mesh_is_from_what_was_filmed(
    missing_mm: float, tmp_path: Path
) -> None:
    made = filmed(
        scan(lambda angle, arc: -missing_mm / 1000 + 0 * angle * arc), scan(), tmp_path, count=8
    )
    grid = grid_on(made.profile, 0.004)
    field = field_over(grid, mesh_heights(made.vertices, made.faces, made.inferred, grid).height)
    touches = touches_of(made.cameras, made.frame_paths, made.alpha_paths, field)
    assert len(touches.row) > 2000
    assert set(touches.frame.tolist()) == set(range(8))
    tread = (
        np.abs(grid.arc[np.clip(np.rint(touches.row).astype(int), 0, grid.rows - 1)] - 0.21) < 0.09
    )
    assert 1000 * np.median(touches.offset[tread]) == pytest.approx(missing_mm, abs=0.25)
    assert np.median(touches.pixel_m) == pytest.approx(1.6 / 960, rel=0.2)


def test_an_edge_is_found_to_a_fraction_of_a_pixel() -> None:
    """A disc whose mask is two pixels too large: the picture says where it ends."""
    v, u = np.mgrid[:240, :320] + 0.5
    away = np.hypot(u - 160.3, v - 120.4)
    image = np.repeat((200 - 160 * np.clip(80.5 - away, 0, 1))[..., None], 3, axis=2)
    points = edge_points(image.astype(np.uint8), np.where(away < 82, 255, 0).astype(np.uint8))
    radius = np.hypot(points[:, 0] - 160.3, points[:, 1] - 120.4)
    assert np.median(radius) == pytest.approx(80.0, abs=0.15)
    assert np.abs(radius - 80).max() < 0.6


def test_no_frames_are_no_touches() -> None:
    assert len(joined([]).row) == 0
    assert len(edge_points(np.zeros((9, 9, 3), np.uint8), np.zeros((9, 9), np.uint8))) == 0
