"""Stage *select*: the frames that the network sees."""

from __future__ import annotations

import json

from configs.stages import SelectConfig, StageName
from tasks.core.progress import report
from tasks.stages.stage import Record, Stage, Workspace
from tasks.storage.artifacts import ArtifactRef


def _produce(
    work: Workspace,
    config: SelectConfig,
    *,
    frames: ArtifactRef,
    masks: ArtifactRef,
    poses: ArtifactRef,
) -> Record:
    """Choose frames that are sharp, well exposed, whole, and spread around the tyre."""
    from tasks.imaging.images import read_image, read_mask
    from tasks.matting.quality import Masks
    from tasks.poses.record import PoseEstimate
    from tasks.selection.choose import select_frames
    from tasks.selection.scores import measure
    from tasks.video.frames import Frames

    candidates, judged = Frames.read(work.open(frames)), Masks.read(work.open(masks))
    estimate = PoseEstimate.read(work.open(poses))
    alphas = judged.paths()
    scores = {}
    for done, (index, alpha) in enumerate(alphas.items(), 1):
        scores[index] = measure(read_image(candidates.path(index)), read_mask(alpha))
        report(StageName.SELECT, done, len(alphas))
    record = select_frames(judged.masks, scores, estimate, config).record()
    (work.folder / "selection.json").write_text(json.dumps(record["verdicts"], indent=1))
    return record


SELECT = Stage(StageName.SELECT, _produce, timeout_s=1800.0)
