"""Command lines whose options are a configuration's fields, with descriptions and defaults."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ValidationError

Config = TypeVar("Config", bound=BaseModel)


def option_of(field: str) -> str:
    """The option that sets a field."""
    return f"--{field.replace('_', '-')}"


def options_of(config: BaseModel) -> list[str]:
    """The options that give a configuration, as far as it differs from its defaults."""
    changed = config.model_dump(exclude_defaults=True)
    return [word for name, value in changed.items() for word in (option_of(name), str(value))]


def add_options(
    parser: argparse.ArgumentParser,
    kind: type[BaseModel],
    older_names: Mapping[str, tuple[str, ...]] | None = None,
) -> None:
    """Add an option for every field of a configuration.

    Args:
        parser: The parser of the command line.
        kind: The configuration.
        older_names: Further names of an option, by field.
    """
    for name, field in kind.model_fields.items():
        names = (option_of(name), *(older_names or {}).get(name, ()))
        text = f"{field.description} (default: {field.default})".replace("%", "%%")
        parser.add_argument(*names, dest=name, help=text)


def parse_options(
    parser: argparse.ArgumentParser, options: argparse.Namespace, kind: type[Config]
) -> Config:
    """The configuration that a parsed command line gives; ends the command where it is refused.

    Args:
        parser: The parser, for its way to say what is wrong.
        options: What it parsed.
        kind: The configuration whose options were added.
    """
    values = {n: getattr(options, n) for n in kind.model_fields}
    try:
        return kind.model_validate({n: v for n, v in values.items() if v is not None})
    except ValidationError as exc:
        first = exc.errors()[0]
        parser.error(f"{option_of(str(first['loc'][0]))}: {first['msg']}")
