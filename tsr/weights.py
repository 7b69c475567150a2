"""Finds and reads a model's files, in a local folder or on the model hub."""

from __future__ import annotations

import pickle
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from tsr import hub
from tsr.errors import DownloadError, WeightsError
from tsr.memory import is_shortage


def locate(name: str, config_name: str, weight_name: str) -> tuple[Path, Path]:
    """Paths of a model's configuration and weights.

    Args:
        name: A local folder, or a hub id; only the latter may touch the network (``HF_HOME`` and
            ``HF_HUB_OFFLINE`` are honoured).
        config_name: File name of the configuration.
        weight_name: File name of the weights; in a local folder without it, its safetensors.

    Raises:
        WeightsError: A file is missing, cannot be fetched, or has the wrong digest.
    """
    folder = Path(name)
    if folder.is_dir():
        weights = folder / weight_name
        same = weights.with_suffix(".safetensors")
        paths = folder / config_name, weights if weights.is_file() or not same.is_file() else same
        for path in paths:
            if not path.is_file():
                raise WeightsError(f"{path}: no such file; the model's folder must hold it")
        return paths
    try:
        return hub.fetch(name, config_name), hub.fetch(name, weight_name)
    except DownloadError as exc:
        raise DownloadError(f"{name!r} is no local folder, and {exc}") from exc


def read(path: Path) -> dict[str, Tensor]:
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
