"""Which number format the forward pass runs in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch

Precision = Literal["auto", "float32", "bfloat16", "float16"]

WORTH_IT = 50_000_000
"""Parameters from which half precision pays; smaller networks stay in float32 under "auto"."""


def choose(precision: Precision, device: torch.device, parameters: int) -> torch.dtype:
    """The format to compute in.

    Args:
        precision: A format by name, or "auto": bfloat16 for networks of at least
            :data:`WORTH_IT` parameters where the device computes it natively, else float32.
        device: Where the network is.
        parameters: How many numbers it has.
    """
    if precision != "auto":
        return {
            "float32": torch.float32,
            "bfloat16": torch.bfloat16,
            "float16": torch.float16,
        }[precision]
    if parameters >= WORTH_IT and native_bfloat16(device):
        return torch.bfloat16
    return torch.float32


def native_bfloat16(device: torch.device) -> bool:
    """Whether a device multiplies bfloat16 natively."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        found = torch.cpu.get_capabilities()
        return any(found.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    return False


@contextmanager
def casts_kept(device: torch.device) -> Iterator[None]:
    """Weights that are cast on a CPU stay cast until the context ends.

    For a layer that is used several times in a row. To keep all casts of a call costs CPUs more in
    memory and pages than it saves; on GPUs the call keeps them anyway.
    """
    if device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
        yield
        return
    try:
        with torch.autocast("cpu", torch.get_autocast_dtype("cpu"), cache_enabled=True):
            yield
    finally:
        torch.clear_autocast_cache()
