"""Shards: what they hold is true, made once, and made by processes that end with their parent."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tasks.geometry.crop import VIEW_WIDTH
from tasks.synthetic.datasets.dataset import ARRAYS, make_tyre_data, write_shard
from tasks.synthetic.tyres.spec import TEST_SEEDS, TRAIN_SEEDS, VALIDATION_SEEDS
from tests.tasks.training.tiny import SMALL


def test_seed_ranges_are_disjoint() -> None:
    ranges = [TRAIN_SEEDS, VALIDATION_SEEDS, TEST_SEEDS]
    ordered = sorted(ranges, key=lambda r: r.start)
    assert all(a.stop <= b.start for a, b in itertools.pairwise(ordered))


def test_points_inside_fall_on_the_mask(shards: Path) -> None:
    """Occupied points, seen from the crop frame's camera, lie on the view's foreground."""
    shard = {n: np.load(shards / "train-00000" / f"{n}.npy") for n in ARRAYS}
    for tyre in range(2):
        inside = shard["points"][tyre][shard["inside"][tyre]].astype(np.float64)
        for view in range(2):
            move = shard["to_crop"][tyre, view].astype(np.float64)
            p = inside @ move[:, :3].T + move[:, 3]
            size = SMALL.size_px
            # the perspective's strength is not in the record: bound it from both sides
            hits = []
            for distance in (1.9, 8.0):
                zoom = distance / (distance - p[:, 0])
                u = ((p[:, 1] * zoom / VIEW_WIDTH + 0.5) * size).astype(int).clip(0, size - 1)
                v = ((0.5 - p[:, 2] * zoom / VIEW_WIDTH) * size).astype(int).clip(0, size - 1)
                hits.append((shard["rgba"][tyre, view, v, u, 3] > 30).mean())
            assert max(hits) > 0.93


def test_tyre_data_are_deterministic(shards: Path) -> None:
    again = make_tyre_data(TRAIN_SEEDS[1], SMALL)
    for name in ARRAYS:
        np.testing.assert_array_equal(
            np.load(shards / "train-00000" / f"{name}.npy")[1], again[name]
        )


def test_a_finished_shard_is_left_alone(shards: Path) -> None:
    before = (shards / "train-00000" / "rgba.npy").stat().st_mtime_ns
    write_shard(shards / "train-00000", TRAIN_SEEDS[:2], SMALL)
    assert (shards / "train-00000" / "rgba.npy").stat().st_mtime_ns == before


def test_generating_processes_end_with_whoever_started_them(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.tasks.synthetic.datasets.small", str(tmp_path)]
    command += ["--tyres", "1", "--shards", "2000", "--processes", "2"]
    pool = subprocess.Popen(command, start_new_session=True)

    def alive() -> list[str]:
        listed = subprocess.run(
            ["ps", "-o", "pid=,stat=", "-g", str(pool.pid)], capture_output=True, text=True
        ).stdout
        return [x for x in listed.splitlines() if "Z" not in x]

    def wait(done: Callable[[], bool]) -> None:
        end = time.monotonic() + 600  # ends a test that hangs; says nothing of speed
        while not done():
            assert time.monotonic() < end
            time.sleep(0.1)

    try:
        wait(lambda: len(list(tmp_path.glob("train-*"))) >= 2)
        pool.kill()
        pool.wait()
        wait(lambda: not alive())
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pool.pid, signal.SIGKILL)
    made = len(list(tmp_path.glob("train-*")))
    assert 2 <= made < 2000, "what the queue held was not made"
