"""Stage *remove backgrounds*: a mask for every candidate frame."""

from __future__ import annotations

from configs.stages import MaskConfig, StageName
from tasks.network.weights import BackgroundWeights
from tasks.stages.stage import Record, Stage, Workspace
from tasks.storage.artifacts import ArtifactRef


def _produce(
    work: Workspace, config: MaskConfig, *, frames: ArtifactRef, weights: BackgroundWeights
) -> Record:
    """Tell the tyre from its background in every candidate frame."""
    from tasks.matting.quality import masks_record
    from tasks.matting.removal import remove_backgrounds
    from tasks.matting.sessions import open_session
    from tasks.video.frames import Frames

    candidates = Frames.read(work.open(frames))
    session = None
    if not all(c.has_alpha for c in candidates.candidates):
        session = open_session(config.session, weights.path(), config.precision)
    masks = remove_backgrounds(candidates, work.folder, session, config)
    return {**masks_record(masks), "session": config.session}


REMOVE_BACKGROUNDS = Stage(StageName.REMOVE_BACKGROUNDS, _produce)
