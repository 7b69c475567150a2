"""Progress of the running stage, for whoever wants to show it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar

Listener = Callable[[str, int, int], None]
"""Called with the stage's name, steps done, steps in all.

Without steps in all the stage is at work, and ``done`` ways of it were tried in vain."""

_listener: ContextVar[Listener | None] = ContextVar("tyre3d_progress", default=None)


def report(stage: str, done: int, total: int) -> None:
    """Tell the listener, if there is one."""
    listener = _listener.get()
    if listener is not None:
        listener(stage, done, total)


@contextlib.contextmanager
def listening(listener: Listener | None) -> Iterator[None]:
    """Send reports to ``listener`` within this block, and to those around it."""
    outer = _listener.get()

    def both(stage: str, done: int, total: int) -> None:
        for each in (outer, listener):
            if each is not None:
                each(stage, done, total)

    token = _listener.set(both)
    try:
        yield
    finally:
        _listener.reset(token)
