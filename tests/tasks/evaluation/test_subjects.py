"""Subjects of an evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh

from configs.evaluation import KINDS, EvaluationRequest
from tasks.evaluation import subjects
from tasks.evaluation.subjects import Subject, film, subjects_of
from tasks.evaluation.truth import seen_by, truth_of
from tasks.geometry.camera import look_at
from tasks.synthetic.scenes.captures import WALKS
from tasks.synthetic.scenes.truth import VideoTruth, parts_path, read_truth, write_truth
from tasks.synthetic.tyres.imported_wheels import from_trimesh
from tasks.synthetic.tyres.spec import TEST_SEEDS, VALIDATION_SEEDS

CAMERA = look_at(np.array([0.0, 0.0, 2.0]), np.zeros(3), focal_px=100, width=64, height=48)


def test_subjects_are_seeds_of_a_split_or_wheels_of_a_folder(tmp_path: Path) -> None:
    request = EvaluationRequest(split="validation", first=3, count=2, kinds=("easy", "hard"))
    chosen = subjects_of(request)
    assert [s.seed for s in chosen] == 2 * list(VALIDATION_SEEDS[3:5])
    assert [s.name for s in chosen] == [
        f"validation-{seed}-{kind}" for kind in ("easy", "hard") for seed in VALIDATION_SEEDS[3:5]
    ]
    for name in ("b.glb", "a.glb", "c.txt"):
        (tmp_path / name).touch()
    wheels = subjects_of(EvaluationRequest(wheels=tmp_path, kinds=("spin",)))
    assert [(s.name, s.seed) for s in wheels] == [
        ("a-spin", TEST_SEEDS[5000]), ("b-spin", TEST_SEEDS[5001]),
    ]  # fmt: skip
    assert [s.file for s in wheels] == [tmp_path / "a.glb", tmp_path / "b.glb"]


def test_kinds_come_from_a_command_line_and_wrong_ones_are_refused() -> None:
    assert EvaluationRequest().kinds == KINDS
    assert EvaluationRequest.model_validate({"kinds": "hard,spin"}).kinds == ("hard", "spin")
    with pytest.raises(ValueError, match="kinds"):
        EvaluationRequest.model_validate({"kinds": "hard,harder"})


def test_seeds_take_the_captures_of_a_kind_in_turn() -> None:
    assert {Subject("x", seed, "hard").capture for seed in range(6)} == set(WALKS)
    assert {Subject("x", seed, "spin").capture for seed in range(2)} == {"spin", "spin-hand"}
    assert Subject("x", 1, "one-face").capture == "one-face"
    assert Subject("x", 1, "easy").capture is None


def test_a_film_is_kept_with_its_labels_and_made_again_when_it_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def make(seed: int, path: Path, capture: str, *, num_frames: int, **others: Any) -> None:
        made.append(capture)
        assert set(others) == {"size", "wheel"}
        path.write_bytes(b"film")
        parts_path(path, 0).parent.mkdir()
        parts_path(path, 0).write_bytes(str(num_frames).encode())
        cameras = (CAMERA,) * num_frames
        write_truth(path, VideoTruth(seed, "spin", "a", 15.0, 0.7, 0.2, cameras, capture=capture))

    monkeypatch.setattr(subjects, "make_capture_video", make)
    monkeypatch.setattr(Subject, "build", lambda subject: subject)
    subject = Subject("x-spin", 4, "spin")
    for frames in (2, 2, 3):
        video = film(subject, tmp_path, num_frames=frames, motion="orbit")
        assert video == tmp_path / "x-spin.mp4"
        assert parts_path(video, 0).read_bytes() == str(frames).encode()
        assert len(read_truth(video).cameras) == frames
    assert made == ["spin", "spin"], "one of two frames, once; one of three"
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "x-spin.mp4", "x-spin.parts", "x-spin.truth.json",
    ]  # fmt: skip


def test_a_camera_before_one_face_sees_half_of_a_box() -> None:
    box = from_trimesh(trimesh.creation.box((1.0, 1.0, 0.4)), diameter=1.0)
    truth = truth_of(box)
    front = truth.visible_normals[:, 2] > 0.9
    before = look_at(np.array([0.0, 0.0, 4.0]), np.zeros(3), focal_px=100, width=80, height=80)
    np.testing.assert_array_equal(seen_by(box, truth, [before]), front)
    narrow = look_at(np.array([0.0, 0.0, 4.0]), np.zeros(3), focal_px=100, width=12, height=80)
    seen = seen_by(box, truth, [narrow])
    assert not seen[~front].any()
    assert seen.sum() == pytest.approx(0.45 * front.sum(), rel=0.1), "the rest leaves the picture"
