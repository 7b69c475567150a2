"""Web addresses of results: signed ones in a bucket; here those that ``tyre3d ui`` serves.

A browser opens no file that a page from a server names. The server with the UI has another beside
it, for this machine alone, that gives out reports and meshes to whom has an address which a run
signed. Imports nothing heavy.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import http.server
import os
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from configs.settings import Settings
from flows.support.own_server import is_loopback, own_password
from tasks.storage.results import results_beside

HOST = "127.0.0.1"
TYPES = {".html": "text/html; charset=utf-8", ".glb": "model/gltf-binary"}
"""Kinds of files that are linked to, by their suffix."""


def address_of(location: Path | str, settings: Settings) -> str | None:
    """Where a browser finds a report or a GLB; None where nothing serves it.

    Args:
        location: A path, or ``s3://bucket/key``.
        settings: How storage is reached.
    """
    results, name = results_beside(location, settings)
    if address := results.web_address(name, TYPES[Path(name).suffix]):
        return address
    if isinstance(location, Path) and is_loopback(os.environ.get("PREFECT_API_URL", "")):
        return signed_address(location.absolute(), own_password(), settings.links_port)
    return None


def signed_address(path: Path, secret: str, port: int) -> str:
    """The address of a file of this machine."""
    location = os.fsencode(path)
    return f"http://{HOST}:{port}/{_signature(location, secret)}{quote(location)}"


def _signature(location: bytes, secret: str) -> str:
    return hmac.new(secret.encode(), location, hashlib.sha256).hexdigest()[:32]


def links_server(secret: str, port: int) -> http.server.ThreadingHTTPServer:
    """A server of the files whose signed address is asked for, and of no others.

    Args:
        secret: What addresses are signed with.
        port: Where it listens on 127.0.0.1; 0 takes any that is free.

    Raises:
        OSError: The port is taken.
    """

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self._file()
            with contextlib.ExitStack() as opened:
                try:
                    file = opened.enter_context(path.open("rb")) if path else None
                except OSError:  # moved or deleted since
                    file = None
                self.send_response(404 if file is None else 200)
                self.send_header("X-Content-Type-Options", "nosniff")
                self.send_header("Cache-Control", "no-store")
                size = 0 if file is None else os.fstat(file.fileno()).st_size
                self.send_header("Content-Length", str(size))
                if path and file:
                    self.send_header("Content-Type", TYPES[path.suffix])
                self.end_headers()
                if file:
                    shutil.copyfileobj(file, self.wfile)

        def _file(self) -> Path | None:
            """The file that the address names, where it is one of ours."""
            own = self.headers.get("Host", "").rpartition(":")[0] in (HOST, "localhost")
            signature, _, rest = self.path.partition("?")[0][1:].partition("/")
            location = b"/" + unquote_to_bytes(rest)
            expected = _signature(location, secret)
            if not own or not hmac.compare_digest(signature.encode(), expected.encode()):
                return None
            path = Path(os.fsdecode(location))
            return path if path.suffix in TYPES and path.is_file() else None

        def log_message(self, *_: Any) -> None:
            """Requests are no news."""

    return http.server.ThreadingHTTPServer((HOST, port), Handler)
