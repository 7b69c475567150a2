"""Stage *rectify*: frames and masks as pinhole cameras see them."""

from __future__ import annotations

from configs.stages import RectifyConfig, StageName
from tasks.stages.stage import Record, Stage, Workspace
from tasks.storage.artifacts import ArtifactRef


def _produce(
    work: Workspace,
    config: RectifyConfig,
    *,
    frames: ArtifactRef,
    masks: ArtifactRef,
    poses: ArtifactRef,
) -> Record:
    """Write frames and masks as later stages use them; one artifact holds both."""
    from tasks.matting.quality import Masks
    from tasks.poses.record import PoseEstimate
    from tasks.rectification.rectify import rectify_views
    from tasks.video.frames import Frames

    candidates, judged = Frames.read(work.open(frames)), Masks.read(work.open(masks))
    estimate = PoseEstimate.read(work.open(poses))
    return rectify_views(candidates, judged, estimate, work.folder, config).record()


RECTIFY = Stage(StageName.RECTIFY, _produce, timeout_s=1800.0)
