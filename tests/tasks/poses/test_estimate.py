"""The pose stage on small rendered videos with known cameras."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import cv2
import numpy as np
import pytest

from configs.presets import Motion, MotionHint
from configs.stages import PoseConfig
from tasks.core.errors import ReconstructionError
from tasks.poses.estimate import HINTS, RULES, estimate_poses, possible_motions
from tasks.poses.motion import Background
from tasks.poses.record import PoseEstimate
from tests.tasks.poses.measure import PoseErrors, pose_errors
from tests.tasks.poses.scene import HALF_WIDTH, RADIUS, Video, write_video

SMALL = (360, 270)


def errors_of(estimate: PoseEstimate, video: Video) -> PoseErrors:
    return pose_errors(estimate.cameras, estimate.tyre, video.cameras, RADIUS, HALF_WIDTH)


def estimate_of(
    video: Video, folder: Path, config: PoseConfig | None = None, fov_deg: float | None = None
) -> PoseEstimate:
    scratch = folder / "scratch"
    scratch.mkdir()
    config = config or PoseConfig()
    return estimate_poses(video.frames, video.alphas, video.times, config, scratch, fov_deg=fov_deg)


def check(estimate: PoseEstimate, video: Video, centre: float = 0.01) -> None:
    assert len(estimate.cameras) >= 0.9 * len(video.frames)
    found = errors_of(estimate, video)
    assert found.rotation_deg < 0.3
    assert found.axle_deg < 0.5
    assert found.centre < centre
    assert abs(found.radius) < 0.015
    tyre = estimate.tyre
    assert tyre.axle @ tyre.up == pytest.approx(0.0, abs=1e-9)
    assert np.linalg.norm(tyre.up) == pytest.approx(1.0)
    assert estimate.figures["outline_agreement"] > 0.9


def test_orbit_before_a_textured_room_with_a_wrong_mask(tmp_path: Path) -> None:
    """One of 16 masks lacks half the tyre: it is flagged, and nothing else suffers."""
    video = write_video(tmp_path, "orbit", count=16, size=SMALL)
    mask = cv2.imread(str(video.alphas[6]), cv2.IMREAD_GRAYSCALE)
    assert mask is not None
    columns = np.flatnonzero(mask.max(axis=0))
    mask[:, : int(columns.mean() - 0.1 * np.ptp(columns))] = 0
    cv2.imwrite(str(video.alphas[6]), mask)
    estimate = estimate_of(video, tmp_path)
    check(estimate, video)
    assert (estimate.method, estimate.motion) == ("sfm", "orbit")
    assert errors_of(estimate, video).up_deg < 0.5
    assert estimate.lens.is_pinhole
    assert PoseEstimate.from_dict(estimate.to_dict()).method == "sfm"
    assert estimate.figures["doubtful_masks"] == 1.0
    assert any("masks of 1 frame disagree" in w and "6" in w for w in estimate.warnings)


@pytest.mark.slow
def test_turntable_before_a_still_room(tmp_path: Path) -> None:
    video = write_video(tmp_path, "turntable", count=24)
    estimate = estimate_of(video, tmp_path)
    check(estimate, video)
    assert (estimate.method, estimate.motion) == ("fixed-axis", "turntable")


@pytest.mark.slow
def test_spin_before_a_still_room(tmp_path: Path) -> None:
    video = write_video(tmp_path, "spin", count=24)
    estimate = estimate_of(video, tmp_path)
    check(estimate, video, centre=0.03)  # along the axle: one face never shows the width
    assert any("width is uncertain" in w for w in estimate.warnings)
    assert any("hardly tells the focal length" in w for w in estimate.warnings)
    assert (estimate.method, estimate.motion) == ("fixed-axis", "spin")


@pytest.mark.slow
def test_hand_held(tmp_path: Path) -> None:
    video = write_video(tmp_path, "free", count=24)
    estimate = estimate_of(video, tmp_path)
    check(estimate, video)
    assert (estimate.method, estimate.motion) == ("sfm", "free")


def test_a_plain_room_shows_enough_to_those_who_look_closely(tmp_path: Path) -> None:
    video = write_video(tmp_path, "orbit", count=24, size=SMALL, contrast=0, room=60, arc_deg=140.0)
    estimate = estimate_of(video, tmp_path)
    assert (estimate.method, estimate.motion) == ("sfm-low-contrast", "orbit")
    found = errors_of(estimate, video)
    assert found.rotation_deg < 0.3
    assert found.axle_deg < 0.5


def test_smooth_rubber_on_a_turntable_falls_back_to_its_outlines(tmp_path: Path) -> None:
    video = write_video(tmp_path, "turntable", count=16, size=SMALL, contrast=0)
    estimate = estimate_of(video, tmp_path)
    assert estimate.method == "steady-orbit"
    found = errors_of(estimate, video)
    assert found.rotation_deg < 3.0
    assert found.axle_deg < 1.5
    assert "structure from motion failed" in estimate.warnings[0]


def test_smooth_rubber_that_spins_is_said_to_be_assumed(tmp_path: Path) -> None:
    video = write_video(tmp_path, "spin", count=8, size=SMALL, contrast=0)
    estimate = estimate_of(video, tmp_path, PoseConfig(motion="spin"))
    assert (estimate.method, estimate.motion) == ("steady-spin", "spin")
    assert "one turn is assumed; a field of view of 60 degrees is assumed" in estimate.warnings[0]
    assert errors_of(estimate, video).axle_deg < 2.0


def test_the_lens_that_photos_tell_is_taken(tmp_path: Path) -> None:
    video = write_video(tmp_path, "spin", count=8, size=SMALL, contrast=0)
    config = PoseConfig(motion="spin")
    estimate = estimate_of(video, tmp_path, config, fov_deg=45.0)
    assert "a field of view of 45 degrees is told by the pictures" in estimate.warnings[0]
    focal_px = SMALL[0] / 2 / np.tan(np.radians(45.0 / 2))
    assert [c.fx for c in estimate.cameras.values()] == pytest.approx([focal_px] * 8)


def test_masks_without_an_object_are_refused(tmp_path: Path) -> None:
    video = write_video(tmp_path, "orbit", count=4, size=(120, 90))
    for path in video.alphas.values():
        cv2.imwrite(str(path), np.zeros((90, 120), np.uint8))
    with pytest.raises(ReconstructionError, match="poses-no-tyre"):
        estimate_of(video, tmp_path)


@pytest.mark.parametrize(
    ("hint", "background", "alike", "motions"),
    [
        ("auto", "moving", False, ["orbit", "free"]),
        ("auto", "still", False, ["turntable", "spin"]),
        ("auto", "still", True, ["spin"]),
        ("auto", "shaking", True, ["spin"]),
        ("auto", "shaking", False, ["turntable", "spin"]),
        ("auto", "moving", True, ["orbit", "free"]),
        ("auto", "unknown", False, ["orbit", "turntable", "free", "spin"]),
        ("auto", "unknown", True, ["spin", "orbit", "turntable", "free"]),
        ("orbit", "moving", False, ["orbit"]),
        ("orbit", "still", False, ["turntable"]),
        ("turntable", "moving", False, ["turntable"]),
        ("spin", "moving", False, ["spin"]),
        ("free", "still", True, ["free"]),
    ],
)
def test_hint_and_background_say_what_is_possible(
    hint: MotionHint, background: Background, alike: bool, motions: list[Motion]
) -> None:
    assert possible_motions(hint, background, alike=alike) == motions


def test_every_motion_and_every_hint_has_its_rules() -> None:
    assert set(RULES) == set(get_args(Motion))
    assert set(HINTS) == set(get_args(MotionHint))


def test_an_orbit_that_is_told_as_a_spin_is_refused(tmp_path: Path) -> None:
    video = write_video(tmp_path, "orbit", count=16, size=SMALL)
    with pytest.raises(ReconstructionError, match="poses-failed") as caught:
        estimate_of(video, tmp_path, PoseConfig(motion="spin"))
    assert "the outline changes as that of no tyre on its axle" in str(caught.value)
    assert "leave that out" in str(caught.value)
