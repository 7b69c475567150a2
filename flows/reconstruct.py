"""The main flow: one tyre video in, one GLB and its metadata out."""

from __future__ import annotations

import hashlib
import logging
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any, cast

from prefect import flow
from prefect.runtime import flow_run as this_run
from prefect.states import Failed

from configs.locations import as_location, level_of, metadata_of, report_of
from configs.presets import DEFAULT_DEVICE, DEFAULT_PRESET, PRESETS
from configs.request import ReconstructRequest
from configs.settings import Settings
from configs.stages import (
    AtlasConfig,
    ExportConfig,
    ExtractConfig,
    InferConfig,
    InspectConfig,
    JudgeConfig,
    MaskConfig,
    MergeConfig,
    PoseConfig,
    RectifyConfig,
    ReportConfig,
    SelectConfig,
    StageName,
)
from flows.infer import remote_tasks
from flows.support.first_word import advised_by, show_first_word
from flows.support.local_runs import noted_run
from flows.support.logs import logged_run, plain_logs
from flows.support.progress import report_to_prefect
from flows.support.report import MISSING, page_of, reported
from flows.support.runner import Runner
from flows.support.settings import load_settings
from flows.support.stage_times import kind_of, remember, remembered
from flows.support.summary import publish_summary
from tasks.core.errors import Tyre3dError
from tasks.network.device import pick_device
from tasks.network.weights import (
    BackgroundWeights,
    ChosenModel,
    WeightsFile,
    choose_model,
    feature_weights,
)
from tasks.stages.estimate_poses import ESTIMATE_POSES
from tasks.stages.export_glb import EXPORT, FULL_FILE, MEDIUM_FILE, PLAIN_FILE, PREVIEW_GLB_FILE
from tasks.stages.extract_frames import EXTRACT, Source
from tasks.stages.infer_codes import INFER
from tasks.stages.inspect_frames import INSPECT
from tasks.stages.judge_mesh import JUDGE
from tasks.stages.make_report import REPORT
from tasks.stages.merge_fields import MERGE
from tasks.stages.rectify_views import RECTIFY
from tasks.stages.remove_backgrounds import REMOVE_BACKGROUNDS
from tasks.stages.select_frames import SELECT
from tasks.stages.unroll_atlas import ATLAS
from tasks.storage.artifacts import ArtifactRef, ArtifactStore, open_store
from tasks.storage.inputs import local_input
from tasks.storage.results import check_writable, finite, write_result
from tasks.storage.roots import check_input_root, check_output_root
from tasks.verdict.record import Judgement

_log = logging.getLogger("tyre3d")
_COUNTED = ("num_vertices", "num_faces", "num_written_vertices")


@flow(name="reconstruct", flow_run_name="reconstruct-{tyre}", log_prints=False)
def reconstruct(request: ReconstructRequest, tyre: str) -> dict[str, Any]:
    """Make the mesh of one tyre.

    Args:
        request: The video, where its mesh goes, and how it is made.
        tyre: Name of the tyre, for the run's name.

    Returns:
        The metadata that also lie beside the GLB.
    """
    settings = load_settings()
    expected = remembered(settings.home, kind_of(request))
    with (
        noted_run(),
        logged_run(tyre, as_json=settings.log_json),
        plain_logs(),
        report_to_prefect(expected),
    ):
        try:
            metadata = run_stages(request, settings)
            remember(settings.home, kind_of(request), metadata["stages"])
            return metadata
        except Tyre3dError as exc:
            # a state, whose message is our sentence; whoever called the flow is raised the error
            return cast(dict[str, Any], Failed(message=str(exc), data=exc))


def run_stages(request: ReconstructRequest, settings: Settings) -> dict[str, Any]:
    """Run all stages, and write the result.

    Args:
        request: The video, where its mesh goes, and how it is made.
        settings: Settings of this installation.

    Returns:
        The metadata that also lie beside the GLB.
    """
    check_output_root(request.glb_path, request.output_roots)
    check_input_root(request.input, request.input_roots)
    check_writable(request.glb_path, settings, atlas=request.atlas)
    with local_input(request.input, settings) as path:
        source = Source.of(path)
        model = choose_model(request.model, settings.models_dir)
        background = BackgroundWeights(request.session, settings.models_dir)
        features = feature_weights(settings.models_dir)
        device = pick_device(request.device, settings.device)
        _log.info("model %s (%s), device %s", model.name, model.reason, device)
        store = open_store(settings)
        run = Runner(store, request.stem, device, tasks=remote_tasks(settings))
        made = _pipeline(request, run, source, background, features, model)
    return _written(request, settings, device, run, made)


