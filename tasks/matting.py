"""The network that tells the foreground from the background: rembg's sessions.

The four sessions that this project names run here on rembg's weights with rembg's arithmetic,
frames in batches and without importing rembg, whose import compiles for most of a minute on a
fresh machine. Any other session that rembg knows is taken from rembg itself.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tasks.errors import ModelError


class _Preparation(NamedTuple):
    """What a session does to a picture: size, mean, standard deviation, sigmoid on the output."""

    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    sigmoid: bool = False


_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_KNOWN = {
    "u2netp": _Preparation(320, *_IMAGENET),
    "u2net": _Preparation(320, *_IMAGENET),
    "isnet-general-use": _Preparation(1024, (0.5, 0.5, 0.5), (1.0, 1.0, 1.0)),
    "birefnet-general": _Preparation(1024, *_IMAGENET, sigmoid=True),
}


_SMALL = 320
_MOST_WORKERS = 16


def _cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True)
class Matte:
    """The foreground of one frame.

    Args:
        alpha: ``(H, W)`` uint8.
        peak: The network's largest output before its range is stretched, 0..1.
    """

    alpha: NDArray[np.uint8]
    peak: float


class MatteSession(Protocol):
    """Something that mattes pictures."""

    def matte(self, pictures: Sequence[NDArray[np.uint8]]) -> list[Matte]:
        """Mattes of BGR pictures."""


class OnnxSession:
    """One of the known networks, run by onnxruntime on the CPU or a CUDA device."""

    def __init__(self, name: str, weights: Path) -> None:
        import onnxruntime

        self._how = _KNOWN[name]
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        offered = onnxruntime.get_available_providers()
        providers = [p for p in ("CUDAExecutionProvider", "CPUExecutionProvider") if p in offered]
        # Small networks scale better over frames than within one.
        self._workers = 1
        if "CUDAExecutionProvider" not in providers and self._how.size <= _SMALL:
            self._workers = min(_MOST_WORKERS, _cores())
            options.intra_op_num_threads = 1
        try:
            self._session = onnxruntime.InferenceSession(
                str(weights), sess_options=options, providers=providers
            )
        except Exception as exc:
            raise ModelError(
                "weights-unreadable",
                stage="remove backgrounds",
                what=f"{weights} cannot be loaded",
                advice=f"Run: tyre3d models fetch {name}",
            ) from exc
        self._input = self._session.get_inputs()[0].name

    def matte(self, pictures: Sequence[NDArray[np.uint8]]) -> list[Matte]:
        """Mattes of BGR pictures, each at its own size."""
        with ThreadPoolExecutor(self._workers) as pool:
            return list(pool.map(self._matte_one, pictures))

    def _matte_one(self, picture: NDArray[np.uint8]) -> Matte:
        output = self._session.run(None, {self._input: self._prepare(picture)[None]})[0]
        return self._finish(output[0, 0], picture.shape[:2])

    def _prepare(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        """``(3, S, S)``; Lanczos, and division by the picture's own maximum, as rembg does.

        Another filter moves the masks: with area averages their IoU to rembg's fell to 0.95.
        """
        size = (self._how.size, self._how.size)
        rgb_picture = Image.fromarray(np.ascontiguousarray(picture[..., ::-1]))
        small = np.asarray(rgb_picture.resize(size, Image.Resampling.LANCZOS))
        rgb = np.asarray(small, dtype=np.float32) / np.float32(max(small.max(), 1e-6))
        mean, std = (np.asarray(x, dtype=np.float32) for x in (self._how.mean, self._how.std))
        return np.ascontiguousarray(((rgb - mean) / std).transpose(2, 0, 1), dtype=np.float32)

    def _finish(self, raw: NDArray[np.float32], size: tuple[int, ...]) -> Matte:
        if self._how.sigmoid:
            raw = np.asarray(1.0 / (1.0 + np.exp(-raw)), dtype=np.float32)
        low, high = float(raw.min()), float(raw.max())
        stretched = (raw - low) / max(high - low, 1e-6) * 255.0
        alpha = cv2.resize(
            stretched.astype(np.uint8), (size[1], size[0]), interpolation=cv2.INTER_CUBIC
        )
        return Matte(np.asarray(alpha), high)


class RembgSession:
    """Any other session that rembg offers."""

    def __init__(self, name: str) -> None:
        import rembg

        try:
            self._session: Any = rembg.new_session(name)
        except ValueError as exc:
            raise ModelError(
                "unknown-session",
                stage="remove backgrounds",
                what=f"there is no background removal called {name!r}",
                advice=f"Choose one of {', '.join(_KNOWN)}",
            ) from exc

    def matte(self, pictures: Sequence[NDArray[np.uint8]]) -> list[Matte]:
        """Mattes of BGR pictures, each at its own size."""
        mattes = []
        for picture in pictures:
            masks = self._session.predict(Image.fromarray(picture[..., ::-1]))
            alpha = np.asarray(masks[0].convert("L"))
            mattes.append(Matte(alpha, 1.0))
        return mattes


def open_session(name: str, weights: Path | None) -> MatteSession:
    """The session of this name.

    Args:
        name: As rembg calls it.
        weights: Its ONNX file, for the sessions that the registry lists.
    """
    if weights is not None and name in _KNOWN:
        return OnnxSession(name, weights)
    return RembgSession(name)
