"""Garbage of a process with an event loop, looked for beside the loop.

Python frees garbage in whichever thread happens to look for it. A cursor of SQLite among it waits
for whoever uses its connection; that one may wait for a lock of SQLite, and whoever holds the lock
for the event loop. Freed in the loop's thread, such a cursor stopped Prefect's whole server until
SQLite gave up waiting after a minute, several times in an hour on a busy machine.
"""

from __future__ import annotations

import gc
import itertools
import threading
import time

_PAUSE_S = 1.0
_OLD_EVERY = 60
"""How many times the young is looked through before the old is, too."""


def collect_in_a_thread() -> None:
    """From now on, no other thread of this process looks for garbage."""
    gc.disable()
    threading.Thread(target=_collect, name="garbage", daemon=True).start()


def _collect() -> None:
    for turn in itertools.count(1):
        time.sleep(_PAUSE_S)
        gc.collect(1 if turn % _OLD_EVERY else 2)
