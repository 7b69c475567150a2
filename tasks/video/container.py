"""Open the file of a video, or say precisely why it cannot be opened."""

from __future__ import annotations

import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from configs.stages import ExtractConfig
from tasks.core.errors import InputError
from tasks.storage.inputs import bad_input
from tasks.video.completeness import missing_share

FORMATS = "asf,avi,dv,flv,h264,hevc,ivf,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mpeg,mpegts,mxf,ogg"
"""Containers that are opened, by FFmpeg's names: those that hold all of a video in one file.
Playlists (HLS, DASH, concat), patterns of images and devices, which would read other files, are
not among them."""

_AUDIO_HEADS = (b"ID3", b"fLaC", b"OggS", b"\xff\xfb", b"\xff\xf3", b"\xff\xf1")
_PLAYLIST_HEADS = (b"#EXTM3U", b"ffconcat", b"[playlist]", b"<?xml", b"<MPD", b"<ASX", b"<asx")
_INDEX_MAY_TAKE = 2_000_000_000
"""Bytes of memory. FFmpeg makes an index of as many frames as a file says that it has, whether or
not it has them: of two kilobytes one of gigabytes."""
_BOUND = threading.RLock()
"""The bound is of the process: a thread must not take another's for the one to go back to."""
_NO_FILM = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image


@contextmanager
def opened(path: Path) -> Iterator[InputContainer]:
    """A video's container, which reads no other file and asks no network.

    Args:
        path: The video; any name is taken as the name of a file.

    Raises:
        InputError: ``video-unreadable``, ``video-truncated`` or ``video-no-picture``.
    """
    options = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}
    try:
        with bounded_memory(path):
            name = f"file:{path.absolute()}"
            container = av.open(name, options=options, metadata_errors="replace")
    except (av.FFmpegError, ValueError) as exc:
        raise _explain(path) from exc
    with container:
        yield container


@contextmanager
def bounded_memory(path: Path) -> Iterator[None]:
    """Let the index of a video take so much memory and no more, where the system knows bounds.

    Raises:
        InputError: ``video-unreadable`` where it would take more.
    """
    with _BOUND:
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        with suppress(FileNotFoundError):
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            most = pages * resource.getpagesize() + _INDEX_MAY_TAKE
            bounds = [bound for bound in (soft, hard, most) if bound != resource.RLIM_INFINITY]
            resource.setrlimit(resource.RLIMIT_AS, (min(bounds), hard))
        try:
            yield
        except MemoryError as exc:
            raise bad_input(
                "video-unreadable",
                f"{path.name} says that it holds more pictures than memory has room for",
                "Copy or export the video again",
            ) from exc
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def films(container: InputContainer) -> list[VideoStream]:
    """The streams that show a film: not cover images, thumbnails or what cannot be decoded."""
    return [
        stream
        for stream in container.streams.video
        if stream.codec_context is not None
        and stream.width > 0
        and not stream.disposition & _NO_FILM
    ]


def probe(path: Path, config: ExtractConfig) -> None:
    """Refuse a video that cannot be opened, before anything is started for it.

    Raises:
        InputError: If it is no video, or all its frames are of a senseless size.
    """
    with opened(path) as container:
        streams = films(container)
        if not streams:
            raise no_frames(path)
        largest = max(streams, key=lambda stream: stream.width * stream.height)
        check_size(path.name, largest.width, largest.height, config)


def check_size(name: str, width: int, height: int, config: ExtractConfig) -> None:
    """Refuse frames of a senseless size.

    Raises:
        InputError: If they are smaller or larger than the configuration's bounds.
    """
    if min(width, height) < config.min_side_px:
        raise bad_input(
            "frame-too-small",
            f"the frames of {name} are {width} x {height} pixels",
            f"Each side must have at least {config.min_side_px} pixels",
        )
    if width * height > config.max_source_px:
        raise bad_input(
            "frame-too-large",
            f"the frames of {name} are {width} x {height} pixels",
            f"At most {config.max_source_px // 1_000_000} million pixels are read; scale them down",
        )


def no_frames(path: Path) -> InputError:
    """The error for a file without a film."""
    return bad_input(
        "video-no-picture",
        f"{path.name} holds no film that can be decoded",
        "Give a video, not a sound file or a picture; export it again, as H.264 for example",
    )


def _explain(path: Path) -> InputError:
    """Why FFmpeg cannot open this file."""
    with path.open("rb") as file:
        head = file.read(1 << 16)
        file.seek(max(0, path.stat().st_size - (1 << 20)))
        tail = file.read()
    name = path.name
    lacks_index = b"moov" not in head and b"moov" not in tail
    if head[4:8] == b"ftyp" and (lacks_index or missing_share(path) > 0):
        return bad_input(
            "video-truncated",
            f"{name} is cut off: its index is missing, or a part of it",
            "Copy or export the video again",
        )
    if head.startswith(_AUDIO_HEADS) or (head[:4] == b"RIFF" and head[8:12] == b"WAVE"):
        return bad_input("video-no-picture", f"{name} is a sound file", "Give a video of the tyre")
    text = b"\0" not in head and all(byte >= 9 for byte in head[:4096])
    if text and head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(_PLAYLIST_HEADS):
        kind = "a playlist, which names other files"
    elif text:
        kind = "text"
    elif head.startswith((b"GIF8", b"\x89PNG", b"\xff\xd8\xff")) or head[8:12] == b"WEBP":
        kind = "a picture"
    else:
        kind = "not a video that can be decoded"
    return bad_input(
        "video-unreadable",
        f"{name} is {kind}",
        "Give an mp4, mov, avi, mkv or webm file, or a folder of frames",
    )
