"""The local Prefect server's process: it ends when whoever started it ends, however that happens.

Its standard input is a pipe that the parent holds open; end of file means that the parent is gone.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

import uvicorn


def _follow_parent() -> None:
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    """Serve on the port that is given as the only argument."""
    threading.Thread(target=_follow_parent, daemon=True).start()
    uvicorn.run(
        "prefect.server.api.server:create_app",
        factory=True,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_level="critical",
        lifespan="on",
    )


if __name__ == "__main__":
    main()
