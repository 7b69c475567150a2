"""Item 7: batches of 1, 10 and 100 short videos, two workers, and a finished batch run again."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bench.backgrounds import frames_of_sample
from bench.measure import Row
from bench.pipeline import run_pipeline, start_pipeline, told_by
from configs.settings import Settings

OPTIONS: dict[str, Any] = {"preset": "fast", "num_frames": 2, "mc_resolution": 64}
COUNTS = (1, 10)
FINISHED = 100
WORKED = 4
FRAMES = 12
SIZE = 320, 240


def write_videos(folder: Path, count: int, first: int = 0) -> None:
    """Short videos of the sample tyre, no two alike."""
    folder.mkdir(parents=True)
    pictures = [cv2.resize(p, SIZE, interpolation=cv2.INTER_AREA) for p in frames_of_sample(FRAMES)]
    for number in range(first, first + count):
        path = folder / f"tyre{number:03d}.mp4"
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10, SIZE)
        for picture in pictures:
            brighter = picture.astype(np.float32) * (0.9 + 0.002 * number)
            writer.write(brighter.clip(0, 255).astype(np.uint8))
        writer.release()


def _multiply(out: Path, videos: Path, count: int) -> None:
    """Make a finished batch larger: copies of its videos and results, and their entries."""
    manifest = out / "batch.json"
    told = json.loads(manifest.read_text())
    done = [e for e in told["tyres"] if e["state"] == "completed"]
    for number in range(len(done), count):
        entry = done[number % len(done)]
        name, video = f"copy{number:03d}", Path(entry["input"])
        shutil.copy(video, videos / f"{name}.mp4")
        for suffix in (".glb", ".json"):
            shutil.copy(out / f"{entry['name']}{suffix}", out / f"{name}{suffix}")
        told["tyres"].append(
            entry
            | {
                "name": name,
                "input": str(videos / f"{name}.mp4"),
                "glb": str(out / f"{name}.glb"),
                "metadata": str(out / f"{name}.json"),
            }
        )
    manifest.write_text(json.dumps(told))


def copy_home(folder: Path) -> Path:
    """A home with the weights of this one and nothing else."""
    home = folder / "home"
    shutil.copytree(Settings().models_dir, home / "models")
    return home


def _workers(folder: Path, count: int, cores: int) -> float:
    """Seconds of ``count`` videos shared among processes of one core each, start-up left out."""
    started = []
    for core in range(cores):
        here = folder / f"{cores}-{core}"
        share = count // cores
        write_videos(here / "videos", share, first=50 + core * share)
        home, out = copy_home(here), here / "out"
        started.append(start_pipeline("batch", here / "videos", out, home, {core}, **OPTIONS))
    return max(float(told_by(p)["wall_s"]) for p in started)


def run(quick: bool) -> tuple[list[Row], dict[str, Any]]:
    """Measure it; ``quick`` leaves the two workers out."""
    rows: list[Row] = []
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        each = {}
        for count in COUNTS:
            here = folder / str(count)
            write_videos(here / "videos", count)
            told = run_pipeline("batch", here / "videos", here / "out", copy_home(here), **OPTIONS)
            each[count] = told["wall_s"] / count
        ratio = each[COUNTS[-1]] / each[COUNTS[0]]
        rows.append(
            Row(
                f"Seconds a short video in a batch of 1 and of {COUNTS[-1]}, wall",
                "flat (± 10 %)",
                f"{each[1]:.2f} s and {each[COUNTS[-1]]:.2f} s ({ratio - 1:+.0%})",
                abs(ratio - 1) <= 0.1,
                f"{FRAMES} frames, 2 to the network, grid of 64³, one run each",
            )
        )
        here = folder / str(COUNTS[-1])
        _multiply(here / "out", here / "videos", FINISHED)
        again = run_pipeline("batch", here / "videos", here / "out", here / "home", **OPTIONS)
        cost = again["wall_s"] / FINISHED
        finished = sum(
            e["found_finished"] for e in json.loads((here / "out/batch.json").read_text())["tyres"]
        )
        rows.append(
            Row(
                f"A finished batch of {FINISHED} run again, per video, wall",
                "≤ 0.2 s",
                f"{cost:.3f} s",
                cost <= 0.2 and finished == FINISHED,
                f"{finished} found finished; {FINISHED - COUNTS[-1]} are copies of the others",
            )
        )
        figures = {"seconds_a_video": each, "again_seconds": again["wall_s"]}
        if not quick:
            started = time.perf_counter()
            one = _workers(folder / "workers", WORKED, 1)
            two = _workers(folder / "workers", WORKED, 2)
            figures |= {"one_worker": one, "two_workers": two}
            rows.append(
                Row(
                    f"{WORKED} short videos by one worker and by two, of one core each, wall",
                    "≥ 1.7 ×",
                    f"{one / two:.2f} ×: {one:.1f} s and {two:.1f} s",
                    one / two >= 1.7,
                    f"one run each, {time.perf_counter() - started:.0f} s in all",
                )
            )
    return rows, figures
