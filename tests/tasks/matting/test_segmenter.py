"""The segmenter's two passes, with a network that tells parts by brightness."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from tasks.geometry.crop import CROP_FILL, Crop
from tasks.matting import segmenter
from tasks.matting.parts import BACKGROUND, RIM, RUBBER
from tasks.matting.segmenter import (
    Box,
    TyreSegmenter,
    crop_about,
    input_size,
    matte_of,
    tyre_box,
)

GROUND, DARK, BRIGHT = 128, 20, 230


class ByBrightness(nn.Module):
    """Dark is rubber, bright is rim."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[tuple[int, int]] = []

    def forward(self, images: Tensor) -> Tensor:
        self.sizes.append((images.shape[2], images.shape[3]))
        level = functional.avg_pool2d(images.float().mean(1, keepdim=True), 2)
        return torch.cat([torch.zeros_like(level), -level - 0.8, level - 0.8], 1) * 20


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> TyreSegmenter:
    monkeypatch.setattr(segmenter, "load_tyre_net", lambda _: ByBrightness())
    return TyreSegmenter(Path("unused"), "fp32")


def wheel_image(
    size: tuple[int, int], centre: tuple[int, int], radius: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A wheel with an opening on grey: BGR image and parts."""
    width, height = size
    parts = np.zeros((height, width), np.uint8)
    for value, share in ((RUBBER, 1.0), (RIM, 0.65), (BACKGROUND, 0.4)):
        cv2.circle(parts, centre, int(share * radius), value, -1)
    level = np.array([GROUND, DARK, BRIGHT], np.uint8)[parts]
    return np.repeat(level[..., None], 3, axis=2), parts


def overlap(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return float((a & b).sum() / (a | b).sum())


@pytest.mark.parametrize("size", [(1280, 720), (720, 1280), (300, 300)])
def test_parts_and_alpha_are_found_at_full_size(
    session: TyreSegmenter, size: tuple[int, int]
) -> None:
    image, parts = wheel_image(size, (size[0] // 2 + 20, size[1] // 2 - 30), 110)
    (matte,) = session.matte([image])
    assert matte.parts is not None
    assert matte.alpha.shape == matte.parts.shape == parts.shape
    assert matte.peak > 0.99
    for part, least in ((RUBBER, 0.96), (RIM, 0.94)):  # the opening's edge is kept with the rim
        assert overlap(matte.parts == part, parts == part) > least
    assert matte.alpha[size[1] // 2 - 30, size[0] // 2 + 20] < 30, "the opening is open"
    np.testing.assert_array_equal(matte.parts != BACKGROUND, matte.alpha >= 128)


def test_what_may_be_a_spoke_is_kept_and_what_cannot_is_open() -> None:
    _, parts = wheel_image((200, 200), (100, 100), 80)
    shares = np.stack([parts == RUBBER, parts == RIM], axis=2).astype(np.float32)
    shares[parts == BACKGROUND] = 0.001
    spoke, ground = np.s_[95:105, 70:130], np.s_[2:12, 95:105]
    shares[spoke] = 0.02, 0.1
    shares[ground] = 0.02, 0.1
    matte = matte_of(shares)
    assert matte.parts is not None
    assert (matte.parts[spoke] == RIM).all()
    assert (matte.alpha[spoke] == 255).all()
    assert not matte.parts[110:120, 95:105].any()
    assert not matte.parts[ground].any(), "beside the tyre the odds decide"
    np.testing.assert_array_equal(matte.parts != BACKGROUND, matte.alpha >= 128)


def test_a_small_tyre_is_looked_at_again_at_full_size(session: TyreSegmenter) -> None:
    image, parts = wheel_image((1600, 900), (1300, 200), 60)
    (matte,) = session.matte([image])
    assert session._network.sizes[0] == (160, 256)  # type: ignore[union-attr]
    assert session._network.sizes[1] == (256, 256)  # type: ignore[union-attr]
    assert overlap(matte.alpha >= 128, parts > 0) > 0.97


@pytest.mark.parametrize("x", [1000, 1270])
def test_a_tyre_is_found_where_it_is_told_beside_a_larger_one(
    session: TyreSegmenter, x: int
) -> None:
    image, _ = wheel_image((1280, 720), (300, 360), 200)
    other, parts = wheel_image((1280, 720), (x, 400), 90)
    both = np.where(parts[..., None] > 0, other, image)
    (matte,) = session.matte([both])
    assert matte.alpha[parts == RUBBER].max() < 128
    matte = session.matte_in(both, Crop(x + 6, 395, 200 / CROP_FILL))
    assert overlap(matte.alpha >= 128, parts > 0) > 0.96
    assert matte.alpha.shape == parts.shape
    for square in (Crop(-500, 3000, 100), Crop(640, 360, 0.1), Crop(640, 360, 9000)):
        assert session.matte_in(both, square).alpha.shape == parts.shape


def test_a_frame_without_a_tyre_has_an_empty_mask(session: TyreSegmenter) -> None:
    (matte,) = session.matte([np.full((120, 160, 3), GROUND, np.uint8)])
    assert matte.peak < 0.01
    assert matte.alpha.max() == 0
    assert matte.parts is not None
    assert matte.parts.max() == BACKGROUND


def test_frames_do_not_depend_on_each_other(session: TyreSegmenter) -> None:
    first, _ = wheel_image((320, 240), (100, 120), 70)
    second, _ = wheel_image((400, 200), (250, 90), 60)
    together = session.matte([first, second])
    for image, matte in zip((first, second), together, strict=True):
        np.testing.assert_array_equal(session.matte([image])[0].alpha, matte.alpha)


@pytest.mark.parametrize(
    ("height", "width", "size"),
    [(720, 1280, (160, 256)), (1280, 720, (256, 160)), (50, 50, (256, 256)), (9, 900, (32, 256))],
)
def test_the_longest_side_is_full_and_sides_are_multiples(
    height: int, width: int, size: tuple[int, int]
) -> None:
    assert input_size(height, width) == size


def test_a_crop_has_a_margin_and_stays_in_the_frame() -> None:
    assert crop_about(Box(400, 300, 600, 400), 1280, 720) == Box(376, 226, 624, 474)
    assert crop_about(Box(0, 0, 100, 100), 1280, 720) == Box(0, 0, 112, 112)


def test_the_box_is_that_of_the_largest_body_openings_included() -> None:
    shares = np.zeros((60, 80, 2), np.float32)
    rubber = np.zeros((60, 80), np.float32)
    cv2.circle(rubber, (30, 30), 20, 1.0, 1)  # a ring of few pixels
    shares[..., 0] = rubber
    shares[5:12, 60:75, 1] = 1.0
    area = Box(100, 200, 180, 260)
    assert tyre_box(shares, area) == Box(110, 210, 151, 251)
    assert tyre_box(np.zeros((60, 80, 2), np.float32), area) is None


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_number_of_threads_does_not_matter(weights: Path, precision: str) -> None:
    image, _ = wheel_image((640, 360), (300, 180), 120)
    noisy = np.random.default_rng(0).integers(0, 60, image.shape) + image // 2
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            session = TyreSegmenter(weights, precision)  # type: ignore[arg-type]
            found.append(session.matte([noisy.astype(np.uint8)])[0])
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        np.testing.assert_array_equal(found[0].alpha, other.alpha)
        np.testing.assert_array_equal(found[0].parts, other.parts)
    assert np.ptp(found[0].alpha) > 0
