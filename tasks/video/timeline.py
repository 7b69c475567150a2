"""What the packets of a video say before anything is decoded: which stream, which times."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from tasks.storage.inputs import bad_input
from tasks.video.container import bounded_memory, films, no_frames, opened

_JUMP_S = 10.0
"""A clock that jumps ahead by more, in a format whose clocks may be joined, was joined.
Source: FFmpeg's ``dts_delta_threshold``."""
_BACK_S = 0.5
"""Decoding times never fall; those that Matroska leaves to the reader may by a few frames."""
_JOINED_FORMATS = ("mpeg", "mpegts")
_DEFAULT_RATE = 30.0
_MOST_PACKETS = 1_000_000
"""Four hours at 60 frames a second. A small file can say that each of its bytes is a frame, and
that many times over; each takes memory before anything is decoded."""
_LASTING = 0.5
"""Share of the longest stream that another must last to be the film."""


@dataclass(frozen=True)
class Timeline:
    """The packets of the stream that is the film, in the order in which they are decoded.

    Args:
        stream: Index of the stream in its container.
        size: Width and height of its frames, as its header says.
        times_s: Time of each packet's frame, seconds since the first that is shown.
        shown: Whether its frame is shown; an edit list hides some.
        missing: Share of the packets in the container's index that are not there.
        stamped: Whether the container has times of showing, rather than of decoding alone.
        aspect: Width of a pixel over its height; None where that is not stated.
    """

    stream: int
    size: tuple[int, int]
    times_s: tuple[float, ...]
    shown: tuple[bool, ...]
    missing: float
    stamped: bool
    aspect: Fraction | None

    def shown_times_s(self) -> list[float]:
        """Times of what is shown, in the order of showing."""
        return sorted(t for t, shown in zip(self.times_s, self.shown, strict=True) if shown)


@dataclass
class _Packets:
    """Packets of one stream as they come; times are in units of its time base."""

    pts: list[int | None] = field(default_factory=list)
    dts: list[int | None] = field(default_factory=list)
    shown: list[bool] = field(default_factory=list)


def read_packets(container: InputContainer, *streams: VideoStream) -> Iterator[Packet[VideoStream]]:
    """The packets of streams as far as they can be read; not empty ones, which repeat frames."""
    packets = container.demux(streams)
    with suppress(av.FFmpegError):
        try:
            for packet in packets:
                if packet.size:
                    yield packet
        except av.MemoryError as exc:  # which is one of FFmpeg's errors, too
            raise MemoryError(*exc.args) from exc


def read_timeline(path: Path) -> Timeline:
    """Read all packets of a video, choose the stream that is the film, and straighten its clock.

    Raises:
        InputError: If the file cannot be opened, holds no film, or one without end.
    """
    with bounded_memory(path), opened(path) as container:
        streams = films(container)
        if not streams:
            raise no_frames(path)
        packets = {stream.index: _Packets() for stream in streams}
        for number, packet in enumerate(read_packets(container, *streams)):
            if number == _MOST_PACKETS:
                raise bad_input(
                    "video-too-long",
                    f"{path.name} has more pictures than {_MOST_PACKETS:,}",
                    "Cut it to the way round the tyre",
                )
            mine = packets[packet.stream_index]
            mine.pts.append(packet.pts)
            mine.dts.append(packet.dts)
            mine.shown.append(not packet.is_discard)
        joined = container.format.name in _JOINED_FORMATS
        found = [_timeline(stream, packets[stream.index], joined=joined) for stream in streams]
    filled = [(line, s) for line, s in zip(found, streams, strict=True) if any(line.shown)]
    if not filled:
        raise no_frames(path)
    longest = max(_length(line) for line, _ in filled)
    lasting = [(line, s) for line, s in filled if _length(line) >= _LASTING * longest]
    return max(lasting, key=lambda pair: _rank(pair[1]))[0]


def _rank(stream: VideoStream) -> tuple[int, bool, int]:
    """The film is the largest of the streams that last; its copies come after it."""
    default = bool(stream.disposition & av.stream.Disposition.default)
    return stream.width * stream.height, default, -stream.index


