"""Finds a model's files, in a local folder or on the model hub."""

from __future__ import annotations

from pathlib import Path

from tsr import hub
from tsr.errors import DownloadError, WeightsError


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
