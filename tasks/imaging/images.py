"""Write pictures, and read those that an earlier stage wrote."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.core.errors import StorageError


def _decoded(path: Path, flags: int) -> NDArray[np.uint8]:
    picture = cv2.imread(str(path), flags)
    if picture is None:
        raise StorageError(
            "artifact-damaged",
            stage="storage",
            what=f"{path} cannot be decoded",
            advice="Run again; it is then made again",
        )
    return np.asarray(picture, dtype=np.uint8)


def read_colour(path: Path) -> NDArray[np.uint8]:
    """``(H, W, 3)`` BGR."""
    return _decoded(path, cv2.IMREAD_COLOR)


def read_alpha(path: Path) -> NDArray[np.uint8]:
    """``(H, W)``: an alpha that was written as a grey picture."""
    return _decoded(path, cv2.IMREAD_GRAYSCALE)


def read_own_alpha(path: Path) -> NDArray[np.uint8]:
    """``(H, W)``: the fourth channel of a picture that has one."""
    return np.ascontiguousarray(_decoded(path, cv2.IMREAD_UNCHANGED)[..., 3])


def write_picture(path: Path, picture: NDArray[Any], options: Sequence[int] = ()) -> None:
    """Write a picture as its suffix says; unlike ``cv2.imwrite``, a full disk is an ``OSError``.

    Args:
        path: Where to.
        picture: ``(H, W)``, ``(H, W, 3)`` BGR or ``(H, W, 4)`` BGRA, uint8.
        options: OpenCV's, in pairs, such as the quality of a JPEG.
    """
    good, content = cv2.imencode(path.suffix, picture, list(options))
    if not good:
        raise ValueError(f"cannot encode {path.name}")
    path.write_bytes(content.tobytes())
