"""Stage *inspect*: a first word on the film, from a few of its frames."""

from __future__ import annotations

import json

from configs.stages import InspectConfig, StageName
from tasks.core.progress import report
from tasks.network.weights import BackgroundWeights
from tasks.stages.stage import Record, Stage, Workspace
from tasks.storage.artifacts import ArtifactRef


def _produce(
    work: Workspace, config: InspectConfig, *, frames: ArtifactRef, weights: BackgroundWeights
) -> Record:
    """Look at light, sharpness, outline and movement."""
    from tasks.imaging.images import read_image, read_thumb
    from tasks.matting.removal import mattes
    from tasks.matting.sessions import open_session
    from tasks.verdict.film_measures import glimpse_of, movement_of
    from tasks.verdict.first_word import first_word
    from tasks.video.frames import Frames, evenly

    candidates = Frames.read(work.open(frames))
    everyone = candidates.candidates
    chosen = [everyone[k] for k in evenly(len(everyone), config.looked_at)]
    session = None
    if not all(c.has_alpha for c in chosen):
        session = open_session(config.session, weights.path(), config.precision)
    glimpses = []
    for candidate, matte in mattes(candidates, chosen, session):
        glimpses.append(glimpse_of(read_image(candidates.path(candidate.index)), matte.alpha))
        report(StageName.INSPECT, len(glimpses), len(chosen))
    movement = movement_of([read_thumb(candidates.path(c.index)) for c in everyone])
    record = first_word(glimpses, movement, config).to_dict()
    (work.folder / "first_word.json").write_text(json.dumps(record, indent=1))
    return record


INSPECT = Stage(StageName.INSPECT, _produce, timeout_s=1800.0)
