"""The stages' names and parameters."""

from __future__ import annotations

import inspect
import re

import pytest
from pydantic import ValidationError

from configs import stages
from configs.stages import (
    InspectConfig,
    JudgeConfig,
    Limits,
    MaskConfig,
    MergeConfig,
    StageConfig,
    StageName,
    WeightedConfig,
)
from tests.configs.sound import is_sound

CONFIGS = [
    kind
    for kind in vars(stages).values()
    if inspect.isclass(kind) and issubclass(kind, StageConfig) and kind is not StageConfig
]


@pytest.mark.parametrize("kind", CONFIGS)
def test_every_default_lies_within_its_bounds(kind: type[StageConfig]) -> None:
    is_sound(kind())


def test_names_of_stages_are_words_for_paths_addresses_and_variables() -> None:
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", name) for name in StageName)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_no_parameter_is_beyond_numbers(value: float) -> None:
    """They have no JSON, and no bound but one catches them: none would meet its own key again."""
    with pytest.raises(ValidationError, match="finite"):
        Limits(review=value, fail=0.0)
    with pytest.raises(ValidationError, match="finite"):
        InspectConfig(max_others=value)


def test_a_figure_that_fails_is_beyond_one_that_is_looked_at() -> None:
    """Where high is bad all are of a kind; a limit the other way round would never say review."""
    low_is_bad = {
        "silhouette_iou",
        "photo_agreement",
        "turn_agreement",
        "posed_share",
        "seen_arc_deg",
    }
    config = JudgeConfig()
    limits = {n: v for n in JudgeConfig.model_fields if isinstance(v := getattr(config, n), Limits)}
    assert {n for n, limit in limits.items() if limit.fail < limit.review} == low_is_bad
    assert all(limit.fail != limit.review for limit in limits.values())
    assert config.min_width_ratio < config.max_width_ratio


def test_the_first_word_sees_a_tyre_where_the_masks_do() -> None:
    for name in ("session", "precision", "min_area"):
        one, other = InspectConfig.model_fields[name], MaskConfig.model_fields[name]
        assert (one.default, one.metadata) == (other.default, other.metadata)
        assert one.description == other.description


def test_parameters_of_a_stage_that_hold_others_are_part_of_its_key() -> None:
    changed = MergeConfig(weighted=WeightedConfig(boundary_weight=3.0))
    assert changed != MergeConfig()
    assert changed.model_dump()["weighted"]["boundary_weight"] == 3.0
