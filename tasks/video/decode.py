"""Open a video, or say precisely why it cannot be opened."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from configs.stages import ExtractConfig
from tasks.core.errors import InputError
from tasks.storage.inputs import bad_input

_AUDIO_HEADS = (b"ID3", b"fLaC", b"OggS", b"\xff\xfb", b"\xff\xf3", b"\xff\xf1")


@dataclass(frozen=True)
class VideoInfo:
    """What the container says of its pictures; 0 where it says nothing."""

    width: int
    height: int
    frames: int
    fps: float


def _explain(path: Path) -> InputError:
    """Why OpenCV cannot open this file."""
    with path.open("rb") as file:
        head = file.read(1 << 16)
        file.seek(max(0, path.stat().st_size - (1 << 20)))
        tail = file.read()
    name = path.name
    if head[4:8] == b"ftyp":
        if b"moov" not in head and b"moov" not in tail:
            return bad_input(
                "video-truncated",
                f"{name} is cut off: its index is missing",
                "Copy or export the video again",
            )
        if b"vide" not in head and b"vide" not in tail:
            return bad_input(
                "video-no-picture", f"{name} holds no pictures", "Give a video, not a sound file"
            )
    if head.startswith(_AUDIO_HEADS) or (head[:4] == b"RIFF" and head[8:12] == b"WAVE"):
        return bad_input("video-no-picture", f"{name} is a sound file", "Give a video of the tyre")
    text = b"\0" not in head and all(byte >= 9 for byte in head[:4096])
    return bad_input(
        "video-unreadable",
        f"{name} is {'text' if text else 'not a video that can be decoded'}",
        "Give an mp4, mov, avi, mkv or webm file, or a folder of frames",
    )


def open_video(path: Path, config: ExtractConfig) -> tuple[Any, VideoInfo]:
    """Open a video for reading.

    Returns:
        The ``cv2.VideoCapture`` (the caller releases it) and what the container says.

    Raises:
        InputError: If it is no video, or its frames are of a senseless size.
    """
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    try:
        if not capture.isOpened():
            raise _explain(path)
        info = VideoInfo(
            width=int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)),
            height=int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)),
            frames=max(0, int(capture.get(cv2.CAP_PROP_FRAME_COUNT))),
            fps=_sane_rate(capture.get(cv2.CAP_PROP_FPS)),
        )
        check_size(path.name, info.width, info.height, config)
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
    except BaseException:
        capture.release()
        raise
    return capture, info


def probe(path: Path, config: ExtractConfig) -> None:
    """Refuse a video that cannot be opened, before anything is started for it."""
    open_video(path, config)[0].release()


def all_frames(path: Path) -> Iterator[NDArray[np.uint8]]:
    """Decode a video of our own making, frame by frame: ``(H, W, 3)`` BGR."""
    with av.open(path) as container:
        for frame in container.decode(video=0):
            yield np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)


def _sane_rate(fps: float) -> float:
    return float(fps) if np.isfinite(fps) and 0.1 <= fps <= 1000 else 0.0


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


def evenly_spaced_frames(
    capture: Any, info: VideoInfo, count: int
) -> Iterator[tuple[int, float, NDArray[np.uint8]]]:
    """Stream through a video; decode to pictures about ``count`` to twice as many, evenly in time.

    Where the container states the number of frames, pictures are taken at even times; where it
    does not, the stride doubles each time twice as many as ``count`` were taken, and the caller
    drops what falls between.

    Args:
        capture: From :func:`open_video`.
        info: Likewise.
        count: Number of pictures.

    Yields:
        Number of the frame, its time in seconds, and the BGR picture.
    """
    fps = info.fps or 30.0
    gap = info.frames / fps / count if info.frames > count else 0.0
    due, stride, taken = gap / 2, 1, 0
    number, last = 0, -1.0
    while capture.grab():
        stamp = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000.0
        time_s = stamp if stamp > last else number / fps
        take = time_s + 0.5 / fps >= due if info.frames else number % stride == 0
        if take:
            good, picture = capture.retrieve()
            if good and picture is not None:
                yield number, time_s, picture
                taken += 1
                due = max(due + gap, time_s) if gap else due
                if not info.frames and taken >= 2 * count:
                    taken, stride = taken // 2, stride * 2
        number, last = number + 1, time_s
