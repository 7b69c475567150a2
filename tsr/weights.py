"""Finds and reads a model's files: a local folder, or the published model at a pinned revision."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import torch
from torch import Tensor

from tsr.errors import WeightsError

TRIPOSR = "stabilityai/TripoSR"
TRIPOSR_REVISION = "c1cf7716aed5aa6c1c5e174657791ef0e1327bde"
TRIPOSR_SHA256 = {
    "model.ckpt": "429e2c6b22a0923967459de24d67f05962b235f79cde6b032aa7ed2ffcd970ee",
}


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
    return _download(name, config_name), _download(name, weight_name)


def _download(name: str, filename: str) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    pinned = name == TRIPOSR
    try:
        path = Path(hf_hub_download(name, filename, revision=TRIPOSR_REVISION if pinned else None))
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as exc:
        raise WeightsError(
            f"{name!r} is no local folder and {filename} could not be had from the model hub: {exc}"
        ) from exc
    if pinned and filename in TRIPOSR_SHA256:
        check_digest(path, TRIPOSR_SHA256[filename])
    return path


def check_digest(path: Path, sha256: str) -> None:
    """Raise unless the file has that digest.

    Raises:
        WeightsError: It has another.
    """
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != sha256:
        raise WeightsError(
            f"{path}: sha256 is {digest}, expected {sha256}; delete the file and fetch it again"
        )


def read(path: Path) -> dict[str, Tensor]:
    """Read a state dict, memory-mapped, as float32.

    Args:
        path: ``.safetensors``, or a pickled state dict (read with ``weights_only``).

    Raises:
        WeightsError: The file is no such thing.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors import SafetensorError
            from safetensors.torch import load_file

            try:
                state = load_file(path)
            except SafetensorError as exc:
                raise WeightsError(f"{path}: no readable safetensors file: {exc}") from exc
        else:
            state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (OSError, RuntimeError, pickle.UnpicklingError, EOFError) as exc:
        raise WeightsError(f"{path}: no readable weights: {exc}") from exc
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise WeightsError(f"{path}: expected a plain state dict, names to tensors")
    return {k: v.float() for k, v in state.items()}
