"""Evidence on a drum that was filmed from known cameras, sound and spoiled."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from configs.stages import JudgeConfig
from tasks.mesh.merged import MergedMesh
from tasks.poses.record import PoseEstimate
from tasks.verdict.decide import judge
from tasks.verdict.evidence import Evidence, count_bodies, gather_evidence
from tasks.verdict.record import Judgement, Reason
from tests.tasks.verdict.scene import drum, estimate, film, orbit

HELD_OUT = [1, 5, 9, 13]


Films = tuple[dict[int, Path], dict[int, Path]]


@pytest.fixture(scope="module")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> Films:
    """Photos and masks of 16 frames."""
    return film(drum(), orbit(16), tmp_path_factory.mktemp("film"))


def look(
    filmed: Films,
    *,
    mesh: MergedMesh | None = None,
    poses: PoseEstimate | None = None,
    corrections: dict[str, float] | None = None,
) -> tuple[Evidence, Judgement]:
    """Evidence and judgement on a mesh of a drum of which 16 frames were made."""
    estimated = poses or estimate(orbit(16))
    evidence = gather_evidence(
        mesh or drum(), estimated, *filmed, HELD_OUT, 16, JudgeConfig(), corrections
    )
    return evidence, judge(evidence, estimated, JudgeConfig())


def spoiled(filmed: Films, folder: Path, part: tuple[slice, slice], value: int) -> Films:
    """The film with a part of each mask overwritten."""
    photos, alphas = filmed
    changed = {}
    for index, path in alphas.items():
        alpha = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        assert alpha is not None
        alpha[part] = value
        changed[index] = folder / path.name
        cv2.imwrite(str(changed[index]), alpha)
    return photos, changed


def test_a_sound_mesh_passes(filmed: Films) -> None:
    evidence, judgement = look(filmed)
    figures = evidence.figures
    assert figures["held_out_frames"] == 4
    assert figures["silhouette_iou"] > 0.99
    assert figures["photo_agreement"] > 0.9
    assert figures["halves_axle_deg"] < 0.3
    assert figures["halves_outline_percent"] < 1.0
    assert figures["scale_spread_percent"] < 1.0
    assert figures["width_ratio"] == pytest.approx(0.26 / 0.72, abs=0.01)
    assert figures["seen_arc_deg"] == pytest.approx(337.5, abs=0.1)
    assert judgement.verdict == "pass", judgement.reasons
    assert judgement.retake == ()


def test_the_same_evidence_to_the_bit(filmed: Films) -> None:
    assert look(filmed)[1] == look(filmed)[1]


def test_a_stand_in_the_masks_is_named_with_its_place(filmed: Films, tmp_path: Path) -> None:
    _, judgement = look(spoiled(filmed, tmp_path, (slice(150, 215), slice(130, 190)), 255))
    assert judgement.verdict != "pass"
    messages = {r.code: r.message for r in judgement.reasons}
    assert "at 6 o'clock" in messages["masks-hold-more"]
    assert "scale-drifts" not in messages, "the outlines are wrong, not the scale"
    assert "move what is at 6 o'clock beside the tyre out of the picture" in judgement.retake


def test_masks_that_lack_half_the_tyre_fail(filmed: Films, tmp_path: Path) -> None:
    _, judgement = look(spoiled(filmed, tmp_path, (slice(None), slice(160)), 0))
    assert judgement.verdict == "fail"
    assert "masks-lack-parts" in {r.code for r in judgement.reasons}


@pytest.mark.parametrize(
    ("share", "figure", "amounts"),
    [
        ("excess", "masks_cut", {"pass": 0.02, "review": 0.13, "fail": 0.5}),
        ("lack", "masks_filled", {"pass": 0.02, "review": 0.06, "fail": 0.2}),
    ],
)
def test_masks_that_only_agree_since_they_were_corrected_are_told(
    filmed: Films, share: str, figure: str, amounts: dict[str, float]
) -> None:
    evidence, _ = look(filmed, corrections={f"mask_{share}_median": 0.03})
    assert evidence.figures[figure] == 0.03
    for verdict, amount in amounts.items():
        told = replace(evidence, figures={**evidence.figures, figure: amount})
        judgement = judge(told, estimate(orbit(16)), JudgeConfig())
        assert judgement.verdict == verdict
        codes = [] if verdict == "pass" else [figure.replace("_", "-")]
        assert [r.code for r in judgement.reasons] == codes


@pytest.mark.parametrize(
    ("kept_aside", "unknown", "codes"),
    [
        (4, ("photo_agreement",), []),  # a plain tyre
        (4, ("photo_agreement", "outlines_off_percent"), []),
        (0, ("photo_agreement",), []),  # a plain tyre in few frames
        (0, ("outlines_off_percent",), ["not-judged"]),
        (0, ("photo_agreement", "outlines_off_percent"), ["not-judged"]),
        (4, ("silhouette_iou", "photo_agreement"), []),
        (4, ("silhouette_iou", "photo_agreement", "outlines_off_percent"), ["not-judged"]),
    ],
)
def test_a_mesh_that_only_its_own_frames_speak_for_does_not_pass(
    filmed: Films, kept_aside: int, unknown: tuple[str, ...], codes: list[str]
) -> None:
    evidence, _ = look(filmed)
    missing = {"held_out_frames": float(kept_aside)} | dict.fromkeys(unknown, math.nan)
    told = replace(evidence, figures={**evidence.figures, **missing})
    reasons = judge(told, estimate(orbit(16)), JudgeConfig()).reasons
    assert [r.code for r in reasons] == codes
    assert all(r.level == "review" and "nothing tells whether" in r.message for r in reasons)


@pytest.mark.parametrize(("kept_aside", "said"), [(4, "kept aside"), (0, "the %s it was made of")])
def test_reasons_say_which_frames_spoke(filmed: Films, kept_aside: int, said: str) -> None:
    evidence, _ = look(filmed)
    bad = {"held_out_frames": float(kept_aside), "silhouette_iou": 0.9, "photo_agreement": 0.4}
    told = replace(evidence, figures={**evidence.figures, **bad})
    reasons = judge(told, estimate(orbit(16)), JudgeConfig()).reasons
    messages = {r.code: r.message for r in reasons}
    assert said.replace("%s", "frames") in messages["outlines-off"]
    assert said.replace("%s", "photos") in messages["photos-off"]
    assert all(("kept aside" in m) == bool(kept_aside) for m in messages.values())


def test_another_pattern_than_the_photos_show_fails(filmed: Films) -> None:
    _, judgement = look(filmed, mesh=replace(drum(), colours=drum(seed=1).colours))
    assert judgement.verdict == "fail"
    assert [r.code for r in judgement.reasons] == ["photos-off"]


def test_a_mesh_turned_on_its_axle_is_noticed(filmed: Films) -> None:
    mesh = drum()
    turn = trimesh.transformations.rotation_matrix(math.radians(6), (0, 0, 1))[:3, :3]
    turned = replace(mesh, vertices=(mesh.vertices @ turn.T).astype(np.float32))
    _, judgement = look(filmed, mesh=turned)
    assert "photos-off" in {r.code for r in judgement.reasons}


def test_poses_that_lie_about_the_scale_are_noticed(filmed: Films) -> None:
    cameras = orbit(16)
    zoomed = [
        replace(c, fx=c.fx * z, fy=c.fy * z)
        for c, z in zip(cameras, np.linspace(0.85, 1.15, 16), strict=True)
    ]
    evidence, judgement = look(filmed, poses=estimate(zoomed))
    assert evidence.figures["scale_spread_percent"] > 8
    assert judgement.verdict == "fail"
    assert "scale-drifts" in {r.code for r in judgement.reasons}


def test_a_face_that_no_frame_saw_is_named(filmed: Films) -> None:
    evidence, judgement = look(filmed, mesh=drum(seen_above=-0.1))
    assert evidence.figures["inner_face_seen"] < 0.1
    assert evidence.figures["outer_face_seen"] == 1.0
    assert [r.code for r in judgement.reasons] == ["inner-face-unseen"]
    assert judgement.verdict == "review"
    assert judgement.retake == ("film the inner face again, from nearer its axle",)


def test_a_short_arc_fails_and_the_card_names_the_rest(tmp_path: Path) -> None:
    cameras = orbit(16, arc_deg=60)
    photos, alphas = film(drum(), cameras, tmp_path)
    poses = estimate(cameras)
    evidence = gather_evidence(drum(), poses, photos, alphas, HELD_OUT, 16, JudgeConfig())
    judgement = judge(evidence, poses, JudgeConfig())
    assert evidence.figures["seen_arc_deg"] == pytest.approx(56.25, abs=0.1)
    assert "arc-short" in {r.code for r in judgement.reasons if r.level == "fail"}
    assert judgement.retake[0].startswith("film again between 55° and 360° round the tyre")


def test_an_assumed_motion_never_passes(filmed: Films) -> None:
    _, judgement = look(filmed, poses=estimate(orbit(16), method="steady-orbit"))
    assert [r.code for r in judgement.reasons] == ["motion-assumed"]


@pytest.mark.parametrize(("method", "told"), [("sfm", False), ("steady-orbit", True)])
def test_cameras_that_were_measured_outweigh_a_guess_from_outlines(
    filmed: Films, method: str, told: bool
) -> None:
    poses = estimate(orbit(16), method=method)
    evidence, _ = look(filmed, poses=poses)
    guess = Reason("film-short-arc", "review", "about 80°", "walk on")
    dark = Reason("film-dark", "review", "dark", "switch the light on")
    codes = [r.code for r in judge(evidence, poses, JudgeConfig(), [guess, dark]).reasons]
    assert "film-dark" in codes[: 1 + told], "what the film lacks comes before what follows of it"
    assert ("film-short-arc" in codes) is told


def test_cameras_that_leap_to_the_other_face_fail(filmed: Films) -> None:
    """Half of the frames are taken for views of the other face, as on a tyre that has two alike."""
    cameras = orbit(16)
    poses = estimate([*cameras[:8], *cameras[:8]])
    evidence, judgement = look(filmed, poses=poses)
    assert evidence.figures["path_jump_deg"] > 60
    assert "path-jumps" in {r.code for r in judgement.reasons if r.level == "fail"}


def test_cameras_that_turn_at_once_are_reviewed(filmed: Films) -> None:
    """The last frames took one spoke for the next."""
    turn = Rotation.from_rotvec([0.0, 0.0, math.radians(72.0)]).as_matrix()
    cameras = orbit(40)
    leapt = [replace(c, rotation=c.rotation @ turn) for c in cameras[38:]]
    evidence, judgement = look(filmed, poses=estimate([*cameras[:38], *leapt]))
    assert evidence.figures["path_jump_deg"] < 30
    assert evidence.figures["turn_jump_deg"] == pytest.approx(72.0 - 9.0, abs=7.0)
    (told,) = [r for r in judgement.reasons if r.code == "path-jumps"]
    assert "spokes" in told.message


def test_lost_frames_are_counted(filmed: Films) -> None:
    poses = estimate(orbit(16))
    kept = {i: c for i, c in poses.cameras.items() if i % 2 or i < 4}
    _, judgement = look(filmed, poses=replace(poses, cameras=kept))
    assert "frames-lost" in {r.code for r in judgement.reasons}


@pytest.mark.parametrize(("stretch", "failed"), [(1.0, False), (2.5, True), (0.3, True)])
def test_a_width_that_no_tyre_has_fails(filmed: Films, stretch: float, failed: bool) -> None:
    mesh = drum()
    wide = (mesh.vertices * np.array([1, 1, stretch])).astype(np.float32)
    _, judgement = look(filmed, mesh=replace(mesh, vertices=wide))
    assert ("not-a-tyre" in {r.code for r in judgement.reasons}) is failed


def test_bodies_are_counted_and_crumbs_are_not() -> None:
    mesh = drum()
    again = (mesh.vertices + np.array([2, 0, 0])).astype(np.float32)
    crumb = np.array([[5, 0, 0], [5, 1, 0], [5, 0, 1]], np.float32)
    count = len(mesh.vertices)
    both = replace(
        mesh,
        vertices=np.concatenate([mesh.vertices, again, crumb]),
        faces=np.concatenate(
            [mesh.faces, mesh.faces + count, [[2 * count, 2 * count + 1, 2 * count + 2]]]
        ).astype(np.int32),
    )
    assert count_bodies(mesh) == 1
    assert count_bodies(both) == 2
