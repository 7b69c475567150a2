"""Decoded pictures as images: colours, pixels, orientation, fields."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from tasks.video.convert import bounded_upright_size, deinterlaced, image_of, upright_size
from tasks.video.tone import Transfer, to_srgb
from tests.tasks.video.films import RATE, picture, pictures, write_film

WIDTH, HEIGHT = 64, 48


def _plain(
    y: int, u: int, v: int, *, matrix: int = 2, full: bool = False, size: tuple[int, int] = (64, 48)
) -> VideoFrame:
    """A frame of one colour, with what a stream states of it."""
    width, height = size
    planes = np.full((height * 3 // 2, width), y, np.uint8)
    planes[height : height * 5 // 4] = u
    planes[height * 5 // 4 :] = v
    frame = VideoFrame.from_ndarray(planes, format="yuv420p")
    frame.colorspace = matrix
    frame.color_range = 2 if full else 1
    return frame


def _colour(frame: VideoFrame) -> NDArray[np.int64]:
    image = image_of(frame, None, (frame.width, frame.height))
    assert np.ptp(image.reshape(-1, 3), axis=0).max() == 0
    return image[0, 0, ::-1].astype(int)


def _rgb(y: int, u: int, v: int, kr: float, kb: float, *, full: bool) -> NDArray[np.float64]:
    """The standards' equations. Source: ITU-R BT.709-6, 3 and 4; BT.601-7, 2.5."""
    luma = y / 255 if full else (y - 16) / 219
    blue, red = ((c - 128) / (255 if full else 224) for c in (u, v))
    r, b = luma + 2 * (1 - kr) * red, luma + 2 * (1 - kb) * blue
    g = (luma - kr * r - kb * b) / (1 - kr - kb)
    return np.clip(np.array([r, g, b]) * 255, 0, 255)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize(
    ("matrix", "kr", "kb", "size"),
    [
        (1, 0.2126, 0.0722, (64, 48)),
        (5, 0.299, 0.114, (64, 48)),
        (6, 0.299, 0.114, (1280, 720)),
        (9, 0.2627, 0.0593, (64, 48)),
        (2, 0.299, 0.114, (64, 48)),  # not stated: by the size
        (2, 0.2126, 0.0722, (1280, 720)),
    ],
)
def test_matrix_and_range(
    matrix: int, kr: float, kb: float, size: tuple[int, int], full: bool
) -> None:
    for y, u, v in ((120, 100, 160), (60, 150, 120), (180, 128, 128)):
        shown = _colour(_plain(y, u, v, matrix=matrix, full=full, size=size))
        np.testing.assert_allclose(shown, _rgb(y, u, v, kr, kb, full=full), atol=2)


