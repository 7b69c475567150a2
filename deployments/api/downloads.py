"""A file of a job over HTTP: whole or in part, or not at all where the client has it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from fastapi import Response

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
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def file_response(
    name: str, content: bytes, digest: str, conditions: Mapping[str, str]
) -> Response:
    """The answer to a request for a file.

    Args:
        name: Its name, whose suffix is one of ``TYPES``, or else tells nothing.
        content: The file.
        digest: Its sha256, which is its ETag.
        conditions: The request's headers ``If-Match``, ``If-None-Match``, ``Range``, ``If-Range``.

    Raises:
        ApiError: 412 if it is not what ``If-Match`` names, 416 if ``Range`` lies outside.
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
        return Response(content, media_type=kind, headers=headers)
    part = part_of(conditions["range"], len(content))
    if part is None:  # other units, or several parts: the whole is always right
        return Response(content, media_type=kind, headers=headers)
    first, last = part
    if first > last:
        outside = headers | {"Content-Range": f"bytes */{len(content)}"}
        message = f"Range lies outside: the file has {len(content)} bytes"
        raise ApiError(416, "range-outside", message, headers=outside)
    headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
    return Response(content[first : last + 1], 206, headers, kind)


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
