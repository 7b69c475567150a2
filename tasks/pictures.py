"""Read pictures that an earlier stage wrote."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.errors import StorageError


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
