"""Stage *atlas*: the surface unrolled and coloured by the frames."""

from __future__ import annotations

from configs.stages import AtlasConfig, StageName
from tasks.stages.stage import Record, Stage, Workspace
from tasks.storage.artifacts import ArtifactRef


def _produce(
    work: Workspace,
    config: AtlasConfig,
    *,
    frames: ArtifactRef,
    masks: ArtifactRef,
    poses: ArtifactRef,
    selection: ArtifactRef,
    mesh: ArtifactRef,
) -> Record:
    """Unroll the surface, and colour it by the frames that the mesh is not judged by."""
    from tasks.atlas.make import make_atlas
    from tasks.atlas.record import atlas_record, save_atlas
    from tasks.matting.quality import Masks
    from tasks.mesh.merged import load_mesh
    from tasks.poses.record import PoseEstimate
    from tasks.selection.choose import Selection
    from tasks.video.frames import Frames

    unseen = Selection.read(work.open(selection)).held_out
    paths = Masks.read(work.open(masks)).seen_paths()
    alphas = {index: path for index, path in paths.items() if index not in unseen}
    atlas = make_atlas(
        load_mesh(work.open(mesh)),
        PoseEstimate.read(work.open(poses)).cameras,
        Frames.read(work.open(frames)).paths(alphas),
        alphas,
        config,
    )
    save_atlas(work.folder, atlas)
    return atlas_record(atlas)


ATLAS = Stage(StageName.ATLAS, _produce, timeout_s=1800.0)
