"""``python -m flows.cli.links_process PORT PARENT``: serve results while a process lives."""

from __future__ import annotations

import os
import sys
import threading
import time

from flows.support.links import HOST, links_server
from flows.support.own_server import own_password

_LOOK_S = 1.0


def main(port: int, parent: int) -> int:
    """Serve until the parent, which is the server with the UI, ends; the exit code."""
    try:
        server = links_server(own_password(), port)
    except OSError as exc:
        sys.stderr.write(
            f"Links from runs to their results lead nowhere: port {port} of {HOST} cannot be "
            f"listened on ({exc.strerror}); another one: TYRE3D_LINKS_PORT\n"
        )
        return 1
    with server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        while os.getppid() == parent:
            time.sleep(_LOOK_S)
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
