"""Load the reconstruction network."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.core.errors import ModelError
from tsr.hub import CONFIG_NAME

if TYPE_CHECKING:
    from tsr.system import TSR


@functools.lru_cache(maxsize=2)
def load_model(folder: Path, weight_name: str, digest: str, device: str) -> TSR:
    """A model, loaded once per process for each digest and device.

    Args:
        folder: Holds configuration and weights.
        weight_name: File of the weights.
        digest: The model's digest, so that changed weights are loaded again.
        device: The device to put the model on.

    Raises:
        ModelError: ``model-unreadable`` if the files do not make a model.
    """
    from tsr.errors import TSRError
    from tsr.system import TSR

    try:
        model = TSR.from_pretrained(str(folder), config_name=CONFIG_NAME, weight_name=weight_name)
    except TSRError as exc:
        raise ModelError(
            "model-unreadable",
            stage="models",
            what=f"{folder} cannot be loaded: {exc}",
            advice="Fetch or write the model again",
        ) from exc
    return model.to(device)
