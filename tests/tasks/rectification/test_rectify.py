"""Rectified frames and masks: one artifact that is read as both."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from configs.stages import ExtractConfig, MaskConfig, RectifyConfig
from tasks.geometry.camera import look_at
from tasks.geometry.lens import Lens
from tasks.imaging.images import read_image, read_mask, write_image
from tasks.matting.quality import Masks
from tasks.matting.removal import remove_backgrounds
from tasks.poses.record import ObjectEstimate, PoseEstimate
from tasks.rectification.rectify import rectify_views
from tasks.storage.artifacts import Artifact
from tasks.video.extraction import extract_frames
from tasks.video.frames import Frames
from tests.tasks.poses.scene import HALF_WIDTH, RADIUS, write_video


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


def test_a_lens_is_undone_in_frames_and_masks_alike(
    filmed: tuple[Frames, Masks], tmp_path: Path
) -> None:
    frames, masks = filmed
    folder = tmp_path / "rectified"
    folder.mkdir()
    camera = replace(*unposed().cameras.values(), fx=80.0, fy=80.0)
    poses = replace(unposed(), cameras={99: camera}, lens=Lens(-0.2))
    views = rectify_views(frames, masks, poses, folder, RectifyConfig())
    before, after = read_mask(masks.paths()[3]) > 127, read_mask(views.masks.paths()[3]) > 127
    row, column = np.nonzero(before)
    straight = poses.lens.undistort_pixels(np.stack([column, row], 1) + 0.5, camera)
    inside = [r for r in straight if 0 < r[0] < 160 and 0 < r[1] < 120]
    found = np.stack(np.nonzero(after)[::-1], 1) + 0.5
    assert not np.array_equal(before, after)
    np.testing.assert_allclose(found.min(axis=0), np.min(inside, axis=0), atol=1.5)
    np.testing.assert_allclose(found.max(axis=0), np.max(inside, axis=0), atol=1.5)
    image = read_image(views.frames.path(3))
    expected = poses.lens.undistort_image(read_image(frames.path(3)), camera)
    assert np.abs(image.astype(int) - expected).mean() < 2.0


def test_what_is_filled_is_tyre_but_not_seen(tmp_path: Path) -> None:
    """Behind a post the tyre goes on, and its picture there is the post's."""
    for name in ("film", "cut_out", "extract", "masks", "rectified"):
        (tmp_path / name).mkdir()
    video = write_video(tmp_path / "film", "orbit", count=8)
    for number, (index, frame) in enumerate(video.frames.items()):
        alpha = read_mask(video.alphas[index])
        if number == 2:
            left = int(np.flatnonzero(alpha.any(axis=0))[0])
            alpha[:, left + 8 : left + 20] = 0
        whole = np.dstack([read_image(frame), alpha])
        write_image(tmp_path / "cut_out" / f"{number}.png", whole)
    frames = extract_frames(tmp_path / "cut_out", tmp_path / "extract", ExtractConfig())
    found = remove_backgrounds(frames, tmp_path / "masks", None, MaskConfig())
    masks = Masks(tmp_path / "masks", tuple(found))
    tyre = ObjectEstimate(
        np.zeros(3), np.array([0, 0, 1.0]), np.array([0, 1.0, 0]), RADIUS, HALF_WIDTH
    )
    poses = PoseEstimate("true", "orbit", dict(enumerate(video.cameras.values())), tyre)
    views = rectify_views(frames, masks, poses, tmp_path / "rectified", RectifyConfig())
    assert [bool(m.seen) for m in views.masks.masks] == [n == 2 for n in range(8)]
    bar = np.s_[:, left + 10 : left + 18]
    solid, seen = (
        read_mask(paths[2])[bar] > 127 for paths in (views.masks.paths(), views.masks.seen_paths())
    )
    assert solid.sum() > 500
    assert not seen.any()
    assert views.masks.seen_paths()[1] == views.masks.paths()[1]
