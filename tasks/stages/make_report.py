"""Stage *report*: what the report on a tyre shows.

The page itself is put together after this stage, for it tells of the run: times of all stages, this
one among them, which are no part of any key.
"""

from __future__ import annotations

import json

from configs.stages import ReportConfig, StageName
from tasks.stages.export_glb import PREVIEW_FILE
from tasks.stages.stage import Record, Stage, Workspace
from tasks.storage.artifacts import ArtifactRef

CONTENT_FILE = "content.json"


def _produce(
    work: Workspace,
    config: ReportConfig,
    *,
    frames: ArtifactRef,
    masks: ArtifactRef,
    poses: ArtifactRef,
    selection: ArtifactRef,
    mesh: ArtifactRef,
    atlas: ArtifactRef,
    exported: ArtifactRef,
    gap_deg: float,
) -> Record:
    """Gather what the report shows."""
    from tasks.atlas.flattened import flat_parts
    from tasks.atlas.record import load_atlas
    from tasks.imaging.images import read_image
    from tasks.matting.quality import Masks
    from tasks.mesh.merged import load_mesh
    from tasks.poses.record import PoseEstimate
    from tasks.report.content import flattened_of, gather_content, images_of
    from tasks.selection.choose import Selection
    from tasks.video.frames import Frames

    export = work.open(exported)
    content = gather_content(
        Frames.read(work.open(frames)),
        Masks.read(work.open(masks)),
        PoseEstimate.read(work.open(poses)),
        Selection.read(work.open(selection)),
        load_mesh(work.open(mesh)).from_world,
        config,
        gap_deg,
    )
    content["flattened"] = flattened_of(flat_parts(load_atlas(work.open(atlas))), config)
    if PREVIEW_FILE in export.files:
        content |= images_of(read_image(export.folder / PREVIEW_FILE), config)
    (work.folder / CONTENT_FILE).write_text(json.dumps(content))
    return {"frames": len(content["frames"])}


REPORT = Stage(StageName.REPORT, _produce, timeout_s=1800.0)
