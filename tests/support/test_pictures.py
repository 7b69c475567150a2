"""The documents' pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.support.pictures import film_and_mesh, side_by_side
from tests.tasks.report.scene import glb

SAMPLE = Path(__file__).parents[1] / "data" / "sample_tyre.mp4"


def test_film_and_mesh_stand_side_by_side(tmp_path: Path) -> None:
    (tmp_path / "a.glb").write_bytes(glb())
    picture = film_and_mesh(SAMPLE, tmp_path / "a.glb")
    assert picture.shape[0] == 280
    front, back = picture[:, -560:-280], picture[:, -280:]
    assert front.std() > 10, "the mesh is seen"
    assert np.abs(front.astype(int) - back).mean() > 1, "from two sides"


def test_screenshots_have_gaps_between() -> None:
    shots = [np.zeros((100, width, 3), np.uint8) for width in (200, 100)]
    picture = side_by_side(shots)
    assert picture.shape == (52, 104 + 11 + 52, 3)
    assert (picture[:, 104:115] == 255).all()
