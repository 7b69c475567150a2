"""Masks of one frame: the largest body, its soft edge, and what it is worth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from configs.stages import MaskConfig
from tasks.geometry.crop import CROP_FILL
from tasks.matting.quality import Mask, Masks, clean_alpha, refusal


def disc(
    size: int = 200, centre: tuple[int, int] = (100, 100), radius: int = 50
) -> NDArray[np.uint8]:
    alpha = np.zeros((size, size), np.uint8)
    cv2.circle(alpha, centre, radius, 255, -1)
    return alpha


def test_a_disc_is_measured() -> None:
    cleaned, figures = clean_alpha(disc())
    np.testing.assert_array_equal(cleaned, disc())
    assert figures["area"] == pytest.approx(np.pi * 50**2 / 200**2, rel=0.03)
    assert figures["solidity"] > 0.97
    assert figures["fragments"] == 1
    assert not figures["touches_border"]
    crop = figures["crop"]
    assert (crop.cx, crop.cy) == (100.5, 100.5)
    assert crop.side == pytest.approx(101 / CROP_FILL)


def test_specks_and_smaller_bodies_go() -> None:
    alpha = disc()
    alpha[5:9, 5:9] = 255
    alpha[180:196, 10:60] = 255
    cleaned, figures = clean_alpha(alpha)
    np.testing.assert_array_equal(cleaned, disc())
    assert figures["fragments"] == 2
    assert figures["crop"] == clean_alpha(disc())[1]["crop"]


def test_the_soft_edge_stays_and_the_opening_too() -> None:
    alpha = cv2.GaussianBlur(disc(), (0, 0), 1.0)
    cv2.circle(alpha, (100, 100), 20, 0, -1)
    cleaned, figures = clean_alpha(np.asarray(alpha, np.uint8))
    assert ((cleaned > 20) & (cleaned < 127)).sum() > 100
    assert cleaned[100, 100] == 0
    assert figures["solidity"] > 0.97


def test_what_reaches_the_edge_is_flagged() -> None:
    assert clean_alpha(disc(centre=(160, 100)))[1]["touches_border"]


def test_nothing_gives_an_empty_mask() -> None:
    cleaned, figures = clean_alpha(np.full((50, 50), 90, np.uint8))
    assert cleaned.max() == 0
    assert figures["crop"] is None


def test_certainty_is_the_mean_of_the_body_alone() -> None:
    alpha = disc()
    alpha[alpha > 0] = 204
    alpha[5:9, 5:9] = 255
    assert clean_alpha(alpha)[1]["confidence"] == pytest.approx(0.8)


def test_a_bitten_disc_is_less_solid_by_the_bite() -> None:
    """A half disc's hull is itself; of one without a quarter, the corner is missing."""
    half, three_quarters = disc(), disc()
    half[:, 100:] = 0
    three_quarters[100:, 100:] = 0
    assert clean_alpha(half)[1]["solidity"] > 0.97
    missing = 0.25 * np.pi - 0.25 * (np.pi - 2)  # of the quarter the hull leaves a triangle
    expected = 0.75 * np.pi / (0.75 * np.pi + missing)
    assert clean_alpha(three_quarters)[1]["solidity"] == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize(
    ("area", "peak", "said"),
    [
        (0.2, 0.9, ""),
        (0.01, 0.5, ""),
        (0.98, 0.5, ""),
        (0.0, 0.9, "nothing stands out"),
        (0.2, 0.49, "nothing stands out"),
        (0.009, 0.9, "fills only 0.9% of the frame"),
        (0.981, 0.9, "no background"),
    ],
)
def test_why_a_mask_is_of_no_use(area: float, peak: float, said: str) -> None:
    found = refusal(area, peak, MaskConfig())
    assert said in found
    assert bool(found) is bool(said)


def test_files_of_masks_that_may_be_used(tmp_path: Path) -> None:
    def mask(index: int, **others: Any) -> Mask:
        measures = {"area": 0.2, "touches_border": False, "fragments": 1, "solidity": 1.0}
        told = {"confidence": 1.0, "peak": 1.0, "from_source": False, "refused": ""}
        return Mask(index, f"{index}.png", None, **{**measures, **told, **others})

    masks = Masks(tmp_path, (mask(3), mask(5, refused="x"), mask(8, seen="8.seen.png")))
    assert [m.index for m in masks.usable] == [3, 8]
    assert masks.paths() == {3: tmp_path / "3.png", 8: tmp_path / "8.png"}
    assert masks.seen_paths() == {3: tmp_path / "3.png", 8: tmp_path / "8.seen.png"}
