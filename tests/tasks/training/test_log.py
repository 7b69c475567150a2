"""A log in order of steps: rows of each kind, torn lines, steps that a kill undid."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.training.log import LOG, TrainingLog, append_row, repair_log

LOSS = {"step": 1.0, "seconds": 2.0, "loss": 0.5}
SCORE = {"step": 4.0, "seconds": 9.0, "iou_median": 0.4}
FINAL = {**SCORE, "step": 6.0, "final": 1.0}


def written(folder: Path, *rows: dict[str, float], torn: str = "") -> Path:
    path = folder / LOG
    for row in rows:
        append_row(path, row)
    if torn:
        with path.open("a") as out:
            out.write(torn)
    return path


def test_rows_come_back_by_their_kind(tmp_path: Path) -> None:
    log = TrainingLog.read(written(tmp_path, LOSS, SCORE))
    assert (log.losses, log.scores, log.final) == ([LOSS], [SCORE], None)
    log = TrainingLog.read(written(tmp_path, FINAL))
    assert log.final == FINAL
    assert log.scores == [SCORE, FINAL]
    assert TrainingLog([]).final is None


def test_a_line_that_is_being_written_is_left_out(tmp_path: Path) -> None:
    log = TrainingLog.read(written(tmp_path, LOSS, torn='{"step": 2, "los'))
    assert log.rows == [LOSS]


@pytest.mark.parametrize(("step", "kept"), [(0, 0), (1, 1), (3, 1), (4, 2), (9, 3)])
def test_steps_that_were_undone_and_torn_lines_go(step: int, kept: int, tmp_path: Path) -> None:
    path = written(tmp_path, LOSS, SCORE, FINAL, torn='{"step": 7')
    repair_log(path, step)
    assert TrainingLog.read(path).rows == [LOSS, SCORE, FINAL][:kept]
    append_row(path, {"step": 10})
    assert len(TrainingLog.read(path).rows) == kept + 1, "on a line of its own"
    assert [p.name for p in tmp_path.iterdir()] == [LOG]


def test_there_is_nothing_to_repair_before_the_first_row(tmp_path: Path) -> None:
    repair_log(tmp_path / LOG, 3)
    assert list(tmp_path.iterdir()) == []
