"""The loop of all trainings: budget, repetition, resumption after a kill, log and final score."""

from __future__ import annotations

import itertools
import json
import math
import shutil
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file

from tasks.core.errors import InputError, ModelError
from tasks.training import loop
from tasks.training.log import LOG, TrainingLog
from tasks.training.loop import CHECKPOINT, Trainer
from tests.tasks.training.conftest import Training

of_the_loop = pytest.mark.parametrize(
    "training",
    [
        "reconstruction",
        *(pytest.param(other, marks=pytest.mark.slow) for other in ("fusion", "segmentation")),
    ],
    indirect=True,
)
"""What no trainer has a part in is tried with the quickest by default."""

BUDGET = {"steps": 14, "log_steps": 4, "validate_steps": 5, "warmup_steps": 3}


class Killed(BaseException):
    """Stands for the end of the process; nothing in the loop may catch it."""


def weights_of(training: Training, run: Path) -> bytes:
    return (run / training.weights).read_bytes()


def rows_of(run: Path) -> list[dict[str, float]]:
    """The rows of a log, each of which has to be whole, without the time."""
    lines = (run / LOG).read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in lines]


@pytest.fixture(scope="module")
def whole(training: Training, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing interrupted."""
    run = tmp_path_factory.mktemp("uninterrupted") / "run"
    training.trainer(run, **BUDGET).run()
    return run


def test_a_budget_of_steps_gives_the_same_weights_again(
    training: Training, whole: Path, tmp_path: Path
) -> None:
    again = tmp_path / "again"
    training.trainer(again, **BUDGET, checkpoint_s=0.0).run()
    assert weights_of(training, again) == weights_of(training, whole)
    assert rows_of(again) == rows_of(whole)
    other = tmp_path / "other"
    training.trainer(other, **BUDGET, seed=1).run()
    assert weights_of(training, other) != weights_of(training, whole)


def test_the_log_tells_losses_scores_and_the_final_score(training: Training, whole: Path) -> None:
    log = TrainingLog.read(whole / LOG)
    assert [r["step"] for r in log.losses] == [4, 8, 12]
    assert [r["step"] for r in log.scores] == [5, 10, 14, 14]
    assert all(math.isfinite(r["loss"]) for r in log.losses)
    assert log.final is not None
    assert {"iou_median", "iou_mean", "iou_p10"} < set(log.final)
    assert log.final["step"] == 14


def test_a_kill_between_checkpoints_changes_nothing(
    training: Training, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "killed"
    for kill_at in (7, 13):  # between two rows of the log, and after the last
        trainer = training.trainer(run, **BUDGET, checkpoint_s=0.0)
        take_step, save = trainer.take_step, trainer.save

        def step_or_die(trainer=trainer, take_step=take_step, kill_at=kill_at) -> None:  # type: ignore[no-untyped-def]
            if trainer.step == kill_at:
                raise Killed
            take_step()

        def save_before(trainer=trainer, save=save, kill_at=kill_at) -> None:  # type: ignore[no-untyped-def]
            if trainer.step < kill_at - 1:  # the last step before the kill is lost
                save()

        monkeypatch.setattr(trainer, "take_step", step_or_die)
        monkeypatch.setattr(trainer, "save", save_before)
        with pytest.raises(Killed):
            trainer.run()
        saved = torch.load(run / CHECKPOINT, weights_only=True)
        assert saved["step"] == kill_at - 2
    training.trainer(run, **BUDGET).run()
    assert weights_of(training, run) == weights_of(training, whole)
    assert rows_of(run) == rows_of(whole)


@of_the_loop
@pytest.mark.parametrize("row", [0, 3, 5, 6])
def test_a_kill_while_a_row_is_written_leaves_a_whole_log(
    training: Training, whole: Path, row: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of losses, of scores, and, at the end, of scores and of the final score."""
    run = tmp_path / "killed"
    written = 0

    def half_a_row(path: Path, figures: dict[str, float]) -> None:
        nonlocal written
        text = json.dumps(figures) + "\n"
        if written == row:
            with path.open("a") as out:
                out.write(text[: len(text) // 2])
            raise Killed
        with path.open("a") as out:
            out.write(text)
        written += 1

    monkeypatch.setattr(loop, "append_row", half_a_row)
    trainer = training.trainer(run, **BUDGET, checkpoint_s=0.0)
    with pytest.raises(Killed):
        trainer.run()
    monkeypatch.undo()
    training.trainer(run, **BUDGET).run()
    assert rows_of(run) == rows_of(whole)
    assert weights_of(training, run) == weights_of(training, whole)


def test_a_checkpoint_is_written_completely_or_not_at_all(
    training: Training, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    trainer = training.trainer(run)
    trainer.take_step()
    trainer.save()
    before = (run / CHECKPOINT).read_bytes()
    trainer.take_step()

    def torn(state: object, path: Path) -> None:
        path.write_bytes(b"half of a checkpoint")
        raise Killed

    monkeypatch.setattr(torch, "save", torn)
    with pytest.raises(Killed):
        trainer.save()
    monkeypatch.undo()
    assert (run / CHECKPOINT).read_bytes() == before
    assert training.trainer(run).step == 1


def test_a_finished_training_is_left_as_it_is_and_a_larger_budget_goes_on(
    training: Training, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = shutil.copytree(whole, tmp_path / "run")
    before = {p.name: p.read_bytes() for p in whole.iterdir()}
    again = training.trainer(whole, **BUDGET)
    monkeypatch.setattr(again, "take_step", lambda: pytest.fail("a step"))
    again.run()
    assert {p.name: p.read_bytes() for p in whole.iterdir()} == before
    training.trainer(whole, **{**BUDGET, "steps": 17}).run()
    finals = [r["step"] for r in rows_of(whole) if r.get("final")]
    assert finals == [14, 17]


@of_the_loop
def test_a_budget_of_minutes_counts_the_time_of_all_runs(
    training: Training, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    seconds = itertools.count()  # one passes between any two looks of the loop, of nobody else's
    clock = SimpleNamespace(monotonic=lambda: float(next(seconds)))
    monkeypatch.setattr(loop, "time", clock)
    training.trainer(run, minutes=0.1, validate_s=3.0, log_steps=2).run()
    rows = TrainingLog.read(run / LOG)
    assert [r["step"] for r in rows.losses] == [2, 4, 6]
    assert [r["step"] for r in rows.scores] == [4, 6, 6]
    training.trainer(run, minutes=0.15, log_steps=2).run()
    rows = TrainingLog.read(run / LOG)
    assert rows.rows[-1]["step"] == 9
    assert [r["seconds"] for r in rows.losses] == [2.0, 4.0, 6.0, 8.0]
    assert all(a["seconds"] <= b["seconds"] for a, b in pairwise(rows.rows))


def test_the_rate_follows_the_budget_in_use(training: Training, tmp_path: Path) -> None:
    changes = {"warmup_steps": 10, "decay_share": 0.5, "learning_rate": 1.0, "final_rate": 0.0}
    by_steps = training.trainer(tmp_path / "steps", **changes, steps=100)
    by_time = training.trainer(tmp_path / "minutes", **changes, minutes=1.0)
    for step, rate in ((0, 0.1), (9, 1.0), (50, 1.0), (75, 0.5), (99, 0.02), (120, 0.0)):
        by_steps.step, by_steps.seconds = step, 1e6
        by_time.step, by_time.seconds = step, 0.6 * step
        assert by_steps.rate == pytest.approx(rate)
        assert by_time.rate == pytest.approx(rate)
    slow = training.trainer(tmp_path / "slow", **{**changes, "final_rate": 0.1}, steps=100)
    slow.step = 100
    assert slow.rate == pytest.approx(0.1)


def test_checkpoints_of_another_network_and_of_older_versions_are_refused(
    training: Training, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    trainer: Trainer = training.trainer(run)
    trainer.save()
    state = torch.load(run / CHECKPOINT, weights_only=True)
    name = next(iter(state["network"]))
    state["network"][name] = torch.zeros(3, 3)
    torch.save(state, run / CHECKPOINT)
    with pytest.raises(InputError, match=r"training-other-network.*checkpoint\.pt"):
        training.trainer(run)
    del state["format"]
    torch.save(state, run / CHECKPOINT)
    with pytest.raises(InputError, match=r"training-old-checkpoint.*checkpoint\.pt"):
        training.trainer(run)
    (run / CHECKPOINT).rename(run / "last.pt")
    with pytest.raises(InputError, match=r"training-old-checkpoint.*last\.pt"):
        training.trainer(run)


def test_a_training_without_data_is_refused(training: Training, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="training-no-data"):
        training.make(tmp_path / "empty", tmp_path / "run")


@pytest.mark.parametrize("content", [None, b"", b"damaged", "another network"])
def test_weights_that_cannot_be_started_from_are_told(
    training: Training, content: bytes | str | None, tmp_path: Path
) -> None:
    weights = tmp_path / "weights.safetensors"
    if isinstance(content, str):
        save_file({"head.weight": torch.zeros(2)}, weights)
    elif content is not None:
        weights.write_bytes(content)
    with pytest.raises(ModelError) as told:
        training.trainer(tmp_path / "run", start_from=weights)
    assert told.value.code == "weights-unreadable"
    assert str(weights) in str(told.value)
