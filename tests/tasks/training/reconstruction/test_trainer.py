"""Data, trainer and resumption, on a model of a few thousand weights."""

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tasks.core.errors import InputError
from tasks.geometry.crop import VIEW_WIDTH
from tasks.synthetic.datasets.augment import (
    STEPS_PER_PX,
    augment_views,
    clean_views,
    defective_masks,
    edge_distances,
)
from tasks.synthetic.datasets.dataset import ARRAYS, make_tyre_data, write_shard
from tasks.synthetic.tyres.spec import TEST_SEEDS, TRAIN_SEEDS, VALIDATION_SEEDS
from tasks.training.config import TrainConfig
from tasks.training.log import TrainingLog
from tasks.training.muon import Muon
from tasks.training.reconstruction.shards import ShardReader, to_crop_frame
from tasks.training.reconstruction.trainer import Trainer, plane_waves
from tasks.training.reconstruction.validation import validate
from tasks.training.report import plot_curves
from tests.tasks.training.tiny import CONFIG, SMALL, write_data


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


def _disc_with_opening() -> torch.Tensor:
    rgba = torch.zeros(64, 64, 4, dtype=torch.uint8)
    rgba[16:48, 16:48] = torch.tensor((30, 30, 30, 255), dtype=torch.uint8)
    rgba[28:36, 28:36, 3] = 0
    return rgba


def test_edge_distances_with_and_without_openings() -> None:
    opened, filled = edge_distances(_disc_with_opening()[..., 3].numpy()) / STEPS_PER_PX
    assert opened[32, 32] < 0 < filled[32, 32]
    assert opened[20, 32] == filled[20, 32] == pytest.approx(5, abs=0.3)  # rows 16 to 20
    assert opened[12, 32] == filled[12, 32] == pytest.approx(-4, abs=0.3)
    assert filled[0, 0] == pytest.approx(-127 / STEPS_PER_PX)


def test_generating_processes_end_with_whoever_started_them(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tasks.synthetic.datasets.dataset", str(tmp_path)]
    command += ["--tyres", "1", "--shards", "40", "--processes", "2"]
    pool = subprocess.Popen(command, start_new_session=True)

    def alive() -> list[str]:
        listed = subprocess.run(
            ["ps", "-o", "pid=,stat=", "-g", str(pool.pid)], capture_output=True, text=True
        ).stdout
        return [x for x in listed.splitlines() if "Z" not in x]

    def wait(done: Callable[[], bool]) -> None:
        end = time.monotonic() + 60
        while not done():
            assert time.monotonic() < end
            time.sleep(0.1)

    try:
        wait(lambda: len(list(tmp_path.glob("train-*"))) >= 2)
        pool.kill()
        pool.wait()
        wait(lambda: not alive())
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pool.pid, signal.SIGKILL)
    made = len(list(tmp_path.glob("train-*")))
    assert 2 <= made < 20, "what the queue held was not made"


def test_augmentation_keeps_range_and_grey_ground() -> None:
    one = _disc_with_opening()
    rgba = one.expand(200, -1, -1, -1)
    edges = torch.from_numpy(edge_distances(one[..., 3].numpy())).expand(200, -1, -1, -1)
    assert clean_views(rgba)[0, :, 0, 0].tolist() == [0.5] * 3
    images = augment_views(rgba, edges, torch.Generator().manual_seed(0))
    assert images.shape == (200, 3, 64, 64)
    assert images.min() >= 0
    assert images.max() <= 1
    assert (images[:, :, 4, 4] == 0.5).all(dim=1).float().mean() > 0.95
    assert images.flatten(1).unique(dim=0).shape[0] == 200
    again = augment_views(rgba, edges, torch.Generator().manual_seed(0))
    torch.testing.assert_close(images, again)
    alpha = rgba[..., 3].float()[:, None] / 255
    masks = defective_masks(alpha, edges, torch.Generator().manual_seed(1))
    assert 0.25 < (masks[:, 0, 32, 32] > 0.5).float().mean() < 0.55  # openings are filled often
    assert (masks[:, 0, 20, 32] < 0.5).float().mean() < 0.2  # and parts cut off now and then
    assert masks.min() >= 0
    assert masks.max() <= 1


def test_a_mirrored_view_has_a_mirrored_tyre(data: Path) -> None:
    """Of one view both hands are drawn, and nothing else."""
    reader = ShardReader(data, "train")
    shard = {
        n: a[:1, :1] if n in ("rgba", "edges", "to_crop") else a[:1]
        for n, a in (reader.shards[0].items())
    }
    reader.shards = [shard]
    config = TrainConfig(batch=40, points=512, colour_points=8)
    batch = reader.draw(config, np.random.default_rng(0))
    side = (batch["image"] - batch["image"].flip(-1)).flatten(1)
    hand = (side @ side[0]).sign()
    assert set(hand.tolist()) == {-1.0, 1.0}
    truth = to_crop_frame(shard["to_crop"][0], shard["points"][:1])[0]
    mirrored = truth * torch.tensor([1.0, -1.0, 1.0])

    def off(points: torch.Tensor) -> torch.Tensor:
        gaps = batch["points"][:, :8, None] - points[None, None]  # (B, 8, N, 3)
        return gaps.norm(dim=-1).amin(-1).amax(-1)

    assert off(torch.cat([truth, mirrored])).max() < 1e-5
    own = off(truth) < 1e-5
    assert len({(h, o) for h, o in zip(hand.tolist(), own.tolist(), strict=True)}) == 2


def test_training_lowers_the_loss_and_goes_on_after_a_kill(data: Path, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    first = _trainer(data, run_dir)
    batch = first.train_data.draw(first.config, np.random.default_rng(0))
    losses = [float(first.take_step(batch)[0]) for _ in range(40)]
    assert losses[-1] < 0.8 * losses[0]
    first.seconds = 42.0
    first.check()
    first.save()
    again = _trainer(data, run_dir)
    assert (again.step, again.seconds, again.best) == (40, 42.0, first.best)
    for a, b in zip(first.model.parameters(), again.model.parameters(), strict=True):
        torch.testing.assert_close(a, b)
    assert float(again.take_step(batch)[0]) == pytest.approx(
        float(first.take_step(batch)[0]), rel=1e-4
    )
    assert load_file(run_dir / "best.safetensors")["decoder.layers.0.weight"].dtype == torch.float16


def test_what_an_older_version_left_is_refused_in_words(data: Path, tmp_path: Path) -> None:
    old = tmp_path / "data"
    shutil.copytree(data, old)
    (old / "train-00000" / "edges.npy").unlink()
    with pytest.raises(InputError, match=r"training-old-data.*train-00000 lacks edges\.npy"):
        _trainer(old, tmp_path / "run")
    before = _trainer(data, tmp_path / "run")
    before.save()
    path = tmp_path / "run" / "last.pt"
    state = torch.load(path, weights_only=True)
    state["model"]["decoder.layers.0.weight"] = torch.zeros(3, 3)
    torch.save(state, path)
    with pytest.raises(InputError, match=r"training-other-network.*last\.pt"):
        _trainer(data, tmp_path / "run")


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
