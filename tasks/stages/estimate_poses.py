"""Stage *estimate poses*: cameras of the frames, and the tyre's centre, axle and size."""

from __future__ import annotations

import json

from configs.stages import PoseConfig, StageName
from tasks.network.weights import WeightsFile
from tasks.stages.stage import Record, Stage, Workspace
from tasks.storage.artifacts import ArtifactRef


def _produce(
    work: Workspace,
    config: PoseConfig,
    *,
    frames: ArtifactRef,
    masks: ArtifactRef,
    features: WeightsFile | None,
) -> Record:
    """Estimate the cameras of the candidate frames that have a usable mask."""
    from tasks.matting.quality import Masks
    from tasks.poses.isolated_estimate import estimate_poses
    from tasks.video.frames import Frames

    candidates = Frames.read(work.open(frames))
    alphas = Masks.read(work.open(masks)).paths()
    estimate = estimate_poses(
        candidates.paths(alphas),
        alphas,
        candidates.times_s(alphas),
        config,
        work.scratch,
        fov_deg=candidates.fov_deg,
        features=None if features is None else features.path,
        device=work.device,
    )
    record = estimate.to_dict()
    (work.folder / "poses.json").write_text(json.dumps(record, indent=1))
    return {"poses": record}


ESTIMATE_POSES = Stage(StageName.ESTIMATE_POSES, _produce)
