"""An evaluation that is interrupted goes on, and scores are made again when they have to be."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from configs.evaluation import EvaluationRequest
from configs.request import ReconstructRequest
from flows import evaluate as flow
from tasks.core.errors import ReconstructionError
from tasks.evaluation import run, subjects
from tasks.evaluation.subjects import Subject, subjects_of
from tasks.geometry.camera import look_at
from tasks.synthetic.scenes.truth import VideoTruth, truth_path

CAMERA = look_at(np.array([0.0, 0.0, 2.0]), np.zeros(3), focal_px=100, width=64, height=48)


class Bench:
    """The evaluation with its costly parts replaced by ones that count their calls."""

    def __init__(self, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.request = EvaluationRequest(out=out, count=3, frames=2, kinds=("easy",))
        self.calls: Counter[str] = Counter()
        self.interrupt_at = ""
        self.fail_at = ""
        self.artifact = "first"
        self.reports: list[list[dict[str, Any]]] = []
        monkeypatch.setattr(subjects, "make_orbit_video", self.make_video)
        monkeypatch.setattr(Subject, "build", lambda subject: subject)
        monkeypatch.setattr(flow, "reconstruct", self.reconstruct)
        monkeypatch.setattr(flow, "open_store", lambda settings: None)
        monkeypatch.setattr(flow, "truth_of", lambda wheel: None)
        monkeypatch.setattr(flow, "portrait", lambda *arguments: None)
        monkeypatch.setattr(flow, "write_report", lambda results, out: self.reports.append(results))
        model = SimpleNamespace(digest="weights")
        monkeypatch.setattr(flow, "choose_model", lambda name, folder: model)
        monkeypatch.setattr(run, "artifact_of", lambda *arguments: None)
        monkeypatch.setattr(run, "score_run", self.score)

    def make_video(
        self, seed: int, path: Path, *, num_frames: int, motion: Any, wheel: Any
    ) -> None:
        self.calls["film"] += 1
        path.write_bytes(b"frames")
        truth = VideoTruth(seed, motion, "yard", 15.0, 0.7, 0.2, (CAMERA,) * num_frames)
        truth_path(path).write_text(json.dumps(truth.to_dict()))

    def reconstruct(self, request: ReconstructRequest, name: str) -> dict[str, Any]:
        if name == self.interrupt_at:
            raise KeyboardInterrupt
        if name == self.fail_at:
            raise ReconstructionError("too-few", stage="select", what="no frames", advice="More")
        assert request.diameter_mm == pytest.approx(700.0)
        return {"stages": [{"stage": "export", "uri": f"{self.artifact}/{name}", "made_s": 1.0}]}

    def score(self, glb: Path, *arguments: Any, baselines: bool) -> dict[str, Any]:
        self.calls[f"score {glb.stem}"] += 1
        chamfer = np.float64(1.0 + self.calls[f"score {glb.stem}"])
        return {"fused": {"aligned": {"chamfer": chamfer, "f2": 0.9}}}

    def names(self) -> list[str]:
        return [s.name for s in subjects_of(self.request)]

    def chamfers(self) -> list[float]:
        results = json.loads((self.request.out / "results.json").read_text())
        return [r["fused"]["aligned"]["chamfer"] for r in results]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path / "eval", monkeypatch)


@pytest.mark.usefixtures("prefect_server")
def test_an_interrupted_evaluation_goes_on(bench: Bench) -> None:
    first, second, third = bench.names()
    bench.interrupt_at = second
    with pytest.raises(KeyboardInterrupt):
        flow.evaluate(bench.request)
    assert bench.calls == {"film": 2, f"score {first}": 1}
    assert bench.chamfers() == [2.0]
    bench.interrupt_at = ""
    results = flow.evaluate(bench.request)
    assert bench.calls == {"film": 3, **{f"score {name}": 1 for name in (first, second, third)}}
    assert [r["name"] for r in results] == [first, second, third]
    assert bench.chamfers() == [2.0, 2.0, 2.0]
    assert len(bench.reports) == 1


@pytest.mark.usefixtures("prefect_server")
def test_scores_follow_what_they_depend_on_and_a_failure_is_counted(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow.evaluate(bench.request)
    bench.artifact = "another"
    bench.fail_at = bench.names()[1]
    results = flow.evaluate(bench.request)
    assert "too-few" in results[1]["error"]
    assert results[0]["fused"]["aligned"]["chamfer"] == 3.0
    monkeypatch.setattr(flow, "code_version", lambda module: f"later {module}")
    assert flow.evaluate(bench.request)[0]["fused"]["aligned"]["chamfer"] == 4.0
    assert bench.calls["film"] == 3


@pytest.mark.usefixtures("prefect_server")
def test_a_video_of_other_frames_is_filmed_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = str(bench.request.out)
    arguments = ["--out", out, "--count", "2", "--kinds", "easy", "--videos-only"]
    monkeypatch.setattr(sys, "argv", ["evaluate", *arguments])
    flow.main()
    flow.main()
    assert bench.calls == {"film": 2}
    monkeypatch.setattr(sys, "argv", [*sys.argv, "--frames", "5"])
    flow.main()
    assert bench.calls == {"film": 4}
    assert len(list((bench.request.out / "videos").iterdir())) == 4, "nothing but videos, truths"
