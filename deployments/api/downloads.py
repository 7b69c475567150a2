"""A file of a job over HTTP: whole or in part, or not at all where the client has it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from fastapi import Response
from starlette.types import Receive, Scope, Send

from deployments.api.errors import ApiError

TYPES = {
    ".glb": "model/gltf-binary",
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
}
_PROTECTED = {
    "Content-Security-Policy": "sandbox allow-scripts allow-downloads",
    "Cache-Control": "private, no-cache",
}
"""A report is a page with scripts: none of it may act as a page of the service's origin."""
CONDITIONS = ("Range", "If-Range", "If-Match", "If-None-Match")
"""Headers that are heeded."""
_SENT_AT_ONCE = 500_000_000
_PIECE = 2**18
_AGAIN_S = 10
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class Sending:
    """Bounds what lies in memory because clients have not taken it yet.

    Args:
        most: Bytes of all files that are being sent.
    """

    def __init__(self, most: int = _SENT_AT_ONCE) -> None:
        self._most = most
        self.now = 0

    def check(self, size: int) -> None:
        """Make sure that there is room for another file.

        Args:
            size: Its bytes.

        Raises:
            ApiError: 429.
        """
        if self.now and self.now + size > self._most:
            message = "Too many files are being sent: ask again later"
            raise ApiError(429, "busy", message, retry_after_s=_AGAIN_S)

    @contextlib.contextmanager
    def counted(self, size: int) -> Iterator[None]:
        """Count a file of so many bytes for as long as this lasts."""
        self.now += size
        try:
            yield
        finally:
            self.now -= size


class InPieces(Response):
    """An answer that is sent as fast as it is taken.

    Args:
        sending: What else is being sent.
        content: The body.
        others: More of :class:`fastapi.Response`.

    Raises:
        ApiError: 429 if others take too much.
    """

    def __init__(self, sending: Sending, content: bytes, **others: Any) -> None:
        sending.check(len(content))
        super().__init__(content, **others)
        self._sending = sending

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        start = {"status": self.status_code, "headers": self.raw_headers}
        with self._sending.counted(len(self.body)):
            await send({"type": "http.response.start", **start})
            for at in range(0, len(self.body), _PIECE):
                piece = self.body[at : at + _PIECE]
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})


def file_response(
    name: str, content: bytes, digest: str, conditions: Mapping[str, str], sending: Sending
) -> Response:
    """The answer to a request for a file.

    Args:
        name: Its name, whose suffix is one of ``TYPES``, or else tells nothing.
        content: The file.
        digest: Its sha256, which is its ETag.
        conditions: The request's headers ``If-Match``, ``If-None-Match``, ``Range``, ``If-Range``.
        sending: What else is being sent.

    Raises:
        ApiError: 412 if it is not what ``If-Match`` names, 416 if ``Range`` lies outside, 429 if
            others take too much.
    """
    tag = f'"{digest}"'
    headers = {"ETag": tag, "Accept-Ranges": "bytes", **_PROTECTED}
    kind = TYPES.get(PurePosixPath(name).suffix, "application/octet-stream")
    expected = _tags(conditions.get("if-match", "*"))  # strong ones alone: RFC 9110, section 13.1.1
    if tag not in expected and "*" not in expected:
        message = "The file is not, or is no longer, what If-Match names"
        raise ApiError(412, "not-what-is-there", message, headers=headers)
    known = [each.removeprefix("W/") for each in _tags(conditions.get("if-none-match", ""))]
    if tag in known or "*" in known:
        return Response(status_code=304, headers=headers)
    if "range" not in conditions or conditions.get("if-range", tag) != tag:
        return InPieces(sending, content, media_type=kind, headers=headers)
    part = part_of(conditions["range"], len(content))
    if part is None:  # other units, or several parts: the whole is always right
        return InPieces(sending, content, media_type=kind, headers=headers)
    first, last = part
    if first > last:
        outside = headers | {"Content-Range": f"bytes */{len(content)}"}
        message = f"Range lies outside: the file has {len(content)} bytes"
        raise ApiError(416, "range-outside", message, headers=outside)
    headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
    part_there = content[first : last + 1]
    return InPieces(sending, part_there, status_code=206, headers=headers, media_type=kind)


def _tags(header: str) -> list[str]:
    """What commas separate."""
    return [part.strip() for part in header.split(",")]


def part_of(header: str, size: int) -> tuple[int, int] | None:
    """First and last byte that a ``Range`` names; first after last where it lies outside.

    Args:
        header: The header's value.
        size: Bytes in all.

    Returns:
        None where it names no single part in bytes.

    Source: RFC 9110, section 14.
    """
    found = _RANGE.fullmatch(header.strip())
    if found is None or found[1] == found[2] == "":
        return None
    if found[1] == "":
        return (max(size - int(found[2]), 0), size - 1) if int(found[2]) else (size, size - 1)
    first = int(found[1])
    if found[2] != "" and int(found[2]) < first:
        return None
    last = min(int(found[2]), size - 1) if found[2] != "" else size - 1
    return (first, last) if first < size else (size, size - 1)
