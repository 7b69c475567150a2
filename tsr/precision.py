"""Which number format the forward pass runs in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch

Precision = Literal["auto", "float32", "bfloat16", "float16"]

LARGE_NETWORK = 50_000_000
"""Parameters from which half precision pays; smaller networks stay in float32 under "auto"."""


def choose_dtype(precision: Precision, device: torch.device, parameters: int) -> torch.dtype:
    """The format to compute in.

    Args:
        precision: A format by name, or "auto": bfloat16 for networks of at least
            :data:`LARGE_NETWORK` parameters where it is the faster one, else float32.
        device: The device that the network is on.
        parameters: The number of its parameters.
    """
    if precision != "auto":
        return {
            "float32": torch.float32,
            "bfloat16": torch.bfloat16,
            "float16": torch.float16,
        }[precision]
    if parameters >= LARGE_NETWORK and fast_bfloat16(device):
        return torch.bfloat16
    return torch.float32


def fast_bfloat16(device: torch.device) -> bool:
    """Whether a device multiplies matrices faster in bfloat16 than in float32.

    Intel's processors do so by their tiles (AMX) alone: where these are missing, or hidden from a
    virtual machine, ``avx512_bf16`` took 1.7 times as long as float32 (Xeon 6/207/2, one thread,
    PyTorch 2.13). AMD's have no tiles and are faster by ``avx512_bf16``.

    Args:
        device: The device; of a CPU what this process may use counts.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        found = torch.cpu.get_capabilities()
        of_intel = str(found.get("cpu_name", "")).startswith("Intel")
        names = ("amx_bf16", "bf16", *(() if of_intel else ("avx512_bf16",)))
        return any(found.get(name, False) for name in names)
    return False


@contextmanager
def cached_casts(device: torch.device) -> Iterator[None]:
    """Cache the weights that autocast casts on a CPU until the context ends.

    This serves a layer that is used several times in a row. Caching all casts of a call costs CPUs
    more in memory and pages than it saves; on GPUs the call caches them anyway.
    """
    if device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
        yield
        return
    try:
        with torch.autocast("cpu", torch.get_autocast_dtype("cpu"), cache_enabled=True):
            yield
    finally:
        torch.clear_autocast_cache()
