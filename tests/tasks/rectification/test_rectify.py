"""Rectified frames and masks: one artifact that is read as both."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from configs.stages import ExtractConfig, MaskConfig, RectifyConfig
from tasks.geometry.camera import look_at
from tasks.matting.quality import Masks
from tasks.matting.removal import remove_backgrounds
from tasks.poses.record import ObjectEstimate, PoseEstimate
from tasks.rectification.rectify import rectify_views
from tasks.storage.artifacts import Artifact
from tasks.video.extraction import extract_frames
from tasks.video.frames import Frames


@pytest.fixture
def filmed(cut_out_folder: Path, tmp_path: Path) -> tuple[Frames, Masks]:
    """Frames and masks of the disc, as the stages before leave them."""
    for name in ("extract", "masks"):
        (tmp_path / name).mkdir()
    frames = extract_frames(cut_out_folder, tmp_path / "extract", ExtractConfig())
    masks = remove_backgrounds(frames, tmp_path / "masks", None, MaskConfig())
    return frames, Masks(tmp_path / "masks", tuple(masks))


def unposed() -> PoseEstimate:
    """Poses of none of the frames."""
    camera = look_at(np.array([0, 0, 3.0]), np.zeros(3), focal_px=150, width=160, height=120)
    tyre = ObjectEstimate(np.zeros(3), np.array([0, 0, 1.0]), np.array([0, 1.0, 0]), 0.36, 0.15)
    return PoseEstimate("none", "orbit", {99: camera}, tyre)


def test_one_artifact_holds_frames_and_masks(filmed: tuple[Frames, Masks], tmp_path: Path) -> None:
    frames, masks = filmed
    folder = tmp_path / "rectified"
    folder.mkdir()
    views = rectify_views(frames, masks, unposed(), folder, RectifyConfig())
    artifact = Artifact(folder, json.loads(json.dumps(views.record())), ())
    read_frames, read_masks = Frames.read(artifact), Masks.read(artifact)
    assert (read_frames, read_masks) == (views.frames, views.masks)
    assert read_frames.candidates == frames.candidates
    assert read_masks.masks == masks.masks
    for index in range(len(frames.candidates)):
        assert read_frames.path(index).read_bytes() == frames.path(index).read_bytes()
        assert read_masks.paths()[index].read_bytes() == masks.paths()[index].read_bytes()


def test_damage_to_one_artifact_does_not_reach_the_other(
    filmed: tuple[Frames, Masks], tmp_path: Path
) -> None:
    frames, masks = filmed
    folder = tmp_path / "rectified"
    folder.mkdir()
    views = rectify_views(frames, masks, unposed(), folder, RectifyConfig())
    whole = frames.path(3).read_bytes()
    views.frames.path(3).write_bytes(b"damaged")
    assert frames.path(3).read_bytes() == whole
