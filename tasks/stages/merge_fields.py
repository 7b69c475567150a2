"""Stage *merge*: one surface from fields, photos and outlines."""

from __future__ import annotations

from configs.stages import MergeConfig, StageName
from tasks.network.weights import ChosenModel, WeightsFile
from tasks.stages.stage import Record, Stage, Workspace
from tasks.storage.artifacts import ArtifactRef


def _produce(
    work: Workspace,
    config: MergeConfig,
    *,
    frames: ArtifactRef,
    masks: ArtifactRef,
    poses: ArtifactRef,
    selection: ArtifactRef,
    codes: ArtifactRef,
    model: ChosenModel,
    fuser: WeightsFile | None,
) -> Record:
    """Fuse the frames' fields, their photos and outlines into one closed surface."""
    from tasks.fusion.decision.network import load_fuser
    from tasks.fusion.merge import merge_fields
    from tasks.matting.quality import Masks
    from tasks.mesh.merged import mesh_record, save_mesh
    from tasks.network.codes import SceneCodes
    from tasks.network.device import enough_memory
    from tasks.network.load import load_model
    from tasks.poses.record import PoseEstimate
    from tasks.selection.choose import Selection
    from tasks.video.frames import Frames

    candidates = Frames.read(work.open(frames))
    unseen = Selection.read(work.open(selection)).held_out
    paths = Masks.read(work.open(masks)).paths()
    alphas = {index: path for index, path in paths.items() if index not in unseen}
    coded = SceneCodes.read(work.open(codes))
    network = load_model(model.folder, model.weight_name, model.digest, work.device)
    with enough_memory(StageName.MERGE, work.device):
        mesh = merge_fields(
            network,
            coded.codes.to(work.device).float(),
            coded.frames,
            PoseEstimate.read(work.open(poses)),
            candidates.paths(alphas),
            alphas,
            config,
            load_fuser(fuser.path, fuser.digest) if fuser is not None else None,
        )
    save_mesh(work.folder, mesh)
    return mesh_record(mesh)


MERGE = Stage(StageName.MERGE, _produce)
