"""A web server that is told of the end of jobs, as a backend of a shop is."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

DOCUMENT = Path(__file__).parents[3] / "docs" / "operations.md"
SECRET = "a-secret-of-the-tests"


class Backend:
    """A web server that answers as it is told and remembers what it was sent.

    Args:
        port: Where it listens; 0: where there is room.
    """

    def __init__(self, port: int = 0) -> None:
        self.answers: list[int] = []
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        backend = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                return

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                backend.got.append((self.path, dict(self.headers), content))
                self.send_response(backend.answers.pop(0) if backend.answers else 200)
                self.send_header("Location", "http://127.0.0.1:1/elsewhere")
                self.end_headers()

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def documented_check() -> Callable[..., bool]:
    """``is_genuine`` of docs/operations.md, which backends are to copy."""
    found = re.search(r"```python\n(.*?is_genuine.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert found is not None
    scope: dict[str, Any] = {}
    exec(found[1], scope)
    check: Callable[..., bool] = scope["is_genuine"]
    return check
