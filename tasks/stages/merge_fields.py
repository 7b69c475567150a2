"""The Prefect task of stage *merge*; the work is in :mod:`tasks.fusion.merge`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from prefect import task

from tasks.fusion.merge import MergeConfig, merge_fields
from tasks.network.weights import FUSER, ChosenModel, enough_memory, load_model
from tasks.records import ArtifactRef, PoseEstimate
from tasks.stages.caching import STAGE
from tasks.stages.export_glb import save_mesh
from tasks.stages.extract_frames import candidates_of
from tasks.stages.infer_codes import coded_frames_of
from tasks.stages.remove_backgrounds import masks_of
from tasks.storage.artifacts import ArtifactStore, code_version
from tasks.storage.base import storage_errors

STAGE_NAME = "merge"


def version() -> str:
    """The stage's code version."""
    import tsr.system  # noqa: F401  so that its modules can be read

    return code_version(
        __name__,
        "tasks.fusion.merge",
        "tasks.fusion",
        "tasks.geometry",
        "tasks.records",
        "tsr",
    )


@task(name="merge fields", task_run_name="merge-{tyre}", retries=1, timeout_seconds=7200, **STAGE)
def merge_task(
    key: str,
    tyre: str,
    frames: ArtifactRef,
    masks: ArtifactRef,
    poses: ArtifactRef,
    codes: ArtifactRef,
    model: ChosenModel,
    device: str,
    config: MergeConfig,
    store: ArtifactStore,
) -> dict[str, Any]:
    """Fuse the frames' fields into one surface; returns the artifact's reference."""

    def produce(folder: Path) -> dict[str, Any]:
        from safetensors.torch import load_file

        from tasks.fusion.decision.network import load_fuser

        network = load_model(model.folder, model.weight_name, model.digest, device)
        fuser = None
        if model.fuser_digest:
            fuser = load_fuser(model.folder / FUSER, model.fuser_digest)
        extracted, masked, coded = store.open(frames), store.open(masks), store.open(codes)
        usable = {m.index: m for m in masks_of(masked.record) if m.usable}
        seen = [c for c in candidates_of(extracted.record) if c.index in usable]
        with enough_memory(STAGE_NAME, device):
            mesh = merge_fields(
                network,
                load_file(str(coded.folder / "codes.safetensors"))["codes"].to(device).float(),
                coded_frames_of(coded.record),
                PoseEstimate.from_dict(store.open(poses).record["poses"]),
                {c.index: extracted.folder / c.file for c in seen},
                {c.index: masked.folder / usable[c.index].file for c in seen},
                config,
                fuser,
            )
        with storage_errors(str(folder)):
            save_mesh(folder / "mesh.npz", mesh)
        return {"figures": mesh.figures, "warnings": list(mesh.warnings)}

    return asdict(store.make(STAGE_NAME, key, produce))
