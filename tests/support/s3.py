"""An S3 server for tests, over real HTTP, and a way to have it fail."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from configs.settings import Settings

KEY = os.environ.get("TYRE3D_TEST_S3_KEY", "key")
SECRET = os.environ.get("TYRE3D_TEST_S3_SECRET", "very-secret")
REGION = os.environ.get("TYRE3D_TEST_S3_REGION", "eu-west-1")


def s3_settings(endpoint: str, **others: Any) -> Settings:
    """Settings that reach the server; quick to give up unless told otherwise."""
    return Settings.model_validate(
        {
            "s3_endpoint_url": endpoint,
            "s3_access_key": KEY,
            "s3_secret_key": SECRET,
            "s3_region": REGION,
            "s3_timeout_s": 10,
            "s3_attempts": 2,
            "s3_patience_s": 0,
            **others,
        }
    )


def filesystem(endpoint: str) -> Any:
    """s3fs on the server, for tests to look behind the curtain."""
    import s3fs

    return s3fs.S3FileSystem(
        key=KEY,
        secret=SECRET,
        endpoint_url=endpoint,
        client_kwargs={"region_name": REGION},
        use_listings_cache=False,
        skip_instance_cache=True,
    )


class S3Server:
    """moto's S3; it can go away and come back, and keeps its objects meanwhile."""

    def __init__(self) -> None:
        self.port = 0
        self.come_back()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def come_back(self) -> None:
        from moto.server import ThreadedMotoServer

        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=self.port, verbose=False)
        self._server.start()
        self.port = self._server.get_host_and_port()[1]

    def go_away(self) -> None:
        self._server.stop()


@contextlib.contextmanager
def s3_server(*buckets: str) -> Iterator[S3Server]:
    """A server with some buckets, and nothing else: moto keeps its objects in the process."""
    from moto.backends import get_backend

    server = S3Server()
    try:
        for bucket in buckets:
            filesystem(server.endpoint).makedirs(bucket, exist_ok=True)  # moto has one memory
        yield server
    finally:
        server.go_away()
        get_backend("s3").reset()


@contextlib.contextmanager
def s3_endpoint() -> Iterator[str]:
    """A server for contract tests: moto's, or the one that TYRE3D_TEST_S3_ENDPOINT names."""
    there = os.environ.get("TYRE3D_TEST_S3_ENDPOINT")
    if there:
        yield there
        return
    with s3_server() as server:
        yield server.endpoint


class FaultyProxy:
    """Passes requests on to an S3 server, but answers the first ones as ``script`` says.

    Args:
        port: Where the server behind it listens.
        script: For each request in turn: a status to answer, also with S3's code of the error,
            ``"reset"`` or ``"hang"``.
    """

    def __init__(self, port: int, script: list[int | str | tuple[int, str]]) -> None:
        self.script, self.asked = script, 0
        proxy, guard = self, threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                return

            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                with guard:
                    proxy.asked += 1
                    fault = proxy.script.pop(0) if proxy.script else None
                if fault is None:
                    self._pass_on(body)
                elif not isinstance(fault, str):
                    names = {403: "AccessDenied", 404: "NoSuchBucket", 503: "SlowDown"}
                    status = fault if isinstance(fault, int) else fault[0]
                    name = names.get(status, "InternalError") if fault == status else fault[1]
                    text = f"<Error><Code>{name}</Code><Message>told so</Message></Error>".encode()
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(text)))
                    self.end_headers()
                    self.wfile.write(text if self.command != "HEAD" else b"")
                else:
                    if fault == "hang":
                        time.sleep(2.5)
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)

            def _pass_on(self, body: bytes) -> None:
                there = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
                there.request(self.command, self.path, body, dict(self.headers))
                answer = there.getresponse()
                content = answer.read()
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                        self.send_header(name, value)
                length = answer.getheader("Content-Length") or "0"
                self.send_header(
                    "Content-Length", length if self.command == "HEAD" else str(len(content))
                )
                self.end_headers()
                self.wfile.write(content)
                there.close()

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _answer

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
