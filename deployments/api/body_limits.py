"""What is looked at before a request's body is parsed: its size, and how deep it is nested."""

from __future__ import annotations

import json

from fastapi import Request

from deployments.api.errors import ApiError

MAX_DEPTH = 16
"""No request needs more than three levels; parsers and validators recurse."""


def check_encoding(request: Request) -> None:
    """Refuse a body that is compressed: what it becomes would be bounded by nothing.

    Raises:
        ApiError: 415.
    """
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise ApiError(415, "bad-encoding", "Send the body as it is, without Content-Encoding")


async def bounded_body(request: Request, max_bytes: int) -> bytes:
    """The body, whether or not its length was told.

    Raises:
        ApiError: 413 if it is larger; 415 if it is compressed; 400 if it is nested too deeply, or
            not in UTF-8.
    """
    check_encoding(request)
    length = request.headers.get("content-length", "")
    too_large = ApiError(413, "body-too-large", f"At most {max_bytes} bytes")
    if length.isdecimal() and int(length[:20]) > max_bytes:
        raise too_large
    content = b""
    async for piece in request.stream():
        content += piece
        if len(content) > max_bytes:
            raise too_large
    # the parser would take UTF-16 and UTF-32, too, in which brackets and quotes are other bytes
    if not json.detect_encoding(content).startswith("utf-8"):
        raise ApiError(400, "bad-request", "Send JSON in UTF-8")
    if depth_of(content) > MAX_DEPTH:
        raise ApiError(400, "body-too-deep", f"At most {MAX_DEPTH} levels of lists and objects")
    return content


def depth_of(content: bytes) -> int:
    """How deep lists and objects are nested in JSON; brackets in texts do not count."""
    depth = deepest = 0
    in_text = escaped = False
    for byte in content:
        if in_text:
            in_text = escaped or byte != 0x22
            escaped = byte == 0x5C and not escaped
        elif byte == 0x22:
            in_text = True
        elif byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"]}":
            depth -= 1
    return deepest
