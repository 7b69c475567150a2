"""Settings of the trainings."""

from __future__ import annotations

from typing import get_type_hints

import pytest
from pydantic import BaseModel, ValidationError

from configs.training import FuseConfig, LoopConfig, SegmentConfig, ShardConfig, TrainConfig
from tests.configs.sound import is_sound

TRAININGS = (TrainConfig, FuseConfig, SegmentConfig)


@pytest.mark.parametrize("kind", [*TRAININGS, ShardConfig])
def test_every_default_lies_within_its_bounds(kind: type[BaseModel]) -> None:
    is_sound(kind())


@pytest.mark.parametrize("kind", TRAININGS)
def test_what_trainings_share_has_one_meaning_and_one_bound(kind: type[LoopConfig]) -> None:
    shared = get_type_hints(LoopConfig, include_extras=True)
    own = get_type_hints(kind, include_extras=True)
    for name in LoopConfig.model_fields:
        assert own[name] == shared[name], name
        assert kind.model_fields[name].metadata == LoopConfig.model_fields[name].metadata, name
        assert kind.model_fields[name].description == LoopConfig.model_fields[name].description


def test_minutes_do_not_count_where_steps_are_set() -> None:
    assert TrainConfig().steps is None
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        TrainConfig(steps=0)
    with pytest.raises(ValidationError, match="greater than 0"):
        TrainConfig(minutes=0)
