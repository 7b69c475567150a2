"""Being stopped: a command that is asked to end says so, and is ended where it does not.

What a handler of a signal raises can be lost: libraries swallow it, or fail while they clean up,
and native code holds it back for minutes. So signals are read from a pipe as well, which Python
writes them to before any handler runs, whoever's it is. Before a command begins and once it is
over there is nothing to clear up: a signal ends the process then and there.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from typing import NoReturn

_SENTENCE = "stopped; what is finished is kept, run again to go on"
STOPPED = f"tyre3d: {_SENTENCE}\n"
_AS_JSON = f"""{{
  "error": {{
    "code": "cancelled",
    "stage": "",
    "message": "{_SENTENCE}",
    "retryable": false,
    "exit_code": %d
  }}
}}
"""
"""As other errors are told, written out: whatever is stopped has no time to import."""
GRACE_S = 10.0
"""How long a command has to clear up; Ctrl-C pressed again ends it at once."""
REPEATED_AFTER_S = 0.05
_HEEDED = (signal.SIGINT, signal.SIGTERM)
received: list[int] = []
"""The signals that asked this process to stop, as far as it is watched."""
_repeated: list[int] = []
"""Those that this process sends itself again."""
_unsaid = [STOPPED]
"""What is still to be said; whoever takes it out, of all threads and handlers, says it."""


class Terminated(BaseException):
    """SIGTERM arrived."""


def at_once() -> None:
    """Have SIGINT and SIGTERM end this process at once."""
    _handle(lambda number, _: _end(number), lambda number, _: _end(number))


def heed() -> None:
    """Have SIGTERM raise :class:`Terminated`, and Ctrl-C ``KeyboardInterrupt``."""

    def terminate(*_: object) -> NoReturn:
        raise Terminated

    _handle(signal.default_int_handler, terminate)


def _handle(interrupted: signal._HANDLER, terminated: signal._HANDLER) -> None:
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as of a shell's background job
        signal.signal(signal.SIGINT, interrupted)
    signal.signal(signal.SIGTERM, terminated)


def watch() -> None:
    """Make sure that this process ends once it is asked to."""
    import threading  # here, since no signal is handled before this module is imported

    sys.unraisablehook = _lost
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=_follow, args=(reader,), daemon=True).start()


def _follow(reader: int) -> None:
    import threading

    while numbers := os.read(reader, 64):
        for number in numbers:
            if number not in _HEEDED:
                continue
            if number in _repeated:
                _repeated.remove(number)
                continue
            if received and number == signal.SIGINT:  # Prefect repeats SIGTERM by itself
                _end(number)
            if not received:
                ending = threading.Timer(GRACE_S, _end, (number,))
                ending.daemon = True
                ending.start()
            received.append(number)


def _lost(unraisable: sys.UnraisableHookArgs) -> None:
    """Raise again what a handler raised within a callback or a destructor, where it is dropped."""
    import threading

    number = _signal_of(unraisable.exc_value)
    if number is None:
        sys.__unraisablehook__(unraisable)
        return

    def repeat() -> None:
        _repeated.append(number)
        signal.pthread_kill(threading.main_thread().ident or 0, number)

    again = threading.Timer(REPEATED_AFTER_S, repeat)
    again.daemon = True
    again.start()


def _signal_of(error: BaseException | None) -> int | None:
    """The signal that an error was raised for by whoever's handler."""
    if isinstance(error, KeyboardInterrupt):
        return signal.SIGINT
    if isinstance(error, Terminated):
        return signal.SIGTERM
    number = getattr(
        error, "signal", None
    )  # of Prefect's TerminationSignal, too slow to import here
    return number if number in _HEEDED else None


def say(number: int) -> None:
    """Say that this process was stopped, once; nobody need hear it.

    Args:
        number: The signal that stopped it.
    """
    with contextlib.suppress(IndexError, OSError):
        os.write(2, _unsaid.pop().encode())  # a stream may be just being written to
        if "--json" in sys.argv:
            os.write(1, (_AS_JSON % (128 + number)).encode())


def _end(number: int) -> NoReturn:
    say(number)
    os._exit(128 + number)


def number_of(error: BaseException) -> int | None:
    """The signal that an error comes from, None where this process was not asked to stop."""
    if received:
        return received[0]
    return _signal_of(error)
