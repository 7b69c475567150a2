"""The network by a deployment: what its machine decides itself."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from prefect.client.schemas.objects import State, StateType

import flows.infer
from configs.settings import Settings
from configs.stages import InferConfig, StageName
from flows.infer import infer, remote_tasks
from tasks.core.errors import ModelError, ResourceError, StorageError, Tyre3dError
from tasks.network.weights import choose_model
from tasks.stages.infer_codes import INFER
from tasks.storage.artifacts import ArtifactRef, ArtifactStore
from tests.support.memory_storage import MemoryStorage


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


def test_damage_that_only_the_machine_of_the_network_sees_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def produce(folder: Path) -> dict[str, Any]:
        (folder / "a.npz").write_bytes(b"whole")
        return {}

    def damaged(*_: object) -> None:
        what = "the artifact cannot be used"
        raise StorageError("artifact-damaged", stage=StageName.INFER, what=what, advice="")

    storage = MemoryStorage()
    store = ArtifactStore(storage, tmp_path)
    frames = store.make("rectify", "k", produce)
    assert store.intact(frames)
    (key,) = (k for k in storage.content if k.endswith("a.npz"))
    storage.content[key] = b"wrong"
    assert store.intact(frames), "by the copy"
    monkeypatch.setattr(flows.infer, "_run_deployment", damaged)
    infer_remotely = remote_tasks(Settings(infer_deployment="infer/infer"))[StageName.INFER]
    inputs = dict.fromkeys(("frames", "masks", "selection"), frames)
    with pytest.raises(StorageError, match="artifact-damaged"):
        infer_remotely.fn("key", "tyre", InferConfig(), inputs, "cpu", store)
    assert store.make("rectify", "k", produce) == frames
    assert storage.content[key] == b"whole"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("weights-digest", ModelError),
        ("disk-full", StorageError),
        ("too-slow", ResourceError),
        ("internal", Tyre3dError),
    ],
)
def test_what_went_wrong_elsewhere_is_the_same_error_here(
    code: str, kind: type[Tyre3dError], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its exit code and its stage, as though the work had been done in this process."""
    there = kind(code, stage="models", what="that", advice="Do this")
    state = State(type=StateType.FAILED, message=str(there))
    run = SimpleNamespace(state=state, name="infer-tyre")
    monkeypatch.setattr("prefect.deployments.run_deployment", lambda *_, **__: run)
    monkeypatch.setattr("prefect.client.orchestration.get_client", lambda **_: nullcontext(Mock()))
    monkeypatch.setattr(flows.infer, "time_of", lambda _: None)
    monkeypatch.setattr(flows.infer, "this_flow", Mock())
    monkeypatch.setattr(flows.infer, "this_task", Mock())
    inputs = dict.fromkeys(("frames", "masks", "selection"), ArtifactRef("a", "b", 1))
    model = choose_model("tyre-mini", tmp_path)
    with pytest.raises(Tyre3dError) as caught:
        flows.infer._run_deployment(
            "infer/infer", "key", "tyre", InferConfig(), {**inputs, "model": model}
        )
    assert type(caught.value) is kind
    assert (caught.value.code, caught.value.stage) == (code, "models")
    assert caught.value.what == "that. Do this"
