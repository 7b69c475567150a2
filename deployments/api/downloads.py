"""A GLB over HTTP: whole or in part, or not at all where the client has it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from fastapi import Response

GLB_TYPE = "model/gltf-binary"
CONDITIONS = ("Range", "If-Range", "If-None-Match")
"""Headers that are heeded."""
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def glb_response(content: bytes, digest: str, asked: Mapping[str, str]) -> Response:
    """The answer to a request for a GLB.

    Args:
        content: The GLB.
        digest: Its sha256, which is its ETag.
        asked: Headers of the request: ``If-None-Match``, ``Range``, ``If-Range``.
    """
    tag = f'"{digest}"'
    headers = {"ETag": tag, "Accept-Ranges": "bytes", "Cache-Control": "private, no-cache"}
    known = [part.strip().removeprefix("W/") for part in asked.get("if-none-match", "").split(",")]
    if tag in known or "*" in known:
        return Response(status_code=304, headers=headers)
    if "range" not in asked or asked.get("if-range", tag) != tag:
        return Response(content, media_type=GLB_TYPE, headers=headers)
    part = part_of(asked["range"], len(content))
    if part is None:  # other units, or several parts: the whole is always right
        return Response(content, media_type=GLB_TYPE, headers=headers)
    first, last = part
    if first > last:
        outside = headers | {"Content-Range": f"bytes */{len(content)}"}
        return Response(status_code=416, headers=outside)
    headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
    return Response(content[first : last + 1], 206, headers, GLB_TYPE)


def part_of(told: str, size: int) -> tuple[int, int] | None:
    """First and last byte that a ``Range`` names; first after last where it lies outside.

    Args:
        told: The header's value.
        size: Bytes in all.

    Returns:
        None where it names no single part in bytes.

    Source: RFC 9110, section 14.
    """
    found = _RANGE.fullmatch(told.strip())
    if found is None or found[1] == found[2] == "":
        return None
    if found[1] == "":
        return (max(size - int(found[2]), 0), size - 1) if int(found[2]) else (size, size - 1)
    first = int(found[1])
    if found[2] != "" and int(found[2]) < first:
        return None
    last = min(int(found[2]), size - 1) if found[2] != "" else size - 1
    return (first, last) if first < size else (size, size - 1)
