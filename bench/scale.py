"""Item 7: batches of 1, 10 and 100 short videos, and a finished batch run again."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bench.backgrounds import frames_of_sample
from bench.measure import Row
from bench.pipeline import run_pipeline
from configs.settings import Settings

OPTIONS: dict[str, Any] = {"preset": "fast", "num_frames": 2, "mc_resolution": 64}
COUNTS = (1, 10, 100)
FRAMES = 12
SIZE = 320, 240


def write_videos(folder: Path, count: int, first: int = 0) -> None:
    """Short videos of the sample tyre, no two alike."""
    folder.mkdir(parents=True)
    images = [cv2.resize(p, SIZE, interpolation=cv2.INTER_AREA) for p in frames_of_sample(FRAMES)]
    for number in range(first, first + count):
        path = folder / f"tyre{number:03d}.mp4"
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10, SIZE)
        for image in images:
            brighter = image.astype(np.float32) * (0.9 + 0.002 * number)
            writer.write(brighter.clip(0, 255).astype(np.uint8))
        writer.release()


def copy_home(folder: Path) -> Path:
    """A home with the weights of this one and nothing else."""
    home = folder / "home"
    shutil.copytree(Settings().models_dir, home / "models")
    return home


def run(quick: bool) -> tuple[list[Row], dict[str, Any]]:
    """Measure it; ``quick`` takes 1 and 3 videos for 1, 10 and 100."""
    counts = (1, 3) if quick else COUNTS
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        each = {}
        for count in counts:
            here = folder / str(count)
            write_videos(here / "videos", count)
            outcome = run_pipeline(
                "batch", here / "videos", here / "out", copy_home(here), **OPTIONS
            )
            each[count] = outcome["wall_s"] / count
        first, *others = each.values()
        change = max((e / first - 1 for e in others), key=abs)
        rows.append(
            Row(
                f"Seconds a short video in batches of {', '.join(map(str, counts))}, wall",
                "flat (± 10 %)",
                f"{', '.join(f'{s:.2f} s' for s in each.values())} ({change:+.0%})",
                abs(change) <= 0.1,
                f"{FRAMES} frames, 2 to the network, grid of 64³, one run each, one process; "
                "start-up (imports, local server) left out",
            )
        )
        here = folder / str(counts[-1])
        again = run_pipeline("batch", here / "videos", here / "out", here / "home", **OPTIONS)
        cost = again["wall_s"] / counts[-1]
        entries = json.loads((here / "out/batch.json").read_text())["tyres"]
        finished = sum(e["found_finished"] for e in entries)
        rows.append(
            Row(
                f"A finished batch of {counts[-1]} run again, per video, wall",
                "≤ 0.2 s",
                f"{cost:.3f} s",
                cost <= 0.2 and finished == counts[-1],
                f"{finished} found finished",
            )
        )
        figures: dict[str, Any] = {"seconds_a_video": each, "again_seconds": again["wall_s"]}
    return rows, figures
