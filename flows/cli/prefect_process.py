"""Prefect's own command line, for its server: ``python -m flows.cli.prefect_process server start``.

It is ``python -m prefect``, but that garbage is not looked for in the server's event loop, that
the server's banner is another, and that runs whose processes were killed are ended.
"""

from __future__ import annotations

import runpy
import threading

from flows.support.garbage import collect_in_a_thread
from flows.support.local_runs import any_noted, end_lost_runs

_STARTS_WITHIN_S = 300.0


def main() -> None:
    """Do what ``prefect`` does with this process's arguments."""
    collect_in_a_thread()
    _leave_out_banner()
    if any_noted():
        threading.Thread(target=end_lost_runs, args=(_STARTS_WITHIN_S,), daemon=True).start()
    runpy.run_module("prefect", run_name="__main__", alter_sys=True)


def _leave_out_banner() -> None:
    """Say how the server ends, and nothing else.

    Prefect would advise to name it in a profile, where commands find it unasked, and say nothing of
    the password.
    """
    from prefect.cli import _server_utils

    _server_utils.generate_welcome_blurb = lambda *_, **__: "Ctrl-C ends it."


if __name__ == "__main__":
    main()
