"""The network by a deployment: what its machine decides itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from configs.stages import InferConfig
from flows.infer import infer
from tasks.core.errors import ResourceError
from tasks.network.weights import choose_model
from tasks.stages.infer_codes import INFER
from tasks.storage.artifacts import ArtifactRef


def test_the_machine_of_the_network_decides_on_its_device(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TYRE3D_HOME", str(tmp_path))
    monkeypatch.setenv("TRIPOSR_DEVICE", "tpu")
    config, model = InferConfig(), choose_model(str(tiny_model), tmp_path / "models")
    frames, masks, selection = (ArtifactRef(name, name, 1) for name in ("f", "m", "s"))
    with pytest.raises(ResourceError, match=r"device-missing.*tpu"):
        infer.fn(
            key=INFER.key(config, frames=frames, masks=masks, selection=selection, model=model),
            tyre="tyre",
            frames=frames,
            masks=masks,
            selection=selection,
            model=str(tiny_model),
            model_digest=model.digest,
            config=config,
        )
