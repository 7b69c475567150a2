"""The network that tells the foreground from the background: the tyre segmenter, rembg's sessions.

The sessions of rembg that this project names, and IS-Net in half precision, run here with rembg's
arithmetic, frames side by side and without importing rembg, whose import compiles for most of a
minute on a fresh machine; U²-Net in bfloat16 where that is faster. Any other session that
rembg knows is taken from rembg itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from configs.presets import SEGMENTER
from configs.stages import Precision, StageName
from tasks.core.errors import ModelError
from tasks.core.repeatable import compute_repeatably
from tasks.matting.matte import Matte, MatteSession
from tsr.errors import WeightsError


class _Preparation(NamedTuple):
    """What a session does to an image: size, mean, standard deviation, sigmoid on the output."""

    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    sigmoid: bool = False


_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
PREPARATIONS = {
    "u2netp": _Preparation(320, *_IMAGENET),
    "u2net": _Preparation(320, *_IMAGENET),
    "isnet-general-use": _Preparation(1024, (0.5, 0.5, 0.5), (1.0, 1.0, 1.0)),
    "isnet-fp16": _Preparation(1024, (0.5, 0.5, 0.5), (1.0, 1.0, 1.0)),
    "birefnet-general": _Preparation(1024, *_IMAGENET, sigmoid=True),
}
_U2NETS = ("u2netp", "u2net")


_CUDA = "CUDAExecutionProvider"
_SMALL = 320
_MAX_WORKERS = 16
_PREFETCH = 2
"""Frames prepared while the network runs."""


def _cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class KnownSession:
    """One of the known networks: prepares images and finishes mattes as rembg does."""

    def __init__(self, name: str, run: Callable[[NDArray[np.float32]], Any], workers: int) -> None:
        """``run`` takes ``(1, 3, S, S)`` to ``(1, 1, S, S)``; ``workers`` frames at once."""
        self._preparation = PREPARATIONS[name]
        self._run = run
        self._workers = workers

    def matte(self, images: Sequence[NDArray[np.uint8]]) -> list[Matte]:
        """Mattes of BGR images, each at its own size."""
        threads = max(self._workers, _PREFETCH)
        with ThreadPoolExecutor(threads, initializer=compute_repeatably) as pool:
            if self._workers > 1:
                return list(
                    pool.map(lambda p: self._finish(self._run(self._prepare(p)), p), images)
                )
            prepared = pool.map(self._prepare, images)
            return [self._finish(self._run(x), p) for x, p in zip(prepared, images, strict=True)]

    def _prepare(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """``(1, 3, S, S)``; Lanczos, and division by the image's own maximum, as rembg does.

        Another filter moves the masks: with area averages their IoU to rembg's fell to 0.95.
        """
        size = (self._preparation.size, self._preparation.size)
        rgb_image = Image.fromarray(np.ascontiguousarray(image[..., ::-1]))
        small = np.asarray(rgb_image.resize(size, Image.Resampling.LANCZOS))
        rgb = np.asarray(small, dtype=np.float32) / np.float32(max(small.max(), 1e-6))
        mean, std = (
            np.asarray(x, dtype=np.float32) for x in (self._preparation.mean, self._preparation.std)
        )
        chw = ((rgb - mean) / std).transpose(2, 0, 1)
        return np.ascontiguousarray(chw[None], dtype=np.float32)

    def _finish(self, output: NDArray[np.float32], image: NDArray[np.uint8]) -> Matte:
        raw = output[0, 0]
        if self._preparation.sigmoid:
            raw = np.asarray(1.0 / (1.0 + np.exp(-raw)), dtype=np.float32)
        low, high = float(raw.min()), float(raw.max())
        stretched = (raw - low) / max(high - low, 1e-6) * 255.0
        height, width = image.shape[:2]
        alpha = cv2.resize(
            stretched.astype(np.uint8), (width, height), interpolation=cv2.INTER_CUBIC
        )
        return Matte(np.asarray(alpha), high)


def _onnx_session(name: str, weights: Path) -> KnownSession:
    """A network run by onnxruntime on the CPU or a CUDA device.

    Raises:
        ModelError: ``weights-unreadable``.
    """
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as raised

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    offered = onnxruntime.get_available_providers()
    providers = [p for p in (_CUDA, "CPUExecutionProvider") if p in offered]
    # Small networks scale better over frames than within one.
    workers = 1
    if _CUDA not in providers and PREPARATIONS[name].size <= _SMALL:
        workers = min(_MAX_WORKERS, _cores())
        options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(
            str(weights), sess_options=options, providers=providers
        )
    except (
        raised.Fail,
        raised.InvalidArgument,
        raised.InvalidGraph,
        raised.InvalidProtobuf,
        raised.NoModel,
    ) as exc:
        raise _unreadable(name, weights, exc) from exc
    input_name = session.get_inputs()[0].name
    return KnownSession(name, lambda x: session.run(None, {input_name: x})[0], workers)


def _torch_session(name: str, weights: Path) -> KnownSession:
    """U²-Net run by PyTorch in bfloat16 on the CPU, one frame after the other on all cores.

    Raises:
        ModelError: ``weights-unreadable``.
    """
    import torch

    from tasks.matting.u2net import U2Net

    try:
        network = U2Net(weights, torch.bfloat16)
    except ValueError as exc:
        raise _unreadable(name, weights, exc) from exc
    return KnownSession(name, lambda x: network(torch.from_numpy(x))[:, None].numpy(), 1)


def _segmenter(weights: Path, precision: Precision) -> MatteSession:
    """The tyre segmenter, run by PyTorch."""
    from tasks.matting.segmenter import TyreSegmenter

    try:
        return TyreSegmenter(weights, precision)
    except WeightsError as exc:
        raise _unreadable(SEGMENTER, weights, exc) from exc


def _in_bfloat16(name: str, precision: Precision) -> bool:
    """Whether a network is run in bfloat16: only where that is faster than what there is."""
    import onnxruntime

    if name not in _U2NETS or precision == "fp32":
        return False
    if precision == "bf16":
        return True
    import torch

    from tsr.precision import fast_bfloat16

    faster = fast_bfloat16(torch.device("cpu")) and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return faster and _CUDA not in onnxruntime.get_available_providers()


class RembgSession:
    """Any other session that rembg offers."""

    def __init__(self, name: str) -> None:
        import rembg
        from rembg.sessions import sessions_names

        if name not in sessions_names:
            raise ModelError(
                "unknown-session",
                stage=StageName.REMOVE_BACKGROUNDS,
                what=f"there is no background removal called {name!r}",
                advice=f"Choose one of {', '.join((SEGMENTER, *PREPARATIONS))}",
            )
        try:
            self._session: Any = rembg.new_session(name)
        except ValueError as exc:
            raise ModelError(
                "weights-unreadable",
                stage=StageName.REMOVE_BACKGROUNDS,
                what=f"rembg cannot open {name} ({exc})",
                advice="Delete what it fetched of it, in ~/.u2net or U2NET_HOME, and run again",
            ) from exc

    def matte(self, images: Sequence[NDArray[np.uint8]]) -> list[Matte]:
        """Mattes of BGR images, each at its own size."""
        mattes = []
        for image in images:
            masks = self._session.predict(Image.fromarray(image[..., ::-1]))
            alpha = np.asarray(masks[0].convert("L"))
            mattes.append(Matte(alpha, 1.0))
        return mattes


def open_session(name: str, weights: Path | None, precision: Precision = "auto") -> MatteSession:
    """The session of this name.

    Args:
        name: ``tyre-segmenter``, or as rembg calls it.
        weights: Its file, for the sessions that the registry lists.
        precision: ``fp32``, ``bf16`` (segmenter and U²-Net only), or ``auto``: what this machine
            does best.

    Raises:
        ModelError: ``weights-unreadable`` where its file is missing or holds something else,
            ``unknown-session`` where there is none of this name.
        OSError: The machine refuses to read the file.
    """
    if weights is None or name not in (SEGMENTER, *PREPARATIONS):
        return RembgSession(name)
    try:
        weights.open("rb").close()  # onnxruntime says of any file that it cannot open: none
    except (FileNotFoundError, IsADirectoryError) as exc:
        raise _unreadable(name, weights, exc) from exc
    if name == SEGMENTER:
        return _segmenter(weights, precision)
    return (_torch_session if _in_bfloat16(name, precision) else _onnx_session)(name, weights)


def _unreadable(name: str, weights: Path, cause: Exception) -> ModelError:
    return ModelError(
        "weights-unreadable",
        stage=StageName.REMOVE_BACKGROUNDS,
        what=f"{weights} cannot be loaded ({cause})",
        advice=f"Run: tyre3d models fetch {name}",
    )
