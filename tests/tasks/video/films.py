"""Small films made at test time, as cameras, phones and tools make them."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

RATE = 10
CODEC_OPTIONS = {
    "libx264": {"threads": "1", "preset": "ultrafast"},
    "libx265": {"x265-params": "log-level=none:pools=1", "preset": "ultrafast"},
    "libsvtav1": {"preset": "12", "svtav1-params": "lp=1"},
    "libvpx-vp9": {"cpu-used": "8", "deadline": "realtime", "threads": "1"},
    "libvpx": {"cpu-used": "8", "deadline": "realtime", "threads": "1"},
}


def picture(number: int, size: tuple[int, int] = (160, 120)) -> NDArray[np.uint8]:
    """A coarse pattern that moves with its number: ``(H, W, 3)`` RGB."""
    rng = np.random.default_rng(7)
    pattern = rng.integers(40, 215, (60, 80, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    width, height = size
    return np.ascontiguousarray(pattern[number : number + height, 2 * number : 2 * number + width])


def pictures(count: int, size: tuple[int, int] = (160, 120)) -> list[NDArray[np.uint8]]:
    """The first pictures of the pattern."""
    return [picture(number, size) for number in range(count)]


def add_stream(
    container: OutputContainer,
    codec: str,
    size: tuple[int, int],
    *,
    pixels: str = "yuv420p",
    options: dict[str, str] | None = None,
    key_every: int = 10,
) -> VideoStream:
    """A stream for films of one size."""
    stream = container.add_stream(codec, rate=RATE)
    assert isinstance(stream, VideoStream)
    stream.width, stream.height = size
    stream.pix_fmt = pixels
    stream.codec_context.gop_size = key_every
    stream.codec_context.time_base = Fraction(1, 1000)
    stream.codec_context.options = {**CODEC_OPTIONS.get(codec, {}), **(options or {})}
    return stream


def encode(
    container: OutputContainer,
    stream: VideoStream,
    images: Iterable[NDArray[np.uint8]],
    times_ms: Sequence[int] | None = None,
) -> None:
    """Write pictures to a stream; without times, a tenth of a second apart."""
    with _scheduled_as_before():
        for number, image in enumerate(images):
            frame = VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = times_ms[number] if times_ms else number * 1000 // RATE
            frame.time_base = Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@contextmanager
def _scheduled_as_before() -> Iterator[None]:
    """Undo what SVT-AV1 does as root: it makes the process that encodes a real-time one.

    Whatever such a process starts leaves a core to nobody else, so that tests after it hang.
    """
    if not hasattr(os, "sched_getscheduler"):
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameters)


def write_film(
    path: Path,
    images: Sequence[NDArray[np.uint8]],
    codec: str = "libx264",
    *,
    times_ms: Sequence[int] | None = None,
    prepare: Callable[[VideoStream], None] | None = None,
    container_options: dict[str, str] | None = None,
    **stream_options: object,
) -> Path:
    """Write a film of one stream; the suffix chooses the container."""
    height, width = images[0].shape[:2]
    with av.open(path, "w", container_options=container_options or {}) as container:
        stream = add_stream(container, codec, (width, height), **stream_options)  # type: ignore[arg-type]
        if prepare is not None:
            prepare(stream)
        encode(container, stream, images, times_ms)
    return path


def remux(
    source: Path,
    target: Path,
    change: Callable[[int, Packet], Packet | None] = lambda _, packet: packet,
    container_options: dict[str, str] | None = None,
) -> Path:
    """Copy packets into another container; ``change`` gets their number in order of decoding."""
    with (
        av.open(source) as read,
        av.open(target, "w", container_options=container_options or {}) as written,
    ):
        stream = written.add_stream_from_template(read.streams.video[0])
        packets = [packet for packet in read.demux(video=0) if packet.size]
        for number, packet in enumerate(packets):
            changed = change(number, packet)
            if changed is not None:
                changed.stream = stream
                written.mux(changed)
    return target


def flip_bits(path: Path, target: Path, numbers: Iterable[int], share: float = 0.2) -> Path:
    """Copy a film, with bits flipped within packets given by their order of decoding."""
    with av.open(path) as container:
        places = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(3)
    for number in numbers:
        at, size = places[number]
        assert at is not None
        for place in rng.integers(int(size * share), size - 1, max(8, size // 60)):
            content[at + int(place)] ^= 1 << int(rng.integers(8))
    target.write_bytes(content)
    return target


def claiming(film: bytes, claimed: int, runs: int = 1) -> bytes:
    """A fragmented film (mp4) whose last fragment says that it has many pictures, and has none.

    Args:
        film: A film in mp4.
        claimed: Pictures that each run of the fragment has.
        runs: Runs of the fragment.
    """
    run = _box(b"trun", struct.pack(">II", 0, claimed))
    head = _box(b"tfhd", struct.pack(">IIII", 0x20018, 1, 33, 1))  # each 33 ticks and a byte
    parts = [_box(b"mfhd", struct.pack(">II", 0, 9)), _box(b"traf", head, *[run] * runs)]
    return film + _box(b"moof", *parts) + _box(b"mdat", bytes(1000))


def repeating(film: bytes, times: int) -> bytes:
    """A film (mp4) whose index names each of 1000 bytes as a picture, that many times over."""
    at = film.index(b"mdat") + 4
    return _with_tables(
        film,
        {
            b"stts": struct.pack(">IIII", 0, 1, 1000 * times, 33),
            b"stsc": struct.pack(">IIIII", 0, 1, 1, 1000, 1),
            b"stsz": struct.pack(">III", 0, 1, 1000 * times),
            b"stco": struct.pack(f">II{times}I", 0, times, *[at] * times),
            b"ctts": struct.pack(">II", 0, 0),
            b"stss": struct.pack(">II", 0, 0),
        },
    )


def _with_tables(boxes: bytes, tables: dict[bytes, bytes]) -> bytes:
    """Boxes of mp4 with other tables."""
    out, at = b"", 0
    while at < len(boxes):
        size, kind = struct.unpack(">I4s", boxes[at : at + 8])
        inner = tables.get(kind, boxes[at + 8 : at + size])
        if kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):
            inner = _with_tables(inner, tables)
        out, at = out + _box(kind, inner), at + size
    return out


def _box(kind: bytes, *content: bytes) -> bytes:
    whole = b"".join(content)
    return struct.pack(">I4s", 8 + len(whole), kind) + whole
