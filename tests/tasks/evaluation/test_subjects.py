"""Subjects of an evaluation."""

from __future__ import annotations

from pathlib import Path

from configs.evaluation import EvaluationRequest
from tasks.evaluation.subjects import subjects_of
from tasks.synthetic.tyres.spec import TEST_SEEDS, VALIDATION_SEEDS


def test_subjects_are_seeds_of_a_split_or_wheels_of_a_folder(tmp_path: Path) -> None:
    chosen = subjects_of(EvaluationRequest(split="validation", first=3, count=2))
    assert [s.seed for s in chosen] == list(VALIDATION_SEEDS[3:5])
    assert [s.name for s in chosen] == [f"validation-{seed}" for seed in VALIDATION_SEEDS[3:5]]
    for name in ("b.glb", "a.glb", "c.txt"):
        (tmp_path / name).touch()
    wheels = subjects_of(EvaluationRequest(wheels=tmp_path))
    assert [(s.name, s.seed) for s in wheels] == [("a", TEST_SEEDS[5000]), ("b", TEST_SEEDS[5001])]
    assert [s.file for s in wheels] == [tmp_path / "a.glb", tmp_path / "b.glb"]
