"""PyTorch's threads for work on many small matrices.

Operators on small matrices wait for all threads each time, and for long where another program has
a core. Pieces of work that have a thread each wait once, at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

import torch

Item = TypeVar("Item")
_THREADS: ContextVar[int] = ContextVar("threads")
"""How many threads there are, while operators of the calling thread have one."""


@contextmanager
def small_operators() -> Iterator[None]:
    """Give operators that are called in this context one thread; :func:`for_each` has all."""
    threads = torch.get_num_threads()
    token = _THREADS.set(threads)
    torch.set_num_threads(1)
    try:
        yield
    finally:
        _THREADS.reset(token)
        torch.set_num_threads(threads)


def for_each(work: Callable[[Item], None], items: Iterable[Item], device: torch.device) -> None:
    """Do ``work`` for every item, on the CPU as many at once as PyTorch has threads.

    Gradients are not recorded.

    Args:
        work: What is done with an item; pieces do not depend on each other.
        items: The items.
        device: Where the work computes; other devices than CPUs take one piece after the other.
    """

    def alone(item: Item) -> None:
        with torch.inference_mode():
            work(item)

    pieces, own = list(items), torch.get_num_threads()
    threads = min(len(pieces), _THREADS.get(own))
    if device.type != "cpu" or threads < 2:
        for item in pieces:
            alone(item)
        return
    try:
        with ThreadPoolExecutor(threads, initializer=lambda: torch.set_num_threads(1)) as pool:
            for _ in pool.map(alone, pieces):
                pass
    finally:
        # new threads begin with the number that was set last, in whichever thread that was
        torch.set_num_threads(own)
