"""Independent pieces of work on all cores, with the result of doing them one after the other."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tasks.core.repeatable import compute_repeatably

Item = TypeVar("Item")
Result = TypeVar("Result")

_MOST_THREADS = 8
"""Each piece of work may hold a frame with its arrays, tens of megabytes."""


def in_threads(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """The results of ``work`` for every item as they come, in the order of the items.

    Threads suffice: numpy and OpenCV let others run while they compute. Pieces must not depend on
    each other, nor their number on that of the cores; the first error in the order is raised.

    Args:
        work: What is done with an item.
        items: The items, all of which are taken up at once.
    """
    threads = min(os.cpu_count() or 1, _MOST_THREADS)
    with ThreadPoolExecutor(threads, initializer=compute_repeatably) as pool:
        yield from pool.map(work, items)
