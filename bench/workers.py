"""Item 7: short videos by one worker and by two, of one core each."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from bench.measure import Row
from bench.pipeline import results_of, start_pipeline
from bench.scale import OPTIONS, copy_home, write_videos

WORKED = 12


def run(quick: bool) -> tuple[list[Row], dict[str, Any]]:
    """Measure it; ``quick`` takes 2 videos for 12."""
    worked = 2 if quick else WORKED
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        one, alone = _workers(Path(folder), worked, 1)
        two, beside = _workers(Path(folder), worked, 2)
    most = min(2.0, 2.0 * alone / beside)
    row = Row(
        f"{worked} short videos by one worker and by two, of one core each, wall",
        "≥ 1.7 × where cores allow: 85 % of what they do",
        f"{one / two:.2f} ×: {one:.1f} s and {two:.1f} s",
        one / two >= 0.85 * most,
        f"computing alone takes {alone:.2f} s a video by one and "
        f"{beside:.2f} s beside the other: two cores can do {most:.2f} times one; "
        f"one run each, {time.perf_counter() - started:.0f} s in all",
    )
    figures: dict[str, Any] = {"one_worker": one, "two_workers": two}
    return [row], figures | {"stages_alone": alone, "stages_beside": beside}


def _workers(folder: Path, count: int, cores: int) -> tuple[float, float]:
    """``count`` videos taken in turn by processes of one core each.

    Returns:
        Seconds without start-up, and seconds of a video's computing alone.
    """
    videos = folder / f"{cores}-videos"
    write_videos(videos, count, first=50)
    started = []
    for core in range(cores):
        here = folder / f"{cores}-{core}"
        here.mkdir()
        started.append(
            start_pipeline("queue", videos, here / "out", copy_home(here), {core}, **OPTIONS)
        )
    results = [results_of(p) for p in started]
    wall_s = max(r["wall_s"] for r in results)
    return wall_s, sum(r["computation_s"] for r in results) / count
