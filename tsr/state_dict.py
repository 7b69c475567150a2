"""Reads the weights of any network from a file."""

from __future__ import annotations

import pickle
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from tsr.errors import WeightsError
from tsr.memory import is_shortage


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read a state dict, memory-mapped, as float32.

    Args:
        path: ``.safetensors``, or a pickled state dict (read with ``weights_only``).

    Raises:
        WeightsError: There is no such file, or it is no state dict.
        OSError: The machine refuses: access denied, too many open files, a failing disk.
    """
    try:
        path.open("rb").close()  # safetensors says of any file that it cannot open: no such file
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (FileNotFoundError, IsADirectoryError) as exc:
        raise WeightsError(f"{path}: no readable weights: {exc.strerror}") from exc
    except (EOFError, RuntimeError, SafetensorError, pickle.UnpicklingError) as exc:
        if is_shortage(exc):
            raise
        raise WeightsError(f"{path}: no readable weights: {exc}") from exc
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise WeightsError(f"{path}: expected a plain state dict, names to tensors")
    return {k: v.float() for k, v in state.items()}
