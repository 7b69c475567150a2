"""Videos that are sent to the service: below a root of inputs, there when they are complete."""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
from pathlib import Path, PurePosixPath
from uuid import uuid4

from fastapi import Request

from configs.locations import VIDEO_SUFFIXES, has_unprintable, inside, parent_and_name
from configs.settings import Settings
from deployments.api.errors import ApiError
from deployments.api.models import Uploaded
from deployments.api.settings import ApiSettings
from tasks.core.errors import Tyre3dError
from tasks.storage.open import open_storage

_FOLDER = "uploads"
_MAX_NAME_BYTES = 200


async def receive_upload(name: str, request: Request, settings: ApiSettings) -> Uploaded:
    """Write the body of a request as a video, under a name that no other upload has.

    It lies in a folder of its own below ``uploads`` of the first root, so that its result keeps
    its name and nothing is replaced; a part of it is never seen.

    Raises:
        ApiError: 413, 422, 502 or 507.
    """
    _check_name(name)
    root = settings.input_roots[0]
    target = inside(inside(inside(root, _FOLDER), uuid4().hex), name)
    too_large = ApiError(413, "body-too-large", f"At most {settings.max_upload_bytes} bytes")
    told = request.headers.get("content-length", "")
    if told.isdecimal() and int(told[:20]) > settings.max_upload_bytes:
        raise too_large
    digest, size = hashlib.sha256(), 0
    try:
        # on the disk on which it will lie, where that is a disk of this machine
        beside = root if isinstance(root, Path) else None
        with tempfile.NamedTemporaryFile(prefix=".upload-", dir=beside) as part:
            async for piece in request.stream():
                size += len(piece)
                if size > settings.max_upload_bytes:
                    raise too_large
                digest.update(piece)
                await asyncio.to_thread(part.write, piece)
            if size == 0:
                raise ApiError(422, "video-empty", "The body is empty; it should be the video")
            part.flush()
            await asyncio.to_thread(_store, Path(part.name), target)
    except OSError as exc:
        raise ApiError(507, "disk-full", f"The video cannot be written ({exc.strerror})") from exc
    except Tyre3dError as exc:
        raise ApiError(502, exc.code, f"{exc.what}. {exc.advice}") from exc
    return Uploaded(video=str(target), size=size, sha256=digest.hexdigest())


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
