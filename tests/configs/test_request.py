"""What may be asked: bounds, places, what stages are given of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from configs.presets import PRESETS
from configs.request import (
    MAX_NAME,
    BatchRequest,
    CompareRequest,
    HistoryRequest,
    MeshOptions,
    ReconstructOptions,
    ReconstructRequest,
)
from configs.stages import (
    ExportConfig,
    InspectConfig,
    MaskConfig,
    MergeConfig,
    PoseConfig,
    SelectConfig,
)
from tasks.batch.manifest import fingerprint


@pytest.mark.parametrize("preset", list(PRESETS))
def test_a_preset_says_what_nobody_else_does(preset: str) -> None:
    options = ReconstructOptions.model_validate({"preset": preset})
    assert (options.chosen_frames, options.resolution) == PRESETS[preset]  # type: ignore[index]
    own = options.model_copy(update={"num_frames": 9, "mc_resolution": 40})
    assert (own.chosen_frames, own.resolution) == (9, 40)


def test_every_option_reaches_the_stages_that_it_is_for() -> None:
    options = MeshOptions(
        num_frames=9, mc_resolution=40, diameter_mm=650, motion="spin", session="u2net"
    )
    assert options.config(SelectConfig).num_frames == 9
    merge = options.config(MergeConfig)
    assert (merge.mc_resolution, merge.diameter_mm) == (40, 650)
    assert options.config(PoseConfig).motion == "spin"
    assert {options.config(k).session for k in (InspectConfig, MaskConfig)} == {"u2net"}
    assert options.config(ExportConfig) == ExportConfig()


def test_parameters_reach_their_stage_alone_and_the_identity_of_a_result() -> None:
    plain = MeshOptions(diameter_mm=650)
    options = MeshOptions(diameter_mm=650, parameters={"merge": {"smoothing_rounds": 5}})
    merge = options.config(MergeConfig)
    assert (merge.smoothing_rounds, merge.diameter_mm) == (5, 650)
    assert options.config(SelectConfig) == plain.config(SelectConfig)
    assert fingerprint("d", options) != fingerprint("d", plain)
    with pytest.raises(ValidationError, match="the nearest is smoothing_rounds"):
        MeshOptions(parameters={"merge": {"smoothing_round": 5}})


@pytest.mark.parametrize(
    "fields",
    [
        {"num_frames": 0},
        {"num_frames": 65},
        {"mc_resolution": 31},
        {"mc_resolution": 1025},
        {"diameter_mm": 49.9},
        {"diameter_mm": 5001},
        {"diameter_mm": float("nan")},
        {"preset": "quick"},
        {"device": "tpu"},
        {"motion": "walk"},
        {"mc-resolution": 64},
    ],
)
def test_what_is_out_of_bounds_or_unknown_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(fields))):
        ReconstructOptions.model_validate(fields)


@pytest.mark.parametrize(
    "text", ["s3://bucket", "s3://", "s3:///a", "s3://b/a/", "s3://b/../a", "s3://b//a"]
)
def test_addresses_that_name_no_object_are_refused(text: str, tmp_path: Path) -> None:
    for name in ("input", "glb_path"):
        fields = {"input": tmp_path / "a.mp4", "glb_path": tmp_path / "a.glb", name: text}
        with pytest.raises(ValidationError, match="s3://bucket/key"):
            ReconstructRequest.model_validate(fields)


def test_locations_keep_their_kind() -> None:
    fields = {"input": "s3://b/in/a.mp4", "glb_path": "/out/a.x.glb", "input_roots": ["/in"]}
    request = ReconstructRequest.model_validate(fields)
    assert request.input == "s3://b/in/a.mp4"
    assert (request.glb_path, request.input_roots) == (Path("/out/a.x.glb"), (Path("/in"),))
    assert request.stem == "a.x"
    assert ReconstructRequest.model_validate(request.model_dump(mode="json")) == request


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("a", True),
        ("tyre 7, stint 2", True),
        ("x" * MAX_NAME, True),
        ("x" * (MAX_NAME + 1), False),
        ("", False),
        ("a/b", False),
        ("a\\b", False),
        ("a\n", False),
    ],
)
def test_a_comparison_is_named_as_files_can_be(name: str, taken: bool) -> None:
    fields = {"new": "a.glb", "damaged": "b.mp4", "out_dir": "out", "name": name}
    if taken:
        assert CompareRequest.model_validate(fields).name == name
        return
    with pytest.raises(ValidationError, match="name"):
        CompareRequest.model_validate(fields)


def test_requests_of_many_have_bounds_of_their_own() -> None:
    batch = {"inputs": ["in"], "out_dir": "out"}
    assert BatchRequest.model_validate(batch).options == MeshOptions()
    for bad in ({"inputs": []}, {"concurrency": 0}, {"attempts": 21}, {"deployment": "a/b/c"}):
        with pytest.raises(ValidationError, match=next(iter(bad))):
            BatchRequest.model_validate({**batch, **bad})
    for tolerance in (0, 101):
        with pytest.raises(ValidationError, match="tolerance_mm"):
            HistoryRequest.model_validate(
                {"source": "films.csv", "out_dir": "out", "tolerance_mm": tolerance}
            )
