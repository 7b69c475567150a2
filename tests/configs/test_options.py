"""Command lines of configurations."""

from __future__ import annotations

import argparse

import pytest
from pydantic import BaseModel, ConfigDict, Field

from configs.options import add_options, option_of, options_of, parse_options


class Walk(BaseModel):
    """A configuration."""

    model_config = ConfigDict(frozen=True)

    num_steps: int = Field(3, ge=1, description="steps, at most 50 % of the way")
    aim: str | None = Field(None, description="where to")


def parser_of() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("walk")
    add_options(parser, Walk, {"num_steps": ("--paces",)})
    return parser


def parsed(*words: str) -> Walk:
    parser = parser_of()
    return parse_options(parser, parser.parse_args(words), Walk)


def test_every_field_is_an_option_with_its_description_and_default() -> None:
    text = parser_of().format_help()
    assert "--num-steps" in text
    assert "steps, at most 50 % of the way (default: 3)" in " ".join(text.split())


@pytest.mark.parametrize("walk", [Walk(), Walk(num_steps=7), Walk(aim="a b", num_steps=1)])
def test_options_of_a_configuration_give_it_back(walk: Walk) -> None:
    assert parsed(*options_of(walk)) == walk
    changed = len(walk.model_dump(exclude_defaults=True))
    assert len(options_of(walk)) == 2 * changed, "only what differs is said"


def test_older_names_are_taken_and_what_is_refused_is_named_as_an_option(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert option_of("num_steps") == "--num-steps"
    assert parsed("--paces", "5") == Walk(num_steps=5)
    with pytest.raises(SystemExit) as caught:
        parsed("--num-steps", "0")
    assert caught.value.code == 2
    assert "--num-steps: Input should be greater than or equal to 1" in capsys.readouterr().err
