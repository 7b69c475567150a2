"""Masks of a run are held against the labels of the frames that they are of."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import trimesh

from tasks.evaluation import run
from tasks.evaluation.truth import truth_of
from tasks.geometry.camera import look_at
from tasks.imaging.images import write_image
from tasks.matting.parts import RIM, RUBBER
from tasks.matting.quality import Mask, Masks
from tasks.synthetic.scenes.truth import VideoTruth, parts_path
from tasks.synthetic.tyres.imported_wheels import from_trimesh


def test_masks_are_scored_at_their_own_size_and_against_their_own_frames(tmp_path: Path) -> None:
    """A film of four frames, of which the second and fourth are candidates of half the size."""
    wheel = from_trimesh(trimesh.creation.box((1.0, 1.0, 0.4)), diameter=0.7)
    camera = look_at(np.array([0.0, 0.0, 2.0]), np.zeros(3), focal_px=80, width=120, height=200)
    video = tmp_path / "film.mp4"
    known = VideoTruth(1, "orbit", "yard", 15.0, 0.7, 0.2, (camera,) * 4)
    parts_path(video, 0).parent.mkdir()
    for frame in range(4):
        labels = np.zeros((200, 120), dtype=np.uint8)
        labels[20 * frame : 20 * frame + 100, 20:100] = RUBBER
        labels[20 * frame + 30 : 20 * frame + 70, 40:80] = RIM
        write_image(parts_path(video, frame), labels)
    frames = [{"index": 0, "source": 1}, {"index": 1, "source": 3}, {"index": 2, "source": 2}]
    masks = []
    for index, source in ((0, 1), (1, 3)):
        labels = cv2.imread(str(parts_path(video, source)), cv2.IMREAD_GRAYSCALE)
        small = cv2.resize(labels, (60, 100), interpolation=cv2.INTER_NEAREST)
        write_image(tmp_path / f"{index}.png", np.where(small > 0, 255, 0).astype(np.uint8))
        write_image(tmp_path / f"{index}.parts.png", small)
        figures = (0.3, False, 1, 1.0, 1.0, 1.0, False, "")
        masks.append(Mask(index, f"{index}.png", None, *figures, parts=f"{index}.parts.png"))
    masks.append(Mask(2, "none.png", None, 0.0, False, 0, 0.0, 0.0, 0.0, False, "empty"))
    filmed = run.Filmed(wheel, truth_of(wheel), video, known)
    scores = run._mask_scores(Masks(tmp_path, tuple(masks)), frames, filmed)
    assert [(s.iou, s.boundary) for s in scores] == [(1.0, 0.0)] * 2
    swapped = [{"index": 0, "source": 3}, {"index": 1, "source": 1}]
    wrong = run._mask_scores(Masks(tmp_path, tuple(masks[:2])), swapped, filmed)
    assert [s.iou for s in wrong] == [pytest.approx(60 / 140)] * 2
