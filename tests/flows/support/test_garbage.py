"""Garbage of a process with an event loop."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ONE_WRITES_WHILE_ANOTHER_WAITS = """
import asyncio, sqlite3, sys, threading, weakref
from flows.support.garbage import collect_in_a_thread

class Cycle:
    def __init__(self, cursor):
        self.me, self.cursor = self, cursor

async def main():
    writer, waiter = (
        sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None, check_same_thread=False)
        for _ in range(2)
    )
    found = threading.Event()
    cursor = waiter.execute("SELECT 1 UNION SELECT 2")  # in the middle of its rows
    garbage = Cycle(cursor)
    seen = weakref.ref(garbage, lambda _: found.set())
    del cursor
    writer.execute("BEGIN IMMEDIATE")
    waits = asyncio.create_task(asyncio.to_thread(waiter.execute, "BEGIN IMMEDIATE"))
    await asyncio.sleep(0.5)
    del garbage
    collect_in_a_thread()
    while not found.is_set():
        [[] for _ in range(1000)]  # for which Python looks for garbage here, unless told not to
        await asyncio.sleep(0.01)
    writer.execute("COMMIT")
    await waits

asyncio.run(main())
"""


def test_a_cursor_in_garbage_does_not_stop_the_loop_whose_commit_it_waits_for(
    tmp_path: Path,
) -> None:
    """The loop's thread would wait for SQLite's thread, that for the lock, its holder for it."""
    done = subprocess.run(
        [sys.executable, "-c", ONE_WRITES_WHILE_ANOTHER_WAITS, str(tmp_path / "a.db")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
