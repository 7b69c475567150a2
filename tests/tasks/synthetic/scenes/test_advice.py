"""The pictures on how to film: right on the left in green, wrong on the right in red."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from tasks.imaging.images import Image
from tasks.synthetic.scenes import advice

PICTURES = Path(__file__).parents[4] / "docs/filming"


def test_what_is_right_is_green_and_what_is_wrong_is_red() -> None:
    grey = np.full((360, 640, 3), 128, np.uint8)
    pair = advice.side_by_side(grey, grey)
    width = (pair.shape[1] - 8) // 2
    right, wrong = pair[:, :width], pair[:, -width:]
    assert right[100, 1].argmax() == 1
    assert wrong[100, 1].argmax() == 2
    assert (right[150, 200] == 128).all()
    assert (right[:60, :60] != wrong[:60, :60]).any()


def test_there_is_a_small_picture_of_every_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    def film(*_: object) -> list[Image]:
        return [np.full((360, 640, 3), 20 * k, np.uint8) for k in range(8)]

    monkeypatch.setattr(advice, "film", film)
    names = set(advice.pairs())
    assert {path.stem for path in PICTURES.glob("*.jpg")} == names
    for name in names:
        path = PICTURES / f"{name}.jpg"
        assert path.stat().st_size < 40_000
        assert cv2.imread(str(path)).shape[1] == 728
