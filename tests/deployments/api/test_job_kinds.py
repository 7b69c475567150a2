"""Kinds of jobs: what their runs are asked, where results lie, what metadata say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from configs.request import CompareRequest, ReconstructRequest
from deployments.api.job_kinds import Comparisons, Reconstructions, ask_alike
from deployments.api.models import CompareBody, ReconstructBody
from deployments.api.settings import ApiSettings
from tests.deployments.api.service import TOKEN


@pytest.fixture
def settings(tmp_path: Path) -> ApiSettings:
    (tmp_path / "real").mkdir()
    (tmp_path / "in").symlink_to(tmp_path / "real")
    (tmp_path / "out").mkdir()
    (tmp_path / "in" / "a.mp4").write_bytes(b"x")
    (tmp_path / "out" / "new.glb").write_bytes(b"glTF")
    roots = {
        "input_roots": [tmp_path / "in", "s3://b/in"],
        "output_roots": [tmp_path / "out"],
    }
    return ApiSettings.model_validate({"token": TOKEN, **roots})


def test_a_reconstruction_is_asked_with_real_paths_and_within_the_roots(
    settings: ApiSettings, tmp_path: Path
) -> None:
    body = ReconstructBody.model_validate(
        {
            "video": tmp_path / "in" / "a.mp4",
            "output_glb_path": tmp_path / "out" / "b.glb",
            "diameter_mm": 650,
            "reference": "order-17",
        }
    )
    kind, run = Reconstructions(), Reconstructions().run_request(body, settings)
    real, out = tmp_path / "real", tmp_path / "out"
    assert ReconstructRequest.model_validate(run.parameters["request"]) == ReconstructRequest(
        input=real / "a.mp4",
        glb_path=out / "b.glb",
        diameter_mm=650,
        input_roots=(real, "s3://b/in"),
        output_roots=(out,),
    )
    assert (run.parameters["tyre"], run.name) == ("b", "reconstruct-b")
    assert kind.glb_of(run.parameters) == out / "b.glb"
    assert kind.stem_of(run.parameters) == "b"


def test_a_comparison_takes_films_folders_and_results(
    settings: ApiSettings, tmp_path: Path
) -> None:
    body = CompareBody.model_validate(
        {
            "new": tmp_path / "out" / "new.glb",
            "damaged": "s3://b/in/used.mov",
            "output_dir": tmp_path / "out",
            "name": "stint 1",
        }
    )
    kind, run = Comparisons(), Comparisons().run_request(body, settings)
    request = CompareRequest.model_validate(run.parameters["request"])
    assert (request.new, request.damaged) == (tmp_path / "out" / "new.glb", "s3://b/in/used.mov")
    assert run.name == "compare-stint 1"
    assert kind.glb_of(run.parameters) == tmp_path / "out" / "stint 1.change.glb"
    assert kind.stem_of(run.parameters) == "stint 1"


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ({}, {}, True),
        ({}, {"plain": False, "num_frames": None}, True),  # of a release that knew neither
        ({}, {"input_roots": ["/elsewhere"]}, True),
        ({}, {"diameter_mm": 650}, False),
        ({"diameter_mm": 720}, {}, True),
        ({"unheard_of": 1}, {}, False),
        ({"unheard_of": 1}, {"unheard_of": 1}, True),
    ],
)
def test_runs_are_asked_alike_whatever_release_took_them(
    one: dict[str, Any], other: dict[str, Any], alike: bool
) -> None:
    whole = {"input": "/in/a.mp4", "glb_path": "/out/a.glb"}
    given = [{"request": {**whole, **each}} for each in (one, other)]
    assert ask_alike(Reconstructions(), *given) is alike
    assert ask_alike(Reconstructions(), *reversed(given)) is alike


def test_what_metadata_say_is_told_as_reasons() -> None:
    metadata = {"verdict": "fail", "reasons": [{"code": "x"}], "retake": ["a"], "seconds": 3}
    assert Reconstructions().judged(metadata) == {
        "verdict": "fail",
        "reasons": [{"code": "x"}],
        "retake": ["a"],
    }
    reason = {"code": "too-far-apart", "text": "t", "more": 1}
    for verdict, level in (("cannot compare", "fail"), ("changed", "review")):
        assert Comparisons().judged({"verdict": verdict, "reasons": [reason]}) == {
            "verdict": verdict,
            "reasons": [{"code": "too-far-apart", "level": level, "message": "t", "advice": ""}],
        }
    assert Comparisons().judged({}) == {"verdict": None, "reasons": None}
