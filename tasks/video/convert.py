"""A decoded frame as an image: progressive, in sRGB, upright, with square pixels, bounded."""

from __future__ import annotations

import struct
from fractions import Fraction
from typing import Any

import av
import av.filter
import cv2
import numpy as np
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame
from av.video.reformatter import (
    ColorPrimaries,
    ColorRange,
    Colorspace,
    ColorTrc,
    Interpolation,
)
from numpy.typing import NDArray

from tasks.imaging.resizing import bounded_size
from tasks.video.tone import Gamut, Transfer, to_srgb

_SCALING = (
    Interpolation.BILINEAR
    | Interpolation.ACCURATE_RND
    | Interpolation.BITEXACT  # the same bytes whatever the processor's vector instructions are
)
_FULL_CHROMA = {
    "bgr24": Interpolation.FULL_CHR_H_INT,  # without it, colours are off by up to 3 of 255
    "rgb48le": Interpolation(0),  # with it, FFmpeg 8.1's scaler gets colours of ten bits wrong
}
_TRANSFERS: dict[int, Transfer] = {ColorTrc.SMPTE2084: "pq", ColorTrc.ARIB_STD_B67: "hlg"}
_GAMUTS: dict[int, Gamut] = {
    ColorPrimaries.BT2020: "bt2020",
    ColorPrimaries.SMPTE431: "p3",
    ColorPrimaries.SMPTE432: "p3",
}
_UNSPECIFIED = 2
_BT2020_CONSTANT, _BT2020 = 10, 9
_HD_HEIGHT, _HD_WIDTH = 720, 1280
_ASPECTS = Fraction(1, 4), Fraction(4)
"""Pixels longer than this are no pixels of a camera, but nonsense in a header."""


def deinterlaced(
    before: VideoFrame | None, frame: VideoFrame, after: VideoFrame | None
) -> VideoFrame:
    """A frame whose two fields were filmed at different times as one of a single time.

    Args:
        before: The frame before, of the same size and format; None where there is none.
        frame: The frame.
        after: The frame after, likewise.

    Returns:
        The frame at the time of its first field, by FFmpeg's ``bwdif`` (a motion-adaptive
        deinterlacer after the BBC's w3fdif and yadif); progressive ones as they are.
    """
    if not frame.interlaced_frame:
        return frame
    graph = av.filter.Graph()
    graph.threads = 1
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 1000)
    )
    graph.link_nodes(
        source, graph.add("bwdif", "mode=send_frame:deint=all"), graph.add("buffersink")
    ).configure()
    window = [f if f is not None and _alike(f, frame) else frame for f in (before, frame, after)]
    for neighbour in window:
        graph.vpush(neighbour)
    graph.vpush(None)
    graph.vpull()
    return graph.vpull()


def _alike(one: VideoFrame, other: VideoFrame) -> bool:
    same_size = (one.width, one.height) == (other.width, other.height)
    return same_size and one.format.name == other.format.name


def upright_size(frame: VideoFrame, aspect: Fraction | None) -> tuple[int, int]:
    """Width and height of a frame once its pixels are square and it is turned upright.

    Args:
        frame: The frame.
        aspect: Width of a pixel over its height; None where that is not stated.
    """
    width, height = _square_size(frame.width, frame.height, aspect)
    return (height, width) if _turn(frame)[0] else (width, height)


def image_of(
    frame: VideoFrame, aspect: Fraction | None, size: tuple[int, int]
) -> NDArray[np.uint8]:
    """A progressive frame as an image.

    Args:
        frame: The frame, of any format that FFmpeg's scaler reads; transparency is dropped.
        aspect: Width of a pixel over its height; None where that is not stated.
        size: Width and height of the image; see :func:`bounded_upright_size`.

    Returns:
        ``(H, W, 3)`` BGR, sRGB.

    Raises:
        ValueError: If the scaler does not know the frame's format.
    """
    transposed, mirrored, flipped = _turn(frame)
    size = size[::-1] if transposed else size
    transfer = _TRANSFERS.get(frame.color_trc, "sdr")
    gamut = _GAMUTS.get(frame.color_primaries, "bt2020" if transfer != "sdr" else "bt709")
    if transfer == "sdr" and gamut == "bt709":
        image = _resized(_rgb(frame, "bgr24"), size)
    else:
        encoded = np.asarray(_resized(_rgb(frame, "rgb48le"), size), np.uint16)
        image = to_srgb(encoded, transfer, gamut)[..., ::-1]
    if transposed:
        image = image.transpose(1, 0, 2)
    if mirrored:
        image = image[:, ::-1]
    if flipped:
        image = image[::-1]
    return np.ascontiguousarray(image, np.uint8)


def bounded_upright_size(
    frame: VideoFrame, aspect: Fraction | None, longest: int
) -> tuple[int, int]:
    """:func:`upright_size`, reduced so that the longest side is at most ``longest`` pixels."""
    return bounded_size(*upright_size(frame, aspect), longest)


def _rgb(frame: VideoFrame, format_name: str) -> NDArray[np.integer[Any]]:
    """The frame's code values as ``(H, W, 3)``, by the matrix and range that it states."""
    return np.asarray(
        frame.reformat(
            format=format_name,
            src_colorspace=_matrix(frame),
            dst_colorspace=Colorspace.DEFAULT,
            src_color_range=frame.color_range or ColorRange.UNSPECIFIED,
            dst_color_range=ColorRange.JPEG,
            interpolation=_SCALING | _FULL_CHROMA[format_name],
            threads=1,
        ).to_ndarray()
    )


def _matrix(frame: VideoFrame) -> int:
    """The matrix between luma and chroma and RGB; FFmpeg's number.

    Where none is stated it goes by the size, as players do: BT.709 for HD, BT.601 below.
    """
    stated = frame.colorspace
    if stated == _UNSPECIFIED:
        large = frame.height >= _HD_HEIGHT or frame.width >= _HD_WIDTH
        return Colorspace.ITU709 if large else Colorspace.ITU601
    return _BT2020 if stated == _BT2020_CONSTANT else stated


def _resized(image: NDArray[np.integer[Any]], size: tuple[int, int]) -> NDArray[np.integer[Any]]:
    if (image.shape[1], image.shape[0]) == size:
        return image
    shrunk = size[0] * size[1] < image.shape[0] * image.shape[1]
    method = cv2.INTER_AREA if shrunk else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size, interpolation=method))


def _square_size(width: int, height: int, aspect: Fraction | None) -> tuple[int, int]:
    """The size with square pixels; the side that is too short is stretched, so nothing is lost."""
    if not aspect or not _ASPECTS[0] <= aspect <= _ASPECTS[1]:
        return width, height
    if aspect >= 1:
        return round(width * aspect), height
    return width, round(height / aspect)


def _turn(frame: VideoFrame) -> tuple[bool, bool, bool]:
    """How to turn a frame upright: transpose it, then mirror its columns, then flip its rows.

    The display matrix maps a pixel ``(p, q)`` to ``(a·p + c·q, b·p + d·q)``; of other angles than
    quarter turns the nearest is taken. Source: ISO/IEC 14496-12, 6.2.2.
    """
    stated = frame.side_data.get(Type.DISPLAYMATRIX)  # type: ignore[call-overload]
    if stated is None:
        return False, False, False
    a, b, _, c, d = struct.unpack("=5i", bytes(stated)[:20])
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return False, a < 0, d < 0
    return True, c < 0, b < 0
