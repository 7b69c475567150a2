"""Scores are taken again only under the key that they were kept under, and only whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tasks.evaluation.scores import keep_scores, kept_scores


def test_scores_are_kept_under_their_key(tmp_path: Path) -> None:
    path = tmp_path / "scores" / "tyre.json"
    assert kept_scores(path, "key") is None
    keep_scores(path, "key", {"chamfer": np.float64(0.75)})
    assert kept_scores(path, "key") == {"chamfer": 0.75}
    assert kept_scores(path, "another key") is None
    assert [p.name for p in path.parent.iterdir()] == ["tyre.json"]


def test_a_file_cut_short_holds_no_scores(tmp_path: Path) -> None:
    path = tmp_path / "tyre.json"
    keep_scores(path, "key", {"chamfer": 0.75})
    path.write_text(path.read_text()[:20])
    assert kept_scores(path, "key") is None
