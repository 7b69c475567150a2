"""Videos that are sent to the service: below a root of inputs, there when they are complete."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path, PurePosixPath
from typing import IO
from uuid import uuid4

from fastapi import Request
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from configs.locations import VIDEO_SUFFIXES, has_unprintable, inside, parent_and_name
from configs.settings import Settings
from deployments.api.body_limits import check_encoding
from deployments.api.errors import ApiError
from deployments.api.models import UploadAddress, Uploaded, UploadWanted
from deployments.api.paths import check_root
from deployments.api.settings import ApiSettings
from tasks.core.errors import Tyre3dError
from tasks.storage.base import as_storage_error
from tasks.storage.open import open_storage

_FOLDER = "uploads"
_PART = ".upload-"
_MAX_NAME_BYTES = 200
_MOST_PARTS = 16
_SIGNED_FOR_S = 3600
_FORM = {
    "type": "object",
    "properties": {"file": {"type": "string", "format": "binary"}},
    "required": ["file"],
}
FORM_BODY = {"requestBody": {"content": {"multipart/form-data": {"schema": _FORM}}}}
VIDEO_BODY = {
    "requestBody": {
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    }
}
"""What the routes say of their bodies, which they read by themselves."""


async def receive_form(request: Request, settings: ApiSettings) -> Uploaded:
    """Write the one file of a form (``multipart/form-data``) as :func:`receive_upload` does.

    It goes to its place as it arrives: nothing of it waits in memory or in another folder.

    Raises:
        ApiError: 400 where the body is no form, 415 where it is compressed, 422 where it has no
            file or several; besides those of :func:`receive_upload`.
    """
    check_encoding(request)
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get("boundary", "")
    if kind != "multipart/form-data" or not boundary.isascii() or not 0 < len(boundary) <= 70:
        raise ApiError(400, "bad-request", "The body should be a form: multipart/form-data")
    events = _events(request, boundary, settings)
    async for event in events:
        if isinstance(event, MultipartSegment) and event.filename is not None:
            return await receive_upload(event.filename, _content(events), settings)
    raise ApiError(422, "invalid", "The form has no file: send the video as one")


async def _events(
    request: Request, boundary: str, settings: ApiSettings
) -> AsyncIterator[MultipartSegment | bytes | None]:
    """What a form consists of: the head of each part, its content in pieces, None at its end."""
    too_large = _too_large(settings)
    size, most = 0, settings.max_upload_bytes + settings.max_body_bytes
    _check_length(request, most, too_large)
    try:
        with PushMultipartParser(boundary, max_segment_count=_MOST_PARTS) as parser:
            async for piece in request.stream():
                size += len(piece)
                if size > most:
                    raise too_large
                if not piece:
                    continue
                for event in parser.parse(piece):
                    yield event
    except (MultipartError, UnicodeError) as exc:
        raise ApiError(400, "bad-request", f"The form is not complete: {exc}") from exc


async def _content(
    events: AsyncIterator[MultipartSegment | bytes | None],
) -> AsyncIterator[bytes]:
    """The content of a part; what follows it holds no other file."""
    ended = False
    async for event in events:
        if isinstance(event, MultipartSegment):
            if event.filename is not None:
                raise ApiError(422, "invalid", "The form has several files: send one at a time")
        elif event is None:
            ended = True
        elif not ended:
            yield bytes(event)


def _too_large(settings: ApiSettings) -> ApiError:
    return ApiError(413, "body-too-large", f"At most {settings.max_upload_bytes} bytes")


def _check_length(request: Request, most: int, too_large: ApiError) -> None:
    """Refuse what says that it is too large before any of it is read."""
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) > most:
        raise too_large


async def receive_body(name: str, request: Request, settings: ApiSettings) -> Uploaded:
    """Write the body of a request as :func:`receive_upload` does."""
    _check_name(name)
    if "content-range" in request.headers:  # it would stand there as if it were the whole
        raise ApiError(400, "bad-request", "Send the whole video: Content-Range is not heeded")
    check_encoding(request)
    _check_length(request, settings.max_upload_bytes, _too_large(settings))
    return await receive_upload(name, request.stream(), settings)


async def receive_upload(
    name: str, content: AsyncIterator[bytes], settings: ApiSettings
) -> Uploaded:
    """Write a video under a name that no other upload has.

    It lies in a folder of its own below ``uploads`` of the first root, so that its result keeps
    its name and nothing is replaced; a part of it is never seen.

    Raises:
        ApiError: 413, 422, 502, 503 or 507.
    """
    target, root = _location_of(name, settings), settings.input_roots[0]
    if isinstance(root, Path):
        check_root(root)
    digest, size = hashlib.sha256(), 0
    try:
        with tempfile.NamedTemporaryFile(prefix=_PART, dir=_beside(root)) as part:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
            async for piece in content:
                size += len(piece)
                if size > settings.max_upload_bytes:
                    raise _too_large(settings)
                digest.update(piece)
                await asyncio.to_thread(_write, part, piece, settings)
            if size == 0:
                raise ApiError(422, "video-empty", "There is no content; it should be the video")
            part.flush()
            await asyncio.to_thread(_store, Path(part.name), target)
    except OSError as exc:
        raise _failed(as_storage_error(str(root), exc)) from exc
    except Tyre3dError as exc:
        raise _failed(exc) from exc
    return Uploaded(video=str(target), size=size, sha256=digest.hexdigest())


def _write(part: IO[bytes], piece: bytes, settings: ApiSettings) -> None:
    """Write a piece, unless too little room is left for whoever else writes to that disk.

    Raises:
        OSError: ``ENOSPC`` among others.
    """
    root = settings.input_roots[0]
    if isinstance(root, Path):
        free = shutil.disk_usage(root).free - len(piece)
        if free < settings.upload_reserve_bytes:
            raise OSError(errno.ENOSPC, "the rest of the disk is kept for others")
    part.write(piece)


def _failed(error: Tyre3dError) -> ApiError:
    """What storage that takes no video is to whoever sends it."""
    status = 507 if error.code == "disk-full" else 502
    return ApiError(status, error.code, f"{error.what}. {error.advice}")


def sweep_parts(settings: ApiSettings) -> int:
    """Remove parts of videos that killed processes of the service left; returns how many.

    Whoever receives a video has its part locked. Where the file system has no locks nothing goes.
    """
    root, removed = settings.input_roots[0], 0
    for path in _beside(root).glob(f"{_PART}*"):
        with contextlib.suppress(OSError), path.open("rb") as part:
            fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
            removed += 1
    with contextlib.suppress(Tyre3dError):
        if isinstance(root, Path):
            removed += open_storage(root / _FOLDER, Settings()).remove_parts()
    return removed


def _beside(root: Path | str) -> Path:
    """Where a video is received: on the disk on which it will lie, where that is one of ours."""
    return root if isinstance(root, Path) else Path(tempfile.gettempdir())


async def signed(upload: UploadWanted, settings: ApiSettings) -> UploadAddress:
    """An address of S3 that takes one video, of one size, for an hour.

    Raises:
        ApiError: 409 where the first root is no bucket, 413, 422, or 502.
    """
    target = _location_of(upload.name, settings)
    if upload.size > settings.max_upload_bytes:
        raise _too_large(settings)
    if isinstance(target, Path):
        message = "Inputs lie in no bucket: send the video to /uploads"
        raise ApiError(409, "no-bucket", message)
    folder, name = parent_and_name(target)
    storage = Settings()
    if settings.upload_endpoint_url is not None:
        overrides = {"s3_endpoint_url": settings.upload_endpoint_url}
        storage = storage.model_copy(update=overrides)

    def address() -> str | None:
        return open_storage(folder, storage).upload_address(name, upload.size, _SIGNED_FOR_S)

    try:
        url = await asyncio.to_thread(address)
    except Tyre3dError as exc:
        raise ApiError(502, exc.code, f"{exc.what}. {exc.advice}") from exc
    return UploadAddress(url=str(url), expires_s=_SIGNED_FOR_S, video=target)


def _location_of(name: str, settings: ApiSettings) -> Path | str:
    """Where a video goes: a folder of its own, so that its result keeps its name."""
    _check_name(name)
    return inside(inside(inside(settings.input_roots[0], _FOLDER), uuid4().hex), name)


def _check_name(name: str) -> None:
    suffix = PurePosixPath(name).suffix.lower()
    if (
        has_unprintable(name)
        or name.startswith(".")
        or any(separator in name for separator in "/\\")
        or len(os.fsencode(name)) > _MAX_NAME_BYTES
        or suffix not in VIDEO_SUFFIXES
    ):
        known = ", ".join(VIDEO_SUFFIXES)
        raise ApiError(422, "path-refused", f"Give a plain name that ends in one of {known}")


def _store(part: Path, target: Path | str) -> None:
    folder, name = parent_and_name(target)
    part.chmod(0o644)  # workers may run as another user
    open_storage(folder, Settings()).put(name, part)
