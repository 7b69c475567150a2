"""Stage *judge*: whether the mesh can be trusted, by evidence that the merge did not use."""

from __future__ import annotations

import json

from configs.stages import JudgeConfig, StageName
from tasks.stages.stage import Record, Stage, Workspace
from tasks.storage.artifacts import ArtifactRef
from tasks.verdict.record import Judgement


def _produce(
    work: Workspace,
    config: JudgeConfig,
    *,
    frames: ArtifactRef,
    masks: ArtifactRef,
    inspection: ArtifactRef,
    poses: ArtifactRef,
    selection: ArtifactRef,
    mesh: ArtifactRef,
) -> Record:
    """Judge the mesh."""
    from tasks.matting.quality import Masks
    from tasks.mesh.merged import load_mesh
    from tasks.poses.record import PoseEstimate
    from tasks.selection.choose import Selection
    from tasks.verdict.decide import judge
    from tasks.verdict.evidence import gather_evidence
    from tasks.video.frames import Frames

    candidates = Frames.read(work.open(frames))
    rectified = work.open(masks)
    alphas = Masks.read(rectified).paths()
    estimate = PoseEstimate.read(work.open(poses))
    evidence = gather_evidence(
        load_mesh(work.open(mesh)),
        estimate,
        candidates.paths(alphas),
        alphas,
        Selection.read(work.open(selection)).held_out,
        len(candidates.candidates),
        config,
        rectified.record.get("figures"),
    )
    before = Judgement.from_dict(work.open(inspection).record)
    record = judge(evidence, estimate, config, before.reasons).to_dict()
    (work.folder / "verdict.json").write_text(json.dumps(record, indent=1))
    return record


JUDGE = Stage(StageName.JUDGE, _produce, timeout_s=1800.0)
