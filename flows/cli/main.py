"""The command ``tyre3d`` as a process.

Whatever takes time is imported once it is needed: heavy libraries when a command needs them, all
the rest when signals are handled.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING, NoReturn

from flows.cli import stopping

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from tasks.core.errors import Tyre3dError

_MODULES = {
    "reconstruct": "flows.cli.commands",
    "announce": "flows.cli.commands",
    "compare": "flows.cli.compare_command",
    "history": "flows.cli.history_command",
    "gauge": "flows.cli.history_command",
    "models": "flows.cli.commands",
    "batch": "flows.cli.batch_command",
    "view": "flows.cli.result_commands",
    "info": "flows.cli.result_commands",
    "render": "flows.cli.result_commands",
    "prune": "flows.cli.service_commands",
    "ui": "flows.cli.service_commands",
    "worker": "flows.cli.service_commands",
    "drain": "flows.cli.service_commands",
    "doctor": "flows.cli.service_commands",
    "completion": "flows.cli.completion",
    "config": "flows.cli.config_command",
}
"""Where each command is, as a function of its name."""

_RUNS = frozenset({"reconstruct", "batch", "compare", "history", "gauge"})
"""Commands that a process which has imported what they need may do; looking for one takes as long
as `tyre3d --help`."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit code is 0 only if the command did its work."""
    try:
        if argv is None:
            stopping.heed()
            from flows.cli.streams import keep_speaking

            keep_speaking()
            stopping.watch()
        from flows.cli.parser import build_parser

        words = sys.argv[1:] if argv is None else argv
        return _do(build_parser(words).parse_args(words))
    except BaseException as exc:
        number = stopping.number_of(exc)
        if number is None:
            raise
        stopping.say(number)
        return 128 + number


def _do(options: argparse.Namespace) -> int:
    """Run the command that was asked for, and say why where it fails; its exit code."""
    import logging

    from tasks.core.errors import Tyre3dError

    try:
        command = getattr(importlib.import_module(_MODULES[options.command]), options.command)
        return int(command(options))
    except Tyre3dError as exc:
        if stopping.received:  # whatever came of it
            raise
        if options.verbose:
            logging.getLogger("tyre3d").exception("failed")
        return _failed(exc, options)
    except Exception as exc:
        if stopping.received:  # whatever came of it
            raise
        if options.verbose:
            logging.getLogger("tyre3d").exception("failed")
        from tasks.core.failures import BUG_ADVICE
        from tasks.storage.base import disk_error

        kind = type(exc).__name__
        unknown = Tyre3dError("internal", stage=kind, what=str(exc), advice=BUG_ADVICE)
        return _failed(disk_error(exc) or unknown, options)


def _failed(error: Tyre3dError, options: argparse.Namespace) -> int:
    """Say what was wrong in one line, and as JSON where this was asked for; the exit code."""
    from flows.cli.colours import painted
    from tasks.core.failures import failure_of_error

    sys.stderr.write(f"{painted('tyre3d:', 'red', sys.stderr)} {error}\n")
    if getattr(options, "json", False):
        from flows.cli.parser import error_json

        sys.stdout.write(error_json(failure_of_error(error), error.exit_code))
    return error.exit_code


def run() -> NoReturn:
    """The command as a process."""
    stopping.at_once()
    from flows.cli.streams import keep_speaking

    keep_speaking()  # a socket, too, would take the number of what is closed
    code = None
    if _RUNS.intersection(sys.argv[1:2]):
        from flows.cli.warm_start import hand_over

        code = hand_over(sys.argv[1:])
    end(main() if code is None else code)


def end(code: int) -> NoReturn:
    """End this process at once, without a half second of clearing up memory."""
    stopping.at_once()
    import atexit
    import threading

    threading._shutdown()  # type: ignore[attr-defined]  # as Python itself ends: threads first
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    run()
