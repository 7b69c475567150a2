"""One page, served to this machine alone."""

from __future__ import annotations

import http.server
import sys
from typing import Any
from urllib.parse import quote

HOST = "127.0.0.1"


def page_server(name: str, content: bytes, port: int) -> http.server.ThreadingHTTPServer:
    """A server of one page, under its name and as ``/``; all else is not found.

    Args:
        name: File name of the page.
        content: The page.
        port: Where it listens on 127.0.0.1; 0 takes any that is free.

    Raises:
        OSError: The port is taken.
    """
    paths = {"/", f"/{quote(name, errors='surrogateescape')}"}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self._is_found():
                self.wfile.write(content)

        def do_HEAD(self) -> None:
            self._is_found()

        def _is_found(self) -> bool:
            known = self.path.partition("?")[0] in paths and _is_own(self.headers.get("Host", ""))
            self.send_response(200 if known else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(content) if known else 0))
            self.send_header("X-Content-Type-Options", "nosniff")
            self.end_headers()
            return known

        def log_message(self, *_: Any) -> None:
            """Requests are no news."""

    return http.server.ThreadingHTTPServer((HOST, port), Handler)


def _is_own(host: str) -> bool:
    """Whether a request names this machine: one that a page of others sends may name theirs."""
    return host.partition(":")[0] in (HOST, "localhost")  # of port 80 browsers name none


def serve_page(name: str, content: bytes, port: int) -> int:
    """Serve a page until Ctrl-C; the exit code."""
    from tasks.core.errors import ResourceError

    try:
        server = page_server(name, content, port)
    except OSError as exc:
        raise ResourceError(
            "port-taken",
            stage="start",
            what=f"port {port} of {HOST} cannot be listened on ({exc.strerror})",
            advice="Name another one by --port, or none",
        ) from exc
    with server:
        sys.stdout.write(f"http://{HOST}:{server.server_address[1]}/\n")
        sys.stderr.write("Ctrl-C ends it.\n")
        sys.stdout.flush()
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            sys.stderr.write("\n")
    return 0
