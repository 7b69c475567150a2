"""Item 5: extracting frames, against decoding alone; memory over the length of the video."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bench.backgrounds import frames_of_sample
from bench.measure import REPEATS, Row, alternating, in_process
from configs.stages import ExtractConfig
from tasks.video.extraction import extract_frames

RATE = 30
SHORT_S, LONG_S = 10, 600
_MEMORY = """if True:
    import sys, tempfile
    from pathlib import Path
    from bench.measure import peak_memory_mb
    from configs.stages import ExtractConfig
    from tasks.video.extraction import extract_frames
    with tempfile.TemporaryDirectory() as folder:
        extract_frames(Path(sys.argv[1]), Path(folder), ExtractConfig())
    print(peak_memory_mb())
"""


def _write_video(path: Path, seconds: int) -> None:
    images = frames_of_sample(16)
    height, width = images[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), RATE, (width, height))
    for number in range(seconds * RATE):
        writer.write(np.roll(images[number // 2 % 16], number % 64, axis=1))
    writer.release()


def _decode(path: Path) -> None:
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    while capture.read()[0]:
        pass
    capture.release()


def _extract(path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        extract_frames(path, Path(folder), ExtractConfig())


def run(quick: bool) -> tuple[list[Row], dict[str, Any]]:
    """Measure it; ``quick`` takes one minute for ten."""
    rows: list[Row] = []
    figures: dict[str, Any] = {}
    memory = {}
    with tempfile.TemporaryDirectory() as folder:
        for seconds in (SHORT_S, 60 if quick else LONG_S):
            path = Path(folder) / f"{seconds}.mp4"
            _write_video(path, seconds)
            ours, decoding = alternating(
                lambda: _extract(path),  # noqa: B023
                lambda: _decode(path),  # noqa: B023
                repeats=1 if quick else REPEATS,
            )
            ratio = ours.median / decoding.median
            rows.append(
                Row(
                    f"Extraction of 48 frames from {seconds} s of video, against decoding alone",
                    "≤ 1.3 ×",
                    f"{ratio:.2f} ×: {ours} against {decoding}",
                    ratio <= 1.3,
                    "640 × 480 at 30 frames a second, MPEG-4; JPEGs written",
                )
            )
            memory[seconds] = in_process(_MEMORY, str(path))[0][0]
            figures[str(seconds)] = {"seconds": ours.seconds, "decode_seconds": decoding.seconds}
    short, long = memory.values()
    rows.append(
        Row(
            "Extraction, peak memory of the process, " + " and ".join(f"{s} s" for s in memory),
            "flat",
            f"{short:.0f} MB and {long:.0f} MB",
            long <= 1.05 * short,
        )
    )
    return rows, figures | {"memory_mb": memory}
