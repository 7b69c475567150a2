"""Decode a video's frames in the order of showing, and tell the sound from the damaged."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from configs.stages import ExtractConfig
from tasks.video.container import opened
from tasks.video.convert import image_of
from tasks.video.timeline import Timeline, read_packets

_STRICT = {"mjpeg"}
"""Decoders that pass a frame cut in half as sound unless told to explode; each of their frames
stands alone, so that an error costs one frame."""


_PADDING = 2
"""Decoders count the pixels of whole blocks, beyond the frame's edges."""
_ONE_EACH = {"h264", "hevc"}
"""Decoders that give one frame a packet, unless the frames are interlaced; one that is not
given was lost. Others have packets that are never shown."""


@dataclass(frozen=True)
class DecodedFrame:
    """A decoded frame.

    Args:
        number: Its number in the order of showing, from 0.
        order: Number of its packet in the order of decoding, from 0.
        time_s: Seconds since the first frame that is shown.
        frame: The frame as the decoder left it.
    """

    number: int
    order: int
    time_s: float
    frame: VideoFrame


@dataclass(frozen=True, order=True)
class _Seen:
    """What is kept of every frame; compared by the order of decoding."""

    order: int
    number: int
    time_s: float
    key: bool


class Decoding:
    """A pass through a video's frames, and which of them are sound; passes may be repeated.

    Args:
        path: The video.
        timeline: Its timeline.
        config: Bounds of the frames' size.
        threads: Whether the decoder may use several threads. Sound frames are the same either
            way; which packet an error belongs to is certain with one only.
    """

    def __init__(
        self, path: Path, timeline: Timeline, config: ExtractConfig, *, threads: bool
    ) -> None:
        self._path, self._timeline, self._config = path, timeline, config
        self._threads = threads
        self._flagged: set[int] = set()
        self._seen: list[_Seen] = []
        self._sent: dict[int | None, list[int]] = {}
        self._starts_whole = True
        self._one_each = False

    def __iter__(self) -> Iterator[DecodedFrame]:
        """Decode all frames that are shown, in the order of showing."""
        self._flagged, self._seen, self._sent = set(), [], {}
        times_s = self._timeline.times_s
        if not self._timeline.stamped:  # times of decoding, whose order is not that of showing
            times_s = tuple(self._timeline.shown_times_s())
        with opened(self._path) as container:
            stream = container.streams[self._timeline.stream]
            assert isinstance(stream, VideoStream)
            self._one_each = stream.codec_context.name in _ONE_EACH
            for number, frame in enumerate(self._frames(container, stream)):
                order = self._order_of(frame, number)
                index = order if self._timeline.stamped else number
                decoded = DecodedFrame(number, order, times_s[min(index, len(times_s) - 1)], frame)
                if frame.is_corrupt:
                    self._flagged.add(order)
                self._one_each &= not frame.interlaced_frame
                self._seen.append(_Seen(order, number, decoded.time_s, frame.key_frame))
                yield decoded

    def _frames(self, container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
        context = stream.codec_context
        context.thread_type = "AUTO" if self._threads else "NONE"
        context.thread_count = 0 if self._threads else 1
        context.options = {"max_pixels": str(_PADDING * self._config.max_source_px)}
        if context.name in _STRICT:
            context.options |= {"err_detect": "explode"}
        order = 0
        for order, packet in enumerate(read_packets(container, stream)):
            if not order:
                self._starts_whole = packet.is_keyframe
            self._sent.setdefault(packet.pts, []).append(order)
            if packet.is_corrupt:
                self._flagged.add(order)
            yield from self._decoded(context, packet, order)
        yield from self._decoded(context, None, order)

    def _order_of(self, frame: VideoFrame, number: int) -> int:
        """Number of a frame's packet: of those sent with its time stamp, the last.

        Where clocks were joined there are several; the frames of the earlier ones have come out.
        """
        if not self._timeline.stamped:
            return number
        sent = self._sent.get(frame.pts)
        return sent.pop() if sent else number

    def _decoded(
        self, context: VideoCodecContext, packet: Packet[VideoStream] | None, order: int
    ) -> list[VideoFrame]:
        try:
            return context.decode(packet)
        except (av.FFmpegError, ValueError):
            self._flagged.add(order)
            return []

    def damaged(self) -> set[int]:
        """After a pass: packets, by order, that are damaged or lack what they build upon."""
        found = set(self._flagged)
        seen = sorted(self._seen)
        keys = [frame for frame in seen if frame.key]
        if not keys:
            return found
        if not self._starts_whole:  # the recording was entered in its middle
            found |= {frame.order for frame in seen if frame.order < keys[0].order}
        if self._one_each:
            decoded = {frame.order for frame in seen}
            orders = [key.order for key in keys]
            for order, shown in enumerate(self._timeline.shown):
                index = bisect_right(orders, order) - 1
                # what is decoded after a key frame but shown before it may be left out rightly
                if shown and order not in decoded and index >= 0:
                    leading = self._timeline.times_s[order] < keys[index].time_s
                    found |= set() if leading else {order}
        return found

    def sound(self) -> tuple[list[tuple[int, float]], int]:
        """After a pass with one thread: which frames are sound.

        Damage spreads to whatever is predicted from it: what is decoded after it is damaged up to
        the next key frame, and so is what is decoded after that one but shown before it.

        Returns:
            Numbers and times (seconds) of the sound frames, in the order of showing; and how many
            frames there are or should be.
        """
        seen = sorted(self._seen)
        bad = sorted(self.damaged())
        sound: list[tuple[int, float]] = []
        whole = self._starts_whole or not any(frame.key for frame in seen)
        whole_before, key_time_s, next_bad = whole, 0.0, 0
        for frame in seen:
            while next_bad < len(bad) and bad[next_bad] < frame.order:
                whole, next_bad = False, next_bad + 1
            if frame.key:
                whole_before, whole, key_time_s = whole, True, frame.time_s
            if next_bad < len(bad) and bad[next_bad] == frame.order:
                whole, next_bad = False, next_bad + 1
            if whole and (whole_before or frame.time_s >= key_time_s):
                sound.append((frame.number, frame.time_s))
        lost = set(bad) - {frame.order for frame in seen}
        return sorted(sound), len(seen) + len(lost)


def all_frames(path: Path) -> Iterator[NDArray[np.uint8]]:
    """Decode a video of our own making, frame by frame: ``(H, W, 3)`` BGR."""
    with opened(path) as container:
        for frame in container.decode(video=0):
            yield image_of(frame, None, (frame.width, frame.height))