def _deep(code: float, trc: int, primaries: int = 9) -> VideoFrame:
    """A grey of ten bits, limited range, BT.2020."""
    frame = VideoFrame(WIDTH, HEIGHT, "yuv420p10le")
    for plane, value in zip(frame.planes, (round(64 + 876 * code), 512, 512), strict=True):
        plane.update(np.full(plane.buffer_size // 2, value, np.uint16).tobytes())
    frame.colorspace, frame.color_range = 9, 1
    frame.color_trc, frame.color_primaries = trc, primaries
    return frame


@pytest.mark.parametrize(
    ("trc", "code", "srgb"),
    [
        (18, 0.75, 252),  # HLG, white paper
        (18, 0.4703, 128),  # a middle grey at 203 nits for white
        (16, 0.5807, 252),  # PQ, white paper
        (16, 0.4268, 128),
        (1, 0.5, 128),  # ten bits of SDR
        (14, 0.5, 128),
    ],
)
def test_ten_bits_and_hdr(trc: int, code: float, srgb: int) -> None:
    shown = _colour(_deep(code, trc))
    np.testing.assert_allclose(shown, srgb, atol=4)


@pytest.mark.parametrize(("trc", "primaries"), [(1, 1), (1, 9), (16, 9), (18, 9)])
def test_colours_of_ten_bits(trc: int, primaries: int) -> None:
    """A red, a green and a blue; of the standards' matrix, before transfer and primaries."""
    for y, u, v in ((90, 110, 180), (120, 100, 100), (80, 170, 120)):
        frame = _deep(0, trc, primaries)
        for plane, value in zip(frame.planes, (4 * y, 4 * u, 4 * v), strict=True):
            plane.update(np.full(plane.buffer_size // 2, value, np.uint16).tobytes())
        code = _rgb(y, u, v, 0.2627, 0.0593, full=False) / 255
        shown = _colour(frame)
        if primaries == 1:
            np.testing.assert_allclose(shown, code * 255, atol=2)
            continue
        transfer: Transfer = {1: "sdr", 16: "pq", 18: "hlg"}[trc]  # type: ignore[assignment]
        image = np.round(code * 65535).astype(np.uint16).reshape(1, 1, 3)
        np.testing.assert_allclose(shown, to_srgb(image, transfer, "bt2020")[0, 0], atol=3)


@pytest.mark.parametrize(
    "pixels", ["gray", "yuv444p", "yuv422p10le", "gbrp12le", "yuva420p", "rgba", "nv12", "gray10le"]
)
def test_pixel_formats(pixels: str) -> None:
    ramp = np.linspace(30, 220, WIDTH).astype(np.uint8)
    image = np.repeat(np.repeat(ramp[None, :, None], HEIGHT, 0), 3, 2)
    frame = VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pixels)
    shown = image_of(frame, None, (WIDTH, HEIGHT)).astype(int)
    assert np.abs(shown - image).mean() < 2


def test_square_pixels() -> None:
    frame = _plain(100, 128, 128)
    assert upright_size(frame, None) == (64, 48)
    assert upright_size(frame, Fraction(4, 3)) == (85, 48)
    assert upright_size(frame, Fraction(8, 9)) == (64, 54)
    assert upright_size(frame, Fraction(1, 1000)) == (64, 48), "nonsense in a header"
    assert bounded_upright_size(frame, Fraction(2), 64) == (64, 24)
    assert image_of(frame, Fraction(2), (64, 24)).shape == (24, 64, 3)


def _disc_in(image: NDArray[np.uint8]) -> tuple[float, float]:
    """Width and height of what is bright."""
    y, x = np.nonzero(image[..., 1] > 128)
    return float(np.ptp(x)), float(np.ptp(y))


def test_a_circle_filmed_with_wide_pixels_is_a_circle(tmp_path: Path) -> None:
    image = np.zeros((120, 120, 3), np.uint8)
    cv2.ellipse(image, (60, 60), (30, 40), 0, 0, 360, (255, 255, 255), -1)

    def anamorphic(stream: VideoStream) -> None:
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)

    path = write_film(tmp_path / "v.mp4", [image] * 3, prepare=anamorphic)
    with av.open(path) as container:
        aspect = container.streams.video[0].sample_aspect_ratio
        frame = next(container.decode(video=0))
    width, height = _disc_in(image_of(frame, aspect, upright_size(frame, aspect)))
    assert width == pytest.approx(height, abs=2)


TURNS = [(0, False), (90, False), (180, False), (270, False), (0, True), (90, True), (180, True)]


@pytest.mark.parametrize(("degrees", "mirrored"), TURNS)
@pytest.mark.parametrize("suffix", ["mp4", "mov"])
def test_pictures_are_turned_upright(
    tmp_path: Path, degrees: int, mirrored: bool, suffix: str
) -> None:
    """Against FFmpeg's own matrix: it turns the picture counterclockwise, then mirrors it."""
    original = np.zeros((48, 64, 3), np.uint8)
    original[:12, :16] = 255  # one bright corner, and the one beside it half as bright
    original[:12, 48:] = 128

    def turned(stream: VideoStream) -> None:
        stream.set_display_rotation(degrees, hflip=mirrored)

    path = write_film(tmp_path / f"v.{suffix}", [original] * 3, prepare=turned)
    with av.open(path) as container:
        frame = next(container.decode(video=0))
        side_data = frame.side_data.get("DISPLAYMATRIX")
    size = upright_size(frame, None)
    assert size == ((48, 64) if degrees % 180 else (64, 48))
    shown = image_of(frame, None, size)[..., 0]
    if side_data is None:
        assert (degrees, mirrored) == (0, False)
        matrix = [1, 0, 0, 1]
    else:
        a, b, _, c, d = struct.unpack("=5i", bytes(side_data)[:20])
        matrix = [np.sign(v) for v in (a, b, c, d)]
    # where the matrix takes the centres of the two corners, with the origin at the middle
    for corner, level in (((-24, -18), 255), ((24, -18), 128)):
        x = matrix[0] * corner[0] + matrix[2] * corner[1]
        y = matrix[1] * corner[0] + matrix[3] * corner[1]
        at = shown[int(y + size[1] / 2), int(x + size[0] / 2)]
        assert abs(int(at) - level) < 25


def _woven(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.uint8]:
    image = first.copy()
    image[1::2] = second[1::2]
    return image


def test_fields_of_different_times_become_one_time(tmp_path: Path) -> None:
    truth = pictures(25)
    smooth = [cv2.GaussianBlur(image, (0, 0), 2) for image in truth]
    films = [_woven(smooth[2 * n], smooth[2 * n + 1]) for n in range(12)]
    path = write_film(
        tmp_path / "v.mp4", films, options={"x264-params": "tff=1", "crf": "5", "preset": "fast"}
    )
    with av.open(path) as container:
        frames = list(container.decode(video=0))
    assert all(frame.interlaced_frame for frame in frames)
    size = (160, 120)
    for n in (0, 5, 11):
        before = frames[n - 1] if n else None
        after = frames[n + 1] if n < 11 else None
        shown = image_of(deinterlaced(before, frames[n], after), None, size)[..., ::-1].astype(int)
        combed = image_of(frames[n], None, size)[..., ::-1].astype(int)
        errors = [
            min(np.abs(image - field).mean() for field in smooth[2 * n : 2 * n + 2])
            for image in (shown, combed)
        ]
        assert errors[0] < 0.75 * errors[1]
        combs = [np.abs(np.diff(image, 2, axis=0)).mean() for image in (shown, combed)]
        assert combs[0] < 0.5 * combs[1]


def test_progressive_pictures_are_left_alone() -> None:
    frame = _plain(100, 128, 128)
    assert deinterlaced(None, frame, None) is frame


def test_the_pattern_moves() -> None:
    assert RATE == 10
    assert np.abs(picture(0).astype(int) - picture(1)).mean() > 5
