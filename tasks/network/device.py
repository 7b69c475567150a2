"""The device that networks run on, and its memory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tasks.core.errors import ResourceError


def pick_device(asked: str, override: str | None = None) -> str:
    """The device to compute on.

    Args:
        asked: ``auto``, ``cuda``, ``mps`` or ``cpu``.
        override: Of ``TRIPOSR_DEVICE``; counts where ``asked`` is ``auto``.

    Raises:
        ResourceError: If a device was asked for that is not there.
    """
    import torch

    wanted = override if asked == "auto" and override else asked
    there = {"cpu": True, "cuda": torch.cuda.is_available()}
    there["mps"] = torch.backends.mps.is_available()
    if wanted == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if there[name])
    if not there.get(wanted.split(":")[0], False):
        raise ResourceError(
            "device-missing",
            stage="models",
            what=f"there is no device {wanted!r} here",
            advice="Use --device auto (or unset TRIPOSR_DEVICE)",
        )
    return wanted


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
