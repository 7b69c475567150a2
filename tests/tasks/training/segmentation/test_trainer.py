"""The segmenter learns drawn wheels; shards made meanwhile are taken up, some kept back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tasks.core.errors import InputError
from tasks.matting.tyre_net import load_tyre_net
from tasks.training.log import LOG, TrainingLog
from tasks.training.segmentation import views
from tasks.training.segmentation.batches import crop_about
from tasks.training.segmentation.trainer import WEIGHTS, SegmentObjective
from tests.tasks.training.tiny import drawn_wheel, small_segmentation, write_cut_outs


def test_it_learns(cut_outs: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    trainer = small_segmentation(cut_outs, run, batch=2, steps=60, validate_steps=20, log_steps=20)
    trainer.run()
    log = TrainingLog.read(run / LOG)
    assert log.final is not None
    assert log.losses[-1]["loss"] < 0.8 * log.losses[0]["loss"]
    assert log.final["iou_median"] > log.scores[0]["iou_median"]
    load_tyre_net(run / WEIGHTS)
    assert (run / WEIGHTS).stat().st_size < 5e6


def test_weights_to_start_from_are_those_of_the_first_step(cut_outs: Path, tmp_path: Path) -> None:
    small_segmentation(cut_outs, tmp_path / "first", steps=3).run()
    start_from = tmp_path / "first" / WEIGHTS
    trainer = small_segmentation(cut_outs, tmp_path / "run", start_from=start_from, steps=3)
    trainer.objective.export(best=True)
    used, images = load_tyre_net(start_from), torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        begun = load_tyre_net(tmp_path / "run" / WEIGHTS)(images)
        torch.testing.assert_close(begun, used(images), rtol=0.05, atol=0.02)


def test_shards_made_meanwhile_are_taken_up(tmp_path: Path) -> None:
    data = write_cut_outs(tmp_path / "data", 2)
    trainer = small_segmentation(data, tmp_path / "run", steps=2, log_steps=1)
    write_cut_outs(tmp_path / "more", 4)
    for number in (2, 3):
        (tmp_path / f"more/cutouts-{number:05d}").rename(data / f"cutouts-{number:05d}")
    write_views(data / f"{views.PREFIX}00001")
    trainer.run()
    rows = TrainingLog.read(tmp_path / "run" / LOG).losses
    assert [(r["shards"], r["views"]) for r in rows] == [(2, 1), (2, 1)]
    assert isinstance(trainer.objective, SegmentObjective)
    assert len(trainer.objective.data.held_out.rgba) == 2


def write_views(folder: Path) -> None:
    """A shard of three drawn wheels, each in a corner of its view."""
    folder.mkdir(parents=True)
    image, parts = np.full((3, 120, 160, 3), 200, np.uint8), np.zeros((3, 120, 160), np.uint8)
    rgba, part = drawn_wheel(60)
    for k in range(3):
        at = (k, slice(10 + k, 70 + k), slice(20, 80))
        image[at] = np.where(rgba[..., 3:] > 0, rgba[..., :3], image[at])
        parts[at] = part
    np.save(folder / "image.npy", image)
    np.save(folder / "parts.npy", parts)


def test_views_held_out_are_what_is_validated_on(tmp_path: Path) -> None:
    data = write_cut_outs(tmp_path / "data")
    write_views(data / f"{views.PREFIX}00000")
    write_views(data / f"{views.PREFIX}00001")
    trainer = small_segmentation(data, tmp_path / "run", steps=1, view_share=1.0)
    assert isinstance(trainer.objective, SegmentObjective)
    pairs = trainer.objective.data.validation_pairs()
    assert len(pairs) == 3
    assert all(image.shape == (256, 256, 3) and part.any() for image, part in pairs)
    images, parts, near = trainer.objective.data.draw(np.random.default_rng(0))
    assert images.shape[2:] == parts.shape[1:] == near.shape[1:]
    assert set(np.unique(parts.numpy())) <= {0, 1, 2}


def test_a_crop_holds_the_tyre_with_its_margin() -> None:
    rgba, parts = drawn_wheel(100)
    image = np.zeros((300, 400, 3), np.uint8)
    whole = np.zeros((300, 400), np.uint8)
    whole[100:200, 150:250] = parts
    image[100:200, 150:250] = rgba[..., :3]
    cut, kept = crop_about(image, whole, np.random.default_rng(0))
    assert cut.shape[:2] == kept.shape
    assert (kept > 0).sum() == (parts > 0).sum()
    assert 100 < min(kept.shape) < 160
    nothing = np.zeros((300, 400), np.uint8)
    assert crop_about(image, nothing, np.random.default_rng(0))[1].shape == (300, 400)


def test_without_tyres_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"training-no-data.*segmentation\.cutouts"):
        small_segmentation(tmp_path, tmp_path / "run")
