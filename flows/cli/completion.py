"""The command ``tyre3d completion``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator


def completion(options: argparse.Namespace) -> int:
    """Print the script by which a shell completes commands, options, choices and files."""
    import shtab

    from flows.cli.parser import build_parser

    parser = build_parser()
    files = ("INPUT", "FILE", "RESULT", "NEW", "DAMAGED", "FILMS")
    kinds = {**dict.fromkeys(files, shtab.FILE), "DIR": shtab.DIRECTORY}
    for action in _actions(parser):
        if isinstance(action.metavar, str) and action.metavar in kinds:
            action.complete = kinds[action.metavar]  # type: ignore[attr-defined]
    sys.stdout.write(shtab.complete(parser, shell=options.shell) + "\n")
    return 0


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for sub in action.choices.values():
                yield from _actions(sub)
