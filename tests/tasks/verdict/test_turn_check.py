"""A drum that turns on its axle, and cameras that say so rightly and wrongly."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from configs.stages import JudgeConfig
from tasks.geometry.camera import Camera, look_at
from tasks.poses.record import PoseEstimate
from tasks.verdict.decide import judge
from tasks.verdict.evidence import gather_evidence
from tasks.verdict.record import Reason
from tasks.verdict.turn_check import check_turn
from tests.tasks.verdict.scene import drum, estimate, film

FRAMES = 20
CONFIG = JudgeConfig()
TURNS = np.radians(330.0) * np.arange(FRAMES) / FRAMES


def spun(angles: np.ndarray) -> list[Camera]:
    """What a drum about z that turns by these angles sees of a camera 35 degrees off its axle."""
    eye = 1.4 * np.array([math.sin(0.6), 0.1, math.cos(0.6)])
    still = look_at(eye, np.zeros(3), focal_px=300.0, width=320, height=240)
    turns = Rotation.from_euler("z", angles[:, None]).as_matrix()
    return [replace(still, rotation=still.rotation @ t) for t in turns]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[int, Path], dict[int, Path]]:
    """Photos and masks of a spin, in light that stays where it is."""
    paths, alphas = film(drum(), spun(TURNS), tmp_path_factory.mktemp("spin"))
    light = 0.6 + 0.4 * np.sin(np.arange(320) / 15.0)[None, :, None]
    for path in paths.values():
        photo = cv2.imread(str(path))
        assert photo is not None
        cv2.imwrite(str(path), (photo * light).astype(np.uint8))
    return paths, alphas


def reasons(poses: PoseEstimate, photos: tuple[dict[int, Path], dict[int, Path]]) -> list[Reason]:
    """What the judge says of a turn."""
    evidence = gather_evidence(drum(), poses, *photos, [1, 5, 9], FRAMES, CONFIG)
    found = judge(evidence, poses, CONFIG).reasons
    return [r for r in found if r.code == "turn-doubtful"]


def test_a_right_turn_agrees_though_width_or_lens_are_a_tenth_off(
    photos: tuple[dict[int, Path], dict[int, Path]],
) -> None:
    right = estimate(spun(TURNS), motion="spin")
    wide = replace(right, tyre=replace(right.tyre, half_width=1.1 * right.tyre.half_width))
    longer = {
        i: replace(c, fx=1.09 * c.fx, fy=1.09 * c.fy, translation=c.translation * [1, 1, 1.09])
        for i, c in right.cameras.items()
    }
    for poses in (right, wide, replace(right, cameras=longer)):
        found = check_turn(poses, photos[0], CONFIG.judged_px)
        assert found.agreement > 2 * CONFIG.turn_agreement.review
        assert found.off_percent < CONFIG.turn_off_percent.review
    assert reasons(right, photos) == []


@pytest.mark.parametrize(
    ("wrong", "level"),
    [
        (0.8 * TURNS, "review"),
        (-TURNS, "review"),
        (TURNS * TURNS / 3, "fail"),
        (TURNS + 0.8 * np.sin(2.5 * TURNS), "fail"),
    ],
    ids=["slower", "the other way", "faster and faster", "unevenly"],
)
def test_a_wrong_turn_is_told_with_what_to_do(
    wrong: np.ndarray, level: str, photos: tuple[dict[int, Path], dict[int, Path]]
) -> None:
    (reason,) = reasons(estimate(spun(wrong), motion="spin"), photos)
    assert reason.level == level
    assert "marks of chalk" in reason.advice


def test_how_much_faster_it_turned_is_found(
    photos: tuple[dict[int, Path], dict[int, Path]],
) -> None:
    found = check_turn(estimate(spun(TURNS / 1.2), motion="spin"), photos[0], CONFIG.judged_px)
    assert found.off_percent == pytest.approx(20.0, abs=2.1)


def test_a_face_without_marks_is_to_be_looked_at_and_does_not_fail(
    photos: tuple[dict[int, Path], dict[int, Path]], tmp_path: Path
) -> None:
    """How far it turned matters little then."""
    rng = np.random.default_rng(0)
    plain = {}
    for i, path in photos[1].items():
        inside = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        assert inside is not None
        grey = np.where(inside > 0, 60, 200) + rng.normal(0, 2, inside.shape)
        plain[i] = tmp_path / path.name
        cv2.imwrite(str(plain[i]), np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2))
    found = reasons(estimate(spun(TURNS), motion="spin"), (plain, photos[1]))
    assert [r.level for r in found] == ["review"]


@pytest.mark.parametrize("turned", [TURNS, TURNS + 0.8 * np.sin(2.5 * TURNS)])
def test_words_on_the_sidewall_of_a_bare_tyre_are_enough(
    turned: np.ndarray, photos: tuple[dict[int, Path], dict[int, Path]], tmp_path: Path
) -> None:
    """All within is a hole, through which the same is seen all the time."""
    paths, cameras = {}, spun(TURNS)
    for (i, path), camera in zip(photos[0].items(), cameras, strict=True):
        photo = cv2.imread(str(path))
        assert photo is not None
        around = np.linspace(0, 2 * np.pi, 90)
        rim = np.stack([np.cos(around), np.sin(around), 0 * around], axis=1)
        tyre = estimate(cameras, motion="spin").tyre
        hole = tyre.centre + rim * 0.77 * tyre.radius + [0, 0, tyre.half_width]
        corners = camera.project(hole)[:, :2].round().astype(np.int32)
        cv2.fillPoly(photo, [corners], (140, 150, 160))
        paths[i] = tmp_path / path.name
        cv2.imwrite(str(paths[i]), photo)
    found = check_turn(estimate(spun(turned), motion="spin"), paths, CONFIG.judged_px)
    assert (found.agreement > 2 * CONFIG.turn_agreement.review) == (turned is TURNS)


def test_a_turn_that_the_face_shows_is_a_motion(
    photos: tuple[dict[int, Path], dict[int, Path]],
) -> None:
    """Thumbnails of a plain tyre that turns look alike."""
    still = [Reason("film-no-motion", "fail", "the frames show the same", "Move")]
    for turns, told in ((TURNS, False), (TURNS + 0.8 * np.sin(2.5 * TURNS), True)):
        poses = estimate(spun(turns), motion="spin")
        evidence = gather_evidence(drum(), poses, *photos, [1, 5, 9], FRAMES, CONFIG)
        found = judge(evidence, poses, CONFIG, still).reasons
        assert ("film-no-motion" in {r.code for r in found}) == told


def test_too_few_frames_tell_nothing_and_that_is_said(
    photos: tuple[dict[int, Path], dict[int, Path]],
) -> None:
    few = {i: photos[0][i] for i in range(3)}
    poses = estimate(spun(TURNS), motion="spin")
    assert math.isnan(check_turn(poses, few, CONFIG.judged_px).agreement)
    assert [r.level for r in reasons(poses, (few, photos[1]))] == ["review"]


def test_other_motions_are_not_asked(photos: tuple[dict[int, Path], dict[int, Path]]) -> None:
    assert reasons(estimate(spun(0.7 * TURNS), motion="turntable"), photos) == []


@pytest.mark.parametrize(("apart_deg", "level"), [(0.5, None), (11.6, "review"), (30.0, "fail")])
def test_an_axle_told_two_ways_is_doubtful(
    photos: tuple[dict[int, Path], dict[int, Path]], apart_deg: float, level: str | None
) -> None:
    poses = replace(estimate(spun(TURNS), motion="spin"), figures={"axle_apart_deg": apart_deg})
    evidence = gather_evidence(drum(), poses, *photos, [1, 5, 9], FRAMES, CONFIG)
    found = judge(evidence, poses, CONFIG).reasons
    assert [r.level for r in found if r.code == "axle-doubtful"] == ([level] if level else [])
