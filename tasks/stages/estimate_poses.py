"""The Prefect task of stage *estimate poses*; the work is in :mod:`tasks.poses.estimate`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from prefect import task

from tasks.poses.estimate import PoseConfig, estimate_poses
from tasks.records import ArtifactRef
from tasks.stages.caching import STAGE
from tasks.stages.extract_frames import candidates_of
from tasks.stages.remove_backgrounds import masks_of
from tasks.storage.artifacts import ArtifactStore, code_version
from tasks.storage.base import storage_errors

STAGE_NAME = "estimate-poses"


def version() -> str:
    """The stage's code version."""
    return code_version(
        __name__, "tasks.poses.estimate", "tasks.poses", "tasks.geometry", "tasks.records"
    )


@task(name="estimate poses", task_run_name="poses-{tyre}", retries=1, timeout_seconds=7200, **STAGE)
def pose_task(
    key: str,
    tyre: str,
    frames: ArtifactRef,
    masks: ArtifactRef,
    config: PoseConfig,
    store: ArtifactStore,
) -> dict[str, Any]:
    """Estimate the cameras of the candidates with a usable mask; returns the reference."""

    def produce(folder: Path) -> dict[str, Any]:
        extracted, masked = store.open(frames), store.open(masks)
        usable = {m.index: m for m in masks_of(masked.record) if m.usable}
        seen = [c for c in candidates_of(extracted.record) if c.index in usable]
        with store.scratch("sfm") as scratch, storage_errors(str(folder)):
            estimate = estimate_poses(
                {c.index: extracted.folder / c.file for c in seen},
                {c.index: masked.folder / usable[c.index].file for c in seen},
                {c.index: c.time_s for c in seen},
                config,
                scratch,
            )
            poses = estimate.to_dict()
            (folder / "poses.json").write_text(json.dumps(poses, indent=1))
        return {"poses": poses}

    return asdict(store.make(STAGE_NAME, key, produce))