def _length(timeline: Timeline) -> float:
    """Seconds that a stream lasts; one frame lasts no time."""
    times_s = timeline.shown_times_s()
    return times_s[-1] - times_s[0]


def _timeline(stream: VideoStream, packets: _Packets, *, joined: bool) -> Timeline:
    unit = float(stream.time_base or 1)
    rate = float(stream.guessed_rate or stream.average_rate or 0)
    rate = rate if 0.1 <= rate <= 1000 else _DEFAULT_RATE
    seconds = straightened(
        [None if p is None else p * unit for p in packets.pts],
        [None if d is None else d * unit for d in packets.dts],
        step_s=1 / rate,
        joined=joined,
    )
    start = min((t for t, shown in zip(seconds, packets.shown, strict=True) if shown), default=0.0)
    stated = len(stream.index_entries) if stream.container.format.name.startswith("mov") else 0
    return Timeline(
        stream=stream.index,
        size=(stream.width, stream.height),
        times_s=tuple(t - start for t in seconds),
        shown=tuple(packets.shown),
        missing=max(0.0, 1 - len(seconds) / stated) if stated else 0.0,
        stamped=sum(p is not None for p in packets.pts) * 2 > len(packets.pts),
        aspect=stream.sample_aspect_ratio,
    )


def straightened(
    pts_s: Sequence[float | None],
    dts_s: Sequence[float | None],
    *,
    step_s: float,
    joined: bool,
) -> list[float]:
    """Times of frames on one clock, where a recording was joined from several.

    Args:
        pts_s: Times of showing in the order of decoding, seconds; None where not stated.
        dts_s: Times of decoding, likewise.
        step_s: Usual time between frames, seconds.
        joined: Whether clocks may jump ahead; that they jump back is noticed in any format.

    Returns:
        One time a packet, seconds; where nothing is stated, one step after the one before.
    """
    times: list[float] = []
    offset, last = 0.0, None
    for pts, dts in zip(pts_s, dts_s, strict=True):
        clock = dts if dts is not None else pts
        if clock is None:
            times.append(times[-1] + step_s if times else 0.0)
            continue
        if last is not None and (clock < last - _BACK_S or (joined and clock > last + _JUMP_S)):
            offset += last + step_s - clock
        last = clock
        times.append((pts if pts is not None else clock) + offset)
    return times


def evenly_in_time(times_s: Sequence[float], count: int) -> list[int]:
    """At most ``count`` positions of rising times, spread evenly in time, in order.

    Where a film of variable rate has no frame at such a time, the widest gaps that hold more
    frames are filled, so that ``count`` are had if there are as many.

    Args:
        times_s: Rising times, seconds.
        count: Number of positions, at least 1.
    """
    if len(times_s) <= count:
        return list(range(len(times_s)))
    gap = (times_s[-1] - times_s[0]) * len(times_s) / (len(times_s) - 1) / count
    chosen = {_nearest(times_s, times_s[0] + (i + 0.5) * gap) for i in range(count)}
    while len(chosen) < count:
        ends = [-1, *sorted(chosen), len(times_s)]
        holes = [(a, b) for a, b in pairwise(ends) if b - a > 1]
        first, after = max(holes, key=lambda hole: _width(times_s, *hole))
        middle = (times_s[max(first, 0)] + times_s[min(after, len(times_s) - 1)]) / 2
        chosen.add(min(max(_nearest(times_s, middle), first + 1), after - 1))
    return sorted(chosen)


def _nearest(times_s: Sequence[float], time_s: float) -> int:
    """Position of the time nearest to ``time_s``; the earlier of two."""
    after = min(bisect_left(times_s, time_s), len(times_s) - 1)
    before = max(after - 1, 0)
    return before if time_s - times_s[before] <= times_s[after] - time_s else after


def _width(times_s: Sequence[float], first: int, after: int) -> float:
    """Seconds between two positions, of which those beyond the ends count as the ends."""
    return times_s[min(after, len(times_s) - 1)] - times_s[max(first, 0)]
