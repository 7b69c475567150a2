"""The main flow: one tyre video in, one GLB and its metadata out."""

from __future__ import annotations

import logging
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any

from prefect import flow
from pydantic import BaseModel

from configs.locations import as_place, metadata_of
from configs.request import ReconstructRequest
from configs.settings import Settings
from configs.stages import ExportConfig, ExtractConfig, InferConfig, MaskConfig, SelectConfig
from flows.infer import inference
from flows.support.progress import told_to_prefect
from flows.support.runner import Runner
from flows.support.summary import tell_summary
from tasks.fusion.merge import MergeConfig
from tasks.network.weights import background_digest, choose_model, pick_device
from tasks.poses.estimate import PoseConfig
from tasks.stages import estimate_poses as pose_task
from tasks.stages import export_glb, extract_frames, infer_codes, remove_backgrounds, select_frames
from tasks.stages import merge_fields as merge_task
from tasks.storage.artifacts import open_store
from tasks.storage.inputs import check_input, input_digest, local_input
from tasks.storage.results import check_writable, finite, write_result

_log = logging.getLogger("tyre3d")


@flow(name="reconstruct", flow_run_name="reconstruct-{tyre}", log_prints=False)
def reconstruct(request: ReconstructRequest, tyre: str) -> dict[str, Any]:
    """Make the mesh of one tyre.

    Args:
        request: What to make of what.
        tyre: Name of the tyre, for the run's name.

    Returns:
        The metadata that also lie beside the GLB.
    """
    with told_to_prefect():
        return run_stages(request, Settings())


def run_stages(request: ReconstructRequest, settings: Settings) -> dict[str, Any]:
    """The stages on the input, wherever it lies, and the result put where it is wanted."""
    check_writable(request.glb_path, settings)
    with local_input(request.input, settings) as source:
        return _stages(source, request, settings)


def _stages(source: Path, request: ReconstructRequest, settings: Settings) -> dict[str, Any]:
    """The wiring: every stage in turn, each by reference to what came before."""
    check_input(source)
    glb_path = request.glb_path
    model = choose_model(request.model, settings.models_dir)
    device = pick_device(request.device, os.environ.get("TRIPOSR_DEVICE"))
    _log.info("model %s (%s), device %s", model.name, model.reason, device)
    digest = input_digest(source)
    run = Runner(open_store(settings), request.stem)

    extract = ExtractConfig()
    frames = run.stage(
        extract_frames, extract_frames.extract_task, {"source": digest}, extract, source=source
    )
    mask = MaskConfig(session=request.session)
    masks = run.stage(
        remove_backgrounds,
        remove_backgrounds.mask_task,
        {"frames": frames.sha256},
        mask,
        frames=frames,
        model_digest=background_digest(request.session),
        models_dir=settings.models_dir,
    )
    pose = PoseConfig(motion=request.motion)
    poses = run.stage(
        pose_task,
        pose_task.pose_task,
        {"frames": frames.sha256, "masks": masks.sha256},
        pose,
        frames=frames,
        masks=masks,
    )
    select = SelectConfig(num_frames=request.frames)
    selection = run.stage(
        select_frames,
        select_frames.select_task,
        {"frames": frames.sha256, "masks": masks.sha256, "poses": poses.sha256},
        select,
        frames=frames,
        masks=masks,
        poses=poses,
    )
    infer = InferConfig()
    infer_task, where = inference(settings)
    codes = run.stage(
        infer_codes,
        infer_task,
        {"frames": frames.sha256, "masks": masks.sha256, "selection": selection.sha256},
        infer,
        model_digest=model.digest,
        frames=frames,
        masks=masks,
        selection=selection,
        model=model,
        device=device,
        **where,
    )
    merge = MergeConfig(mc_resolution=request.resolution, diameter_mm=request.diameter_mm)
    mesh = run.stage(
        merge_task,
        merge_task.merge_task,
        {
            "frames": frames.sha256,
            "masks": masks.sha256,
            "poses": poses.sha256,
            "codes": codes.sha256,
        },
        merge,
        model_digest=model.merge_digest,
        frames=frames,
        masks=masks,
        poses=poses,
        codes=codes,
        model=model,
        device=device,
    )
    estimate = run.store.open(poses).record["poses"]
    provenance = {
        "model": {"name": model.name, "sha256": model.digest, "chosen_because": model.reason},
        "input": {"name": source.name, "sha256": digest},
        "parameters": _parameters(extract, mask, pose, select, infer, merge),
        "code": {"tyre3d": package_version("tyre3d"), "stages": run.versions},
        "frames": run.store.open(selection).record["chosen"],
        "poses": {k: estimate[k] for k in ("method", "motion")},
        "frame_of_reference": {"unit": "metre", "up": "+Y", "axle": "+Z", "origin": "centre"},
        "scale": {"nominal_diameter_mm": request.diameter_mm},
        "warnings": list(estimate["warnings"]),
    }
    export = ExportConfig()
    result = run.stage(
        export_glb,
        export_glb.export_task,
        {"mesh": mesh.sha256},
        {"config": export, "provenance": provenance},
        mesh=mesh,
        provenance=provenance,
        config=export,
    )
    written = run.store.open(result)
    metadata = {
        "output_path": str(glb_path),
        "metadata_path": str(metadata_of(glb_path)),
        "num_vertices": written.record["num_vertices"],
        "num_faces": written.record["num_faces"],
        "bounds_m": written.record["bounds_m"],
        "figures": written.record["figures"],
        "num_frames": len(provenance["frames"]),
        "device": device,
        "preset": request.preset,
        **written.record["extras"],
        "stages": [vars(o) for o in run.outcomes],
        "seconds": round(sum(o.seconds for o in run.outcomes), 3),
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
    }
    metadata = dict(finite(metadata))
    write_result(glb_path, (written.folder / "mesh.glb").read_bytes(), metadata, settings)
    tell_summary(
        request.stem, metadata, run.store, frames=frames, selection=selection, exported=result
    )
    return metadata


def _parameters(*configs: BaseModel) -> dict[str, Any]:
    """Every stage's parameters, by the stage's name."""
    return {
        type(c).__name__.removesuffix("Config").lower(): c.model_dump(mode="json") for c in configs
    }


def reconstruct_tyre_3d(
    preprocessing_output_dir: str | Path,
    output_glb_path: str | Path,
    device: str | None = None,
    num_frames: int = 8,
    mc_resolution: int = 256,
) -> dict[str, Any]:
    """Make a GLB from the frames that a preprocessing service left in a folder (or from a video).

    Args:
        preprocessing_output_dir: The folder of frames, or a video; a path or an s3:// address.
        output_glb_path: Where the GLB goes, likewise; its metadata lie beside it.
        device: ``cuda``, ``mps``, ``cpu``; None chooses.
        num_frames: Frames given to the network.
        mc_resolution: Resolution of the marched grid.

    Returns:
        The metadata: ``output_path``, ``num_vertices``, ``num_faces`` and more.

    Raises:
        Tyre3dError: If no GLB could be made; it says why.
    """
    request = ReconstructRequest.model_validate(
        {
            "input": as_place(preprocessing_output_dir),
            "glb_path": as_place(output_glb_path),
            "device": device or "auto",
            "num_frames": num_frames,
            "mc_resolution": mc_resolution,
        }
    )
    return dict(reconstruct(request, request.stem))
