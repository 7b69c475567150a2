"""HDR light against what the standards' tables say."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.video.tone import Gamut, Transfer, hlg_nits, pq_nits, to_srgb


@pytest.mark.parametrize(
    ("hlg", "pq", "nits"),
    [(0.38, 0.38, 26), (0.75, 0.58, 203), (0.79, 0.60, 276)],
)
def test_reference_levels(hlg: float, pq: float, nits: float) -> None:
    """Grey card, white paper, and a white of 100 % more; source: ITU-R BT.2408-7, table 1."""
    assert hlg_nits(np.array([hlg])) == pytest.approx(nits, rel=0.12)
    assert pq_nits(np.array([pq])) == pytest.approx(nits, rel=0.12)


def test_the_ends_of_the_curves() -> None:
    np.testing.assert_allclose(pq_nits(np.array([0.0, 1.0])), [0, 10_000], atol=1e-3)
    np.testing.assert_allclose(hlg_nits(np.array([0.0, 1.0])), [0, 1000], atol=0.1)


def _shown(code: float, transfer: Transfer, gamut: Gamut = "bt2020") -> NDArray[np.uint8]:
    image = np.full((2, 2, 3), round(code * 65535), np.uint16)
    return to_srgb(image, transfer, gamut)[0, 0]


@pytest.mark.parametrize(("transfer", "paper"), [("hlg", 0.75), ("pq", 0.5807)])
def test_paper_is_white_and_highlights_are_brighter(transfer: Transfer, paper: float) -> None:
    white = _shown(paper, transfer)
    assert white.min() >= 249
    assert np.ptp(white.astype(int)) <= 1
    levels = [int(_shown(code, transfer)[1]) for code in np.linspace(0, 1, 60)]
    assert levels == sorted(levels)
    assert levels[0] == 0
    assert levels[-1] == 255


@pytest.mark.parametrize("gamut", ["bt709", "bt2020", "p3"])
def test_greys_of_sdr_stay_as_they_are(gamut: Gamut) -> None:
    grey = np.arange(256)
    image = np.repeat((grey * 257).astype(np.uint16)[None, :, None], 3, axis=2)
    shown = to_srgb(image, "sdr", gamut)[0].astype(int)
    assert np.abs(shown - grey[:, None]).max() <= 1


def test_a_red_of_bt709_comes_back_from_a_wider_gamut() -> None:
    """BT.709's red is (0.627, 0.069, 0.016) in BT.2020's primaries; source: BT.2087-0, 2.1."""
    light = np.array([0.6274, 0.0691, 0.0164]) * 0.5
    code = (np.round(light ** (1 / 2.4) * 65535)).astype(np.uint16)
    shown = to_srgb(code.reshape(1, 1, 3), "sdr", "bt2020")[0, 0]
    assert abs(int(shown[0]) - round(255 * 0.5 ** (1 / 2.4))) <= 1
    assert shown[1:].max() <= 12


def test_a_hue_is_kept_where_light_is_dimmed() -> None:
    code = np.array([0.9, 0.7, 0.6])
    light = pq_nits(code)
    image = np.round(code * 65535).astype(np.uint16).reshape(1, 1, 3)
    shown = to_srgb(image, "pq", "bt709")[0, 0] / 255
    back = ((shown + 0.055) / 1.055) ** 2.4
    np.testing.assert_allclose(back / back[0], light / light[0], atol=0.02)
