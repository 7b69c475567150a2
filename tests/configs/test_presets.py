"""Defaults and bounds are stated once: who changes the one home changes them for all."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any, get_args

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from configs.evaluation import EvaluationRequest, PairsRequest
from configs.presets import (
    BUNDLED_MODEL,
    DEFAULT_DEVICE,
    DEFAULT_MOTION,
    PRESETS,
    SEGMENTER,
    Device,
    Motion,
    MotionHint,
    PresetName,
)
from configs.request import CompareRequest, ReconstructOptions
from configs.stages import (
    MergeConfig,
    PoseConfig,
    SelectConfig,
)
from deployments.api.models import CompareBody, ReconstructBody
from flows import TAG
from tests.support.source import ROOT, places_of, texts

CHANGED = {
    "DEFAULT_PRESET": "fast",
    "DEFAULT_DIAMETER_MM": 555.0,
    "DEFAULT_DEVICE": "cpu",
    "DEFAULT_MOTION": "spin",
    "DEFAULT_SESSION": "u2netp",
    "COMPARISON_NAME": "changed",
    "CONCURRENCY": 7,
    "BUNDLED_MODEL": "changed-model",
}
TOLD = """
import json, sys
from configs import presets

for name, value in json.loads(sys.argv[1]).items():
    assert hasattr(presets, name)
    setattr(presets, name, value)
presets.PRESETS["fast"] = presets.Preset(5, 99)

import argparse
from configs.evaluation import EvaluationRequest, PairsRequest
from configs.request import BatchRequest, CompareRequest, MeshOptions
from configs.stages import InspectConfig, MaskConfig, MergeConfig, PoseConfig, SelectConfig
from deployments.api.models import CompareBody, ReconstructBody
from flows.cli.parser import build_parser

kinds = (EvaluationRequest, PairsRequest, BatchRequest, CompareRequest, MeshOptions, InspectConfig,
         MaskConfig, MergeConfig, PoseConfig, SelectConfig, CompareBody, ReconstructBody)
told = {kind.__name__: {name: field.default for name, field in kind.model_fields.items()
                        if isinstance(field.default, int | float | str)} for kind in kinds}
(commands,) = (a.choices for a in build_parser()._actions
               if isinstance(a, argparse._SubParsersAction))
for name, parser in commands.items():
    told[name] = {a.dest: a.default for a in parser._actions
                  if isinstance(a.default, int | float | str) and a.default != "==SUPPRESS=="}
(show,) = (a.choices["show"] for a in commands["config"]._actions
           if isinstance(a, argparse._SubParsersAction))
told["config show"] = {a.dest: a.default for a in show._actions}
options = MeshOptions()
told["asked"] = {"num_frames": options.chosen_frames, "mc_resolution": options.resolution}
print(json.dumps(told))
"""
MEANT = {
    "preset": "fast",
    "num_frames": 5,
    "mc_resolution": 99,
    "diameter_mm": 555.0,
    "device": "cpu",
    "motion": "spin",
    "session": "u2netp",
    "concurrency": 7,
}
"""What every field and option of these names says then, wherever it has a default."""
OTHERS = {("EvaluationRequest", "motion"): "orbit"}
"""Defaults of films that are made, not looked at."""


def test_who_changes_a_default_at_its_home_changes_it_for_all() -> None:
    command = [sys.executable, "-c", TOLD, json.dumps(CHANGED)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    told: dict[str, dict[str, Any]] = json.loads(done.stdout)
    for owner, defaults in told.items():
        for name, meant in MEANT.items():
            if defaults.get(name) is not None:
                assert defaults[name] == OTHERS.get((owner, name), meant), (owner, name)
    for owner in ("EvaluationRequest", "PairsRequest"):
        assert told[owner]["model"] == "changed-model"
    for owner in ("CompareRequest", "compare"):
        assert told[owner]["name"] == "changed"
    counted = sum(name in MEANT for defaults in told.values() for name in defaults)
    assert counted >= 60, "commands, requests, the API's bodies and the stages"


def field_of(kind: type[BaseModel], name: str) -> FieldInfo:
    return kind.model_fields[name]


@pytest.mark.parametrize(
    ("name", "stage"),
    [("num_frames", SelectConfig), ("mc_resolution", MergeConfig), ("diameter_mm", MergeConfig)],
)
def test_bounds_of_requests_and_of_the_api_are_those_of_the_stage(
    name: str, stage: type[BaseModel]
) -> None:
    home = stage.model_json_schema()["properties"][name]
    for kind in (ReconstructOptions, ReconstructBody, CompareBody, CompareRequest):
        schema = kind.model_json_schema()["properties"][name]
        given = next((one for one in schema.get("anyOf", ()) if one["type"] != "null"), schema)
        for bound in ("minimum", "maximum"):
            assert given[bound] == home[bound], (kind, bound)


def test_choices_have_one_list() -> None:
    assert set(get_args(PresetName)) == set(PRESETS)
    assert get_args(MotionHint) == (DEFAULT_MOTION, *get_args(Motion))
    assert DEFAULT_DEVICE in get_args(Device)
    for kind in (ReconstructOptions, EvaluationRequest, PairsRequest):
        assert field_of(kind, "preset").annotation == PresetName
    for kind in (ReconstructOptions, PoseConfig):
        assert field_of(kind, "motion").annotation == MotionHint
    assert field_of(EvaluationRequest, "motion").annotation == Motion
    sizes = list(PRESETS.values())
    assert sizes == sorted(sizes), "from little work to much"


@pytest.mark.parametrize("name", [BUNDLED_MODEL, SEGMENTER])
def test_what_comes_with_the_package_is_named_once(name: str) -> None:
    assert places_of(rf'"{name}"') == ["configs/presets.py"]


def test_the_call_from_python_has_the_defaults_of_the_preset() -> None:
    """Imported it would bring in Prefect."""
    function = texts()["flows/reconstruct.py"].partition("def reconstruct_tyre_3d(")[2]
    signature = function.partition(") ->")[0]
    for name in ("num_frames", "mc_resolution"):
        assert f"{name}: int = PRESETS[DEFAULT_PRESET].{name}," in signature


def test_the_tag_of_all_runs_is_stated_once() -> None:
    """Where runs are tagged, or looked for by their tag, a name stands."""
    assert places_of(rf'(?i)(tags?\b|all_|any_)[^"\n]*["\']{TAG}["\']') == ["flows/__init__.py"]
    assert places_of(rf"prefect\.tag\.{TAG}") == []
