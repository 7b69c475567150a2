"""The device that networks run on, and its memory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tasks.core.errors import ResourceError


def pick_device(requested: str, default: str = "auto") -> str:
    """The device to compute on.

    Args:
        requested: ``auto``, ``cuda``, ``cuda:N``, ``mps`` or ``cpu``.
        default: The device of this installation (``Settings.device``), which counts where
            ``requested`` is ``auto``; ``auto`` is the first available one of CUDA, MPS and CPU.

    Raises:
        ResourceError: ``device-missing`` if the device is not available.
    """
    import torch

    device = default if requested == "auto" else requested
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