@dataclass(frozen=True)
class _Made:
    """What the last stages left; ``content`` is that of the report, None where none was made."""

    atlas: ArtifactRef
    exported: ArtifactRef
    content: dict[str, Any] | None


def _pipeline(
    request: ReconstructRequest,
    run: Runner,
    source: Source,
    background: BackgroundWeights,
    features: WeightsFile | None,
    model: ChosenModel,
) -> _Made:
    """All stages in their order."""
    of, store = request.config, run.store
    judging, exporting = of(JudgeConfig), of(ExportConfig)

    frames = run(EXTRACT, of(ExtractConfig), source=source)
    inspection = run(INSPECT, of(InspectConfig), frames=frames, weights=background)
    first_word = Judgement.from_dict(store.record(inspection))
    show_first_word(request.stem, first_word)
    with advised_by(first_word, store.record(frames)["warnings"]):
        masks = run(REMOVE_BACKGROUNDS, of(MaskConfig), frames=frames, weights=background)
        poses = run(ESTIMATE_POSES, of(PoseConfig), frames=frames, masks=masks, features=features)
        views = run(RECTIFY, of(RectifyConfig), frames=frames, masks=masks, poses=poses)
        selection = run(SELECT, of(SelectConfig), frames=views, masks=views, poses=poses)
    codes = run(INFER, of(InferConfig), frames=views, masks=views, selection=selection, model=model)
    mesh = run(
        MERGE,
        of(MergeConfig),
        frames=views,
        masks=views,
        poses=poses,
        selection=selection,
        codes=codes,
        model=model,
        fuser=model.fuser,
    )
    judged = run(
        JUDGE,
        judging,
        frames=views,
        masks=views,
        inspection=inspection,
        poses=poses,
        selection=selection,
        mesh=mesh,
    )
    atlas = run(
        ATLAS,
        of(AtlasConfig),
        frames=views,
        masks=views,
        poses=poses,
        selection=selection,
        mesh=mesh,
    )
    run.state(EXPORT, exporting)
    provenance = _provenance(
        request,
        source,
        model,
        run,
        frames=frames,
        poses=poses,
        views=views,
        selection=selection,
        judged=judged,
    )
    exported = run(EXPORT, exporting, mesh=mesh, atlas=atlas, provenance=provenance)

    def make_report() -> ArtifactRef:
        return run(
            REPORT,
            of(ReportConfig),
            frames=views,
            masks=views,
            poses=poses,
            selection=selection,
            mesh=mesh,
            atlas=atlas,
            exported=exported,
            gap_deg=judging.gap_deg,
        )

    return _Made(atlas, exported, reported(make_report, store))


def _written(
    request: ReconstructRequest, settings: Settings, device: str, run: Runner, made: _Made
) -> dict[str, Any]:
    """Write the result where it was asked for; its metadata."""
    written = run.store.open(made.exported)
    glb = (written.folder / FULL_FILE).read_bytes()
    metadata = _metadata(request, device, run, written.record, glb, made.content)
    flattened = _flattened(run.store, made.atlas) if request.atlas else {}
    metadata["atlas_files"] = [f"{request.stem}{suffix}" for suffix in flattened]
    levels = {"medium": MEDIUM_FILE, "preview": PREVIEW_GLB_FILE}
    if request.plain:
        levels["plain"] = PLAIN_FILE
    beside = {f".{name}.glb": (written.folder / file).read_bytes() for name, file in levels.items()}
    shown = {name: beside[f".{name}.glb"] for name in ("medium", "preview")}
    page = page_of(request.stem, metadata, made.content, shown)
    check_output_root(request.glb_path, request.output_roots)
    metadata["files"] = write_result(
        request.glb_path, glb, metadata, settings, page, {**flattened, **beside}
    )
    publish_summary(request.stem, metadata, made.content or {}, settings)
    return metadata


