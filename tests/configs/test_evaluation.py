"""What evaluations measure."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from configs.evaluation import KINDS, PAIR_KINDS, EvaluationRequest, PairsRequest
from tests.configs.sound import is_sound


@pytest.mark.parametrize("kind", [EvaluationRequest, PairsRequest])
def test_every_default_lies_within_its_bounds(kind: type[BaseModel]) -> None:
    is_sound(kind())


def test_kinds_are_lists_as_command_lines_give_them() -> None:
    request = EvaluationRequest.model_validate({"kinds": "spin,easy", "out": "x"})
    assert (request.kinds, request.out) == (("spin", "easy"), Path("x"))
    assert EvaluationRequest().kinds == KINDS
    with pytest.raises(ValidationError, match="'easy', 'hard'"):
        EvaluationRequest.model_validate({"kinds": "spin,eazy"})
    with pytest.raises(ValidationError, match="at least 1"):
        EvaluationRequest.model_validate({"kinds": ()})


def test_kinds_of_pairs_change_together_where_they_are_joined() -> None:
    kinds = PairsRequest.model_validate({"kinds": "null,zones+bulge"}).kinds
    assert kinds == ("null", "zones+bulge")
    with pytest.raises(ValidationError, match="no kind of pair: bulges, zone; known: null, even"):
        PairsRequest.model_validate({"kinds": "zone+bulges"})
    assert len(set(PAIR_KINDS)) == len(PAIR_KINDS)
