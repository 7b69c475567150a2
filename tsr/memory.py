"""Running out of a device's memory: half the chunk, once, then a clear error.

PyTorch raises an exception of its own for a full CUDA device, but for a full main memory a plain
RuntimeError that only its text identifies.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

import torch

from tsr.errors import OutOfMemoryError

logger = logging.getLogger(__name__)
Result = TypeVar("Result")

_SHORTAGES = ("can't allocate memory", "cannot allocate memory")
"""What PyTorch says of a full main memory, of its own and by the system, in lower case."""


def is_shortage(error: BaseException) -> bool:
    """Whether an exception means a lack of memory."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError | OutOfMemoryError):
        return True
    said = str(error).lower()
    return isinstance(error, RuntimeError) and any(words in said for words in _SHORTAGES)


def halve_once(work: Callable[[int], Result], size: int, what: str) -> Result:
    """``work(size)``; if the device runs out of memory, ``work(size // 2)``.

    Args:
        work: Does the whole job in chunks of at most the given size.
        size: The size to try first, at least 1.
        what: The name of what is counted, for the messages ("points", "images").

    Raises:
        OutOfMemoryError: Half the size does not fit either.
    """
    try:
        return work(size)
    except (MemoryError, RuntimeError) as exc:
        if not is_shortage(exc):
            raise
        half = max(size // 2, 1)
        logger.warning("out of memory with %d %s at once; trying %d", size, what, half)
    torch.cuda.empty_cache()
    try:
        return work(half)
    except (MemoryError, RuntimeError) as exc:
        if not is_shortage(exc):
            raise
        raise OutOfMemoryError(
            f"the device ran out of memory with {size} and with {half} {what} at once; free "
            "memory on it, choose a smaller chunk or resolution, or use the CPU"
        ) from exc
