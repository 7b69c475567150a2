"""Processes that end with whoever started them, however that happens.

A child's standard input is a pipe that the parent holds open: end of file means that the parent is
gone, killed or not. ``python -m tasks.core.processes MODULE ARGUMENTS`` runs a module so.
"""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
import threading
from typing import Any


def start_child(module: str, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
    """Start ``python -m module arguments`` as a process that ends with this one.

    Args:
        module: Its name.
        arguments: Its arguments.
        options: More of :class:`subprocess.Popen`.
    """
    command = [sys.executable, "-m", __name__, module, *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, **options)


def run_child(module: str, *arguments: str, niceness: int = 0) -> None:
    """Run ``python -m module arguments`` to its end, as a process that ends with this one.

    Args:
        module: Its name.
        arguments: Its arguments.
        niceness: How much others come first.

    Raises:
        RuntimeError: It ended with another exit code than 0.
    """
    with start_child(module, *arguments, preexec_fn=lambda: os.nice(niceness)) as child:
        try:
            child.wait()
        finally:
            child.terminate()
    if child.returncode:
        raise RuntimeError(f"{module} ended with exit code {child.returncode}")


def _follow_parent() -> None:
    while os.read(0, 1024):  # not sys.stdin: its lock, held here, would abort the process's end
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    """Run the module that the first argument names."""
    threading.Thread(target=_follow_parent, daemon=True).start()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
