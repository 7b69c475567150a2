"""An evaluation of comparisons that is interrupted goes on; a comparison that fails is counted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from configs.evaluation import PairsRequest
from configs.request import CompareRequest
from flows import evaluate_pairs as flow
from tasks.core.errors import ReconstructionError
from tasks.evaluation.pair_films import pairs_of
from tasks.evaluation.pairs import Stand
from tasks.surface.profile import ZONES
from tasks.synthetic.tyres.pair_truth import truth_of_pair
from tasks.synthetic.tyres.pairs import Pair

pytestmark = pytest.mark.usefixtures("prefect_server")


class Bench:
    """The evaluation with its costly parts replaced by ones that note their calls."""

    def __init__(self, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.request = PairsRequest(
            split="validation", first=100, count=1, kinds=("null", "even", "cuts"), out=out
        )
        self.pairs = {p.name: p for p in pairs_of(self.request)}
        self.filmed: list[str] = []
        self.interrupt_at = self.fail_at = ""
        monkeypatch.setattr(flow.pair_films, "film_pair", self.film)
        monkeypatch.setattr(flow, "compare", self.compare)
        monkeypatch.setattr(flow, "open_store", lambda settings: None)
        monkeypatch.setattr(flow, "_stand", self.stand)

    def film(self, pair: Pair, side: str, request: PairsRequest) -> Path:
        video = request.out / "videos" / f"{pair.name}.{side}.mp4"
        if not video.exists():
            video.parent.mkdir(parents=True, exist_ok=True)
            video.write_bytes(b"frames")
            self.filmed.append(video.name)
        return video

    def compare(self, request: CompareRequest) -> dict[str, Any]:
        """Even wear is told everywhere, and turned by 5° at that."""
        if request.name == self.interrupt_at:
            raise KeyboardInterrupt
        if request.name == self.fail_at:
            raise ReconstructionError("too-few", stage="select", what="no frames", advice="More")
        truth = truth_of_pair(self.pairs[request.name])
        assert request.diameter_mm == pytest.approx(truth.diameter_mm)
        assert Path(request.new).name == f"{request.name}.new.mp4"
        assert Path(request.damaged).name == f"{request.name}.damaged.mp4"
        c, s = np.cos(np.radians(5)), np.sin(np.radians(5))
        place = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]]) @ truth.rotation
        return {
            "verdict": "changed",
            "reasons": [],
            "alignment": {
                "anchor": "sidewall-markings",
                "faces": "same",
                "scale_ratio": 1.0,
                "transform": {"rotation": place.tolist()},
            },
            "zones": [
                {"name": n, "mean_change_mm": -2.0, "lod95_mm": 0.6, "significant": True}
                for n in ZONES
            ],
            "cells": {"measured": 0.9, "significant": 0.5},
            "findings": [],
            "seconds": 12.0,
        }

    def stand(self, metadata_file: Path, video: Path, store: None) -> Stand:
        side = video.name.split(".")[1]
        assert metadata_file.name == video.name.replace(".mp4", ".json")
        assert metadata_file.parent == (self.request.out / "comparisons").absolute()
        return Stand(np.eye(3), {"new": 1.0, "damaged": 1.001}[side])


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path / "eval", monkeypatch)


def test_an_interrupted_evaluation_goes_on(bench: Bench) -> None:
    null, even, cuts = bench.pairs
    bench.interrupt_at, bench.fail_at = even, cuts
    with pytest.raises(KeyboardInterrupt):
        flow.evaluate_pairs(bench.request)
    out = bench.request.out
    assert [r["name"] for r in json.loads((out / "results.json").read_text())] == [null]
    bench.interrupt_at = ""
    results = flow.evaluate_pairs(bench.request)
    assert bench.filmed == [f"{n}.{side}.mp4" for n in bench.pairs for side in ("new", "damaged")]
    assert [r["name"] for r in results] == [null, even, cuts]
    assert "too-few" in results[2]["error"]
    assert results[1]["spin_error_deg"] == pytest.approx(5.0)
    assert results[1]["scale_error_percent"] == pytest.approx(-0.1, abs=0.001)
    assert results[1]["verdict"] == results[1]["verdict_expected"] == "changed"
    assert results[0]["verdict_expected"] == "not-detectable"
    summary = json.loads((out / "summary.json").read_text())
    assert summary["failed"] == 1
    assert summary["even_within_0.5_mm"] == [1, 1]
    assert summary["null_without_finding"] == [0, 1]
    assert cuts in (out / "pairs.md").read_text()


def test_films_alone_and_unknown_kinds_by_the_command_line(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--split", "validation", "--first", "100", "--count", "1", "--kinds", "null"]
    monkeypatch.setattr(
        sys,
        "argv",
        ["evaluate_pairs", *arguments, "--out", str(bench.request.out), "--videos-only"],
    )
    flow.main()
    assert len(bench.filmed) == 2
    assert not (bench.request.out / "results.json").exists()
    monkeypatch.setattr(sys, "argv", ["evaluate_pairs", "--kinds", "null,rust"])
    with pytest.raises(SystemExit, match="2"):
        flow.main()
    assert "no kind of pair: rust" in capsys.readouterr().err


def test_prefect_tells_nobody_of_a_run_whichever_program_starts_it() -> None:
    unset = ("DO_NOT_TRACK", "PREFECT_SERVER_ANALYTICS_ENABLED")
    kept = {k: v for k, v in os.environ.items() if k not in unset}
    asks = (
        "import flows.evaluate_pairs, os, prefect.settings as s; "
        "print(s.get_current_settings().server.analytics_enabled, os.environ['DO_NOT_TRACK'])"
    )
    told = subprocess.run(
        [sys.executable, "-c", asks], env=kept, check=True, capture_output=True, text=True
    )
    assert told.stdout.split() == ["False", "1"]