def _flattened(store: ArtifactStore, atlas: ArtifactRef) -> dict[str, bytes]:
    """The flattened images, by what is added to the mesh's name."""
    from tasks.atlas.flattened import flat_files
    from tasks.atlas.record import load_atlas

    return flat_files(load_atlas(store.open(atlas)))


def _provenance(
    request: ReconstructRequest,
    source: Source,
    model: ChosenModel,
    run: Runner,
    *,
    frames: ArtifactRef,
    poses: ArtifactRef,
    views: ArtifactRef,
    selection: ArtifactRef,
    judged: ArtifactRef,
) -> dict[str, Any]:
    """Where the mesh comes from; it stands in the GLB and in the metadata."""
    estimate = run.store.record(poses)["poses"]
    verdicts = run.store.record(selection)["verdicts"]
    return {
        "model": {"name": model.name, "sha256": model.digest, "chosen_because": model.reason},
        "input": {"name": source.path.name, "sha256": source.digest},
        "parameters": dict(run.parameters),
        "code": {"tyre3d": package_version("tyre3d"), "stages": dict(run.versions)},
        "frames": [v["index"] for v in verdicts if v["taken"]],
        "poses": {name: estimate[name] for name in ("method", "motion")},
        "frame_of_reference": {"unit": "metre", "up": "+Y", "axle": "+Z", "origin": "centre"},
        "scale": {"nominal_diameter_mm": request.diameter_mm},
        "warnings": [
            *run.store.record(frames)["warnings"],
            *estimate["warnings"],
            *run.store.record(views)["warnings"],
        ],
        **run.store.record(judged),
    }


def _metadata(
    request: ReconstructRequest,
    device: str,
    run: Runner,
    exported: dict[str, Any],
    glb: bytes,
    content: dict[str, Any] | None,
) -> dict[str, Any]:
    """What lies beside the GLB, in plain JSON types."""
    extras = exported["extras"]
    shown: dict[str, Any] = {"warnings": [*extras["warnings"], MISSING]}
    if content is not None:
        shown = {
            "report_path": str(report_of(request.glb_path)),
            "thumbnail": content.get("thumbnail", ""),
        }
    metadata = {
        "output_path": str(request.glb_path),
        "metadata_path": str(metadata_of(request.glb_path)),
        "glb_sha256": hashlib.sha256(glb).hexdigest(),
        "run_id": str(this_run.id or ""),
        **{name: exported["levels"]["full"][name] for name in _COUNTED},
        "levels": exported["levels"],
        "preview_path": str(level_of(request.glb_path, "preview")),
        "bounds_m": exported["bounds_m"],
        "figures": exported["figures"],
        "num_frames": len(extras["frames"]),
        "device": device,
        "preset": request.preset,
        **extras,
        "parameters": dict(run.parameters),
        "code": {**extras["code"], "stages": dict(run.versions)},
        **shown,
        "stages": [vars(o) for o in run.outcomes],
        "seconds": round(sum(o.seconds for o in run.outcomes), 3),
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
    }
    return dict(finite(metadata))


def reconstruct_tyre_3d(
    preprocessing_output_dir: str | Path,
    output_glb_path: str | Path,
    device: str | None = None,
    num_frames: int = PRESETS[DEFAULT_PRESET].num_frames,
    mc_resolution: int = PRESETS[DEFAULT_PRESET].mc_resolution,
) -> dict[str, Any]:
    """Make a GLB from the frames that a preprocessing service left in a folder (or from a video).

    The GLB is uncompressed, for what calls this reads it by ``trimesh.load``.

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
            "input": as_location(preprocessing_output_dir),
            "glb_path": as_location(output_glb_path),
            "device": device or DEFAULT_DEVICE,
            "num_frames": num_frames,
            "mc_resolution": mc_resolution,
            "parameters": {StageName.EXPORT: {"compression": "none"}},
        }
    )
    return dict(reconstruct(request, request.stem))
