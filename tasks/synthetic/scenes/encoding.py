"""Writing videos as phones and messengers do: H.264 and HEVC at a bit rate."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Literal, cast, get_args

import av
import av.error
import numpy as np
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream
from numpy.typing import NDArray

VideoCodec = Literal["h264", "hevc"]
CODECS: tuple[VideoCodec, ...] = get_args(VideoCodec)

_BT709 = 1
"""FFmpeg's number of the matrix, the primaries and the transfer function alike."""
_ENCODERS: dict[VideoCodec, str] = {"h264": "libx264", "hevc": "libx265"}
_OPTIONS: dict[VideoCodec, dict[str, str]] = {
    # One thread: the bytes depend on their number. x265's differ now and then all the same.
    "h264": {"threads": "1", "preset": "fast"},
    "hevc": {"preset": "fast", "x265-params": "pools=1:frame-threads=1:log-level=none"},
}


def encode_video(
    path: Path,
    frames: Iterable[NDArray[np.uint8]],
    *,
    fps: float,
    codec: VideoCodec,
    kbit_s: float,
) -> None:
    """Write RGB frames of one size, with even width and height, to an mp4, mov or mkv.

    Args:
        path: Its suffix names the container.
        frames: ``(H, W, 3)`` uint8 each.
        fps: Frames per second.
        codec: The codec.
        kbit_s: Mean bit rate, kilobits per second.

    Raises:
        ValueError: If there are no frames.
        OSError: If FFmpeg has no encoder for the codec or cannot write the file.
    """
    count = 0
    try:
        with av.open(str(path), "w") as container:
            rate = Fraction(fps).limit_denominator()
            stream = cast(VideoStream, container.add_stream(_ENCODERS[codec], rate=rate))
            stream.pix_fmt = "yuv420p"
            context = stream.codec_context  # phones state it; what states nothing is guessed at
            context.colorspace = context.color_primaries = context.color_trc = _BT709
            context.color_range = ColorRange.MPEG
            stream.bit_rate = round(1000 * kbit_s)
            stream.options = dict(_OPTIONS[codec])
            for image in frames:
                if count == 0:
                    stream.height, stream.width = image.shape[:2]
                video_frame = av.VideoFrame.from_ndarray(
                    np.ascontiguousarray(image), format="rgb24"
                )
                encoded = video_frame.reformat(
                    format="yuv420p", dst_colorspace=_BT709, dst_color_range=ColorRange.MPEG
                )
                container.mux(stream.encode(encoded))
                count += 1
            if count:
                container.mux(stream.encode(None))
    except (av.error.FFmpegError, av.codec.codec.UnknownCodecError) as exc:
        raise OSError(f"{path}: cannot write {codec} video: {exc}") from exc
    if count == 0:
        raise ValueError(f"{path.name}: there are no frames to write")
