"""Data, trainer and resumption, on a model of a few thousand weights."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tasks.camera import VIEW_WIDTH
from tasks.synthetic.augment import augment_view, clean_view, defective_mask
from tasks.synthetic.dataset import ARRAYS, make_tyre_data, write_shard
from tasks.synthetic.spec import TEST_SEEDS, TRAIN_SEEDS, VALIDATION_SEEDS
from tasks.training.config import TrainConfig
from tasks.training.log import TrainingLog
from tasks.training.muon import Muon
from tasks.training.report import plot_curves
from tasks.training.trainer import Trainer, plane_waves
from tasks.training.validation import validate
from tests.training.tiny import CONFIG, SMALL, write_data


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"))


def _trainer(data: Path, run_dir: Path, minutes: float = 10.0) -> Trainer:
    config = TrainConfig(
        minutes=minutes,
        batch=2,
        points=64,
        colour_points=8,
        precision="float32",
        learning_rate=0.01,
        warmup_steps=20,
    )
    path = run_dir.parent / "config.yaml"
    path.write_text(CONFIG)
    return Trainer(config, path, data, run_dir)


def test_seed_ranges_are_disjoint() -> None:
    ranges = [TRAIN_SEEDS, VALIDATION_SEEDS, TEST_SEEDS]
    ordered = sorted(ranges, key=lambda r: r.start)
    assert all(a.stop <= b.start for a, b in itertools.pairwise(ordered))


def test_points_inside_fall_on_the_mask(data: Path) -> None:
    """Occupied points, seen from the crop frame's camera, lie on the view's foreground."""
    shard = {n: np.load(data / "train-00000" / f"{n}.npy") for n in ARRAYS}
    for tyre in range(2):
        inside = shard["points"][tyre][shard["inside"][tyre]].astype(np.float64)
        for view in range(2):
            move = shard["to_crop"][tyre, view].astype(np.float64)
            p = inside @ move[:, :3].T + move[:, 3]
            size = SMALL.size_px
            # the perspective's strength is not in the record: bound it from both sides
            hits = []
            for distance in (1.9, 8.0):
                zoom = distance / (distance - p[:, 0])
                u = ((p[:, 1] * zoom / VIEW_WIDTH + 0.5) * size).astype(int).clip(0, size - 1)
                v = ((0.5 - p[:, 2] * zoom / VIEW_WIDTH) * size).astype(int).clip(0, size - 1)
                hits.append((shard["rgba"][tyre, view, v, u, 3] > 30).mean())
            assert max(hits) > 0.93


def test_tyre_data_are_deterministic(data: Path) -> None:
    again = make_tyre_data(TRAIN_SEEDS[1], SMALL)
    for name in ARRAYS:
        np.testing.assert_array_equal(np.load(data / "train-00000" / f"{name}.npy")[1], again[name])


def test_a_finished_shard_is_left_alone(data: Path) -> None:
    before = (data / "train-00000" / "rgba.npy").stat().st_mtime_ns
    write_shard(data / "train-00000", TRAIN_SEEDS[:2], SMALL)
    assert (data / "train-00000" / "rgba.npy").stat().st_mtime_ns == before


def test_augmentation_keeps_range_and_grey_ground() -> None:
    rgba = np.zeros((64, 64, 4), np.uint8)
    rgba[16:48, 16:48] = (30, 30, 30, 255)
    rgba[28:36, 28:36, 3] = 0  # an opening
    assert clean_view(rgba)[0, 0] == pytest.approx(0.5)
    filled = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        image = augment_view(rgba, rng)
        assert image.shape == (64, 64, 3)
        assert image.min() >= 0
        assert image.max() <= 1
        mask = defective_mask((rgba[..., 3] / 255).astype(np.float32), np.random.default_rng(seed))
        filled += bool(mask[32, 32] > 0.5)
    assert 5 < filled < 25  # openings are filled about every other time


def test_training_lowers_the_loss_and_goes_on_after_a_kill(data: Path, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    first = _trainer(data, run_dir)
    batch = first.train_data.draw(first.config, np.random.default_rng(0))
    losses = [first.take_step(batch)["loss"] for _ in range(40)]
    assert losses[-1] < 0.8 * losses[0]
    first.seconds = 42.0
    first.check()
    first.save()
    again = _trainer(data, run_dir)
    assert (again.step, again.seconds, again.best) == (40, 42.0, first.best)
    for a, b in zip(first.model.parameters(), again.model.parameters(), strict=True):
        torch.testing.assert_close(a, b)
    assert again.take_step(batch)["loss"] == pytest.approx(first.take_step(batch)["loss"], rel=1e-4)
    assert load_file(run_dir / "best.safetensors")["decoder.layers.0.weight"].dtype == torch.float16


def test_the_rate_follows_the_time_spent(data: Path, tmp_path: Path) -> None:
    trainer = _trainer(data, tmp_path / "run")
    assert trainer.rate() < 0.1  # warming up
    trainer.step = 1000
    trainer.seconds = 60.0
    assert trainer.rate() == 1.0
    trainer.seconds = 599.0
    assert trainer.rate() < 0.01


def test_positions_differ_from_each_other() -> None:
    waves = plane_waves(8, 64)
    gap = torch.cdist(waves, waves) + 1e3 * torch.eye(64)
    assert gap.min() > 0.5


@pytest.mark.parametrize("shape", [(12, 30), (30, 12), (16, 16)])
def test_muon_moves_along_the_singular_vectors_as_far_in_each(shape: tuple[int, int]) -> None:
    gradient = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    u, _, v = torch.linalg.svd(gradient, full_matrices=False)
    weight = torch.nn.Parameter(torch.zeros(shape))
    weight.grad = gradient.clone()
    Muon([weight], lr=1.0, weight_decay=0.0, dtype=torch.float32).step()
    along = u.T @ weight.detach() @ v.T / (-0.2 * max(shape) ** 0.5)
    values = along.diagonal()
    assert values.min() > 0.5
    assert values.max() < 1.3
    torch.testing.assert_close(along, values.diag(), atol=1e-4, rtol=0)
    reference = torch.nn.Parameter(torch.zeros(shape))
    reference.grad = gradient.clone()
    torch.optim.Muon([reference], lr=1.0, weight_decay=0.0, adjust_lr_fn="match_rms_adamw").step()
    torch.testing.assert_close(weight.detach(), reference.detach(), atol=0.05, rtol=0.05)


def test_curves_are_drawn_from_a_log_with_a_torn_line(tmp_path: Path) -> None:
    lines = '{"step": 1, "seconds": 60, "loss": 0.5}\n'
    lines += '{"step": 2, "seconds": 90, "iou_median": 0.4, "iou_mean": 0.4, "iou_p10": 0.1}\n{"st'
    (tmp_path / "log.jsonl").write_text(lines)
    log = TrainingLog.read(tmp_path / "log.jsonl")
    assert len(log.losses) == 1
    assert len(log.scores) == 1
    plot_curves(log, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_calibration_never_lowers_the_mean_iou(data: Path, tmp_path: Path) -> None:
    trainer = _trainer(data, tmp_path / "run")
    batch = trainer.train_data.draw(trainer.config, np.random.default_rng(0))
    for _ in range(30):
        trainer.take_step(batch)
    trainer.check()
    before = validate(trainer.average, trainer.validation_data)["iou_mean"]
    trainer.finish()
    assert validate(trainer.average, trainer.validation_data)["iou_mean"] >= before - 0.01
    assert (trainer.run_dir / "final.safetensors").exists()
