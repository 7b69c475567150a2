"""Prefect's own command line, for its server: ``python -m flows.cli.prefect_process server start``.

It is ``python -m prefect``, but that garbage is not looked for in the server's event loop.
"""

from __future__ import annotations

import runpy

from flows.support.garbage import collect_in_a_thread


def main() -> None:
    """Do what ``prefect`` does with this process's arguments."""
    collect_in_a_thread()
    runpy.run_module("prefect", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
