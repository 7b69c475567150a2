"""Curves of a training that may be writing its log."""

from __future__ import annotations

from pathlib import Path

from tasks.training.log import TrainingLog
from tasks.training.report import plot_curves


def test_curves_are_drawn_from_a_log_with_a_torn_line(tmp_path: Path) -> None:
    lines = '{"step": 1, "seconds": 60, "loss": 0.5}\n'
    lines += '{"step": 2, "seconds": 90, "iou_median": 0.4, "iou_mean": 0.4, "iou_p10": 0.1}\n{"st'
    (tmp_path / "log.jsonl").write_text(lines)
    log = TrainingLog.read(tmp_path / "log.jsonl")
    assert len(log.losses) == 1
    assert len(log.scores) == 1
    plot_curves(log, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
