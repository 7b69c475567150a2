"""Being stopped: a command that is asked to end says so, and is ended where it does not.

What a handler of a signal raises can be lost: libraries swallow it, or fail while they clean up,
and native code holds it back for minutes. So signals are read from a pipe as well, which Python
writes them to before any handler runs, whoever's it is.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import NoReturn

STOPPED = "tyre3d: stopped; what is finished is kept, run again to go on\n"
GRACE_S = 10.0
"""How long a command has to clear up; Ctrl-C pressed again ends it at once."""
_HEEDED = (signal.SIGINT, signal.SIGTERM)
received: list[int] = []
"""The signals that asked this process to stop, as far as it is watched."""


class Terminated(BaseException):
    """SIGTERM arrived."""


def heed() -> None:
    """Have SIGTERM raise :class:`Terminated`, as Ctrl-C raises ``KeyboardInterrupt``."""

    def terminate(*_: object) -> NoReturn:
        raise Terminated

    signal.signal(signal.SIGTERM, terminate)


def watch() -> None:
    """Make sure that this process ends once it is asked to."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=_follow, args=(reader,), daemon=True).start()


def _follow(reader: int) -> None:
    while told := os.read(reader, 64):
        for number in told:
            if number not in _HEEDED:
                continue
            if received and number == signal.SIGINT:  # Prefect repeats SIGTERM by itself
                _end(number)
            if not received:
                ending = threading.Timer(GRACE_S, _end, (number,))
                ending.daemon = True
                ending.start()
            received.append(number)


def _end(number: int) -> NoReturn:
    sys.stderr.write(STOPPED)
    os._exit(128 + number)


def number_of(error: BaseException) -> int | None:
    """The signal that an error comes from, None where this process was not asked to stop."""
    if received:
        return received[0]
    if isinstance(error, KeyboardInterrupt):
        return signal.SIGINT
    return signal.SIGTERM if isinstance(error, Terminated) else None
