"""The sound files from which cases are made; each is made once in a process."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

import cv2

from tests.conftest import disc_picture
from tests.tasks.video.films import pictures, write_film

CONTAINERS = {
    "mp4": "libx264",
    "mov": "libx264",
    "mkv": "libx264",
    "avi": "mpeg4",
    "webm": "libvpx",
    "ts": "libx264",
}
"""By suffix: a codec that the container holds."""
SIZE = (96, 64)
COUNT = 16


@functools.cache
def film(suffix: str) -> bytes:
    """A film of 16 pictures."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"seed.{suffix}"
        return write_film(path, pictures(COUNT, SIZE), CONTAINERS[suffix]).read_bytes()


@functools.cache
def picture(suffix: str, number: int = 0) -> bytes:
    """A picture of a disc, PNGs with a transparent ground."""
    colours, alpha = disc_picture(number)
    image = cv2.merge([*cv2.split(colours), alpha]) if suffix == ".png" else colours
    return cv2.imencode(suffix, image)[1].tobytes()
