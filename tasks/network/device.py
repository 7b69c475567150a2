"""The device that networks run on, and its memory."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from tasks.core.errors import ResourceError

_DRIVERS = ("/dev/nvidiactl", "/dev/nvmap", "/dev/dxg", "/dev/kfd")
"""What Linux has where torch can find a GPU: NVIDIA's driver, that of its boards, WSL's, AMD's."""


def pick_device(requested: str, default: str = "auto") -> str:
    """The device to compute on.

    Args:
        requested: ``auto``, ``cuda``, ``cuda:N``, ``mps`` or ``cpu``.
        default: The device of this installation (``Settings.device``), which counts where
            ``requested`` is ``auto``; ``auto`` is the first available one of CUDA, MPS and CPU.

    Raises:
        ResourceError: ``device-missing`` if the device is not available.
    """
    device = default if requested == "auto" else requested
    if device == "cpu" or (device == "auto" and not _may_have_gpu()):
        return "cpu"
    import torch  # a second that a run whose stages are all there has no other use for

    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    available["cpu"] = True
    if device == "auto":
        return next(name for name, usable in available.items() if usable)
    if not available.get(device.split(":")[0], False):
        raise ResourceError(
            "device-missing",
            stage="models",
            what=f"there is no device {device!r} here",
            advice="Use --device auto (or unset TRIPOSR_DEVICE)",
        )
    return device


def _may_have_gpu() -> bool:
    return sys.platform != "linux" or any(Path(name).exists() for name in _DRIVERS)


@contextlib.contextmanager
def enough_memory(stage: str, device: str) -> Iterator[None]:
    """Translate a lack of memory in the network, once, at this boundary.

    Raises:
        ResourceError: ``out-of-memory``.
    """
    from tsr.memory import is_shortage

    try:
        yield
    except Exception as exc:
        if not is_shortage(exc):
            raise
        raise ResourceError(
            "out-of-memory",
            stage=stage,
            what=f"the network does not fit into the memory of {device}",
            advice="Use --device cpu, a smaller --mc-resolution, or close other programs",
        ) from exc
