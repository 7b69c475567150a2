"""The command line of a training: every setting is an option, and every option has one default."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from pydantic import ValidationError

from configs.training import LoopConfig
from tasks.core.errors import Tyre3dError
from tasks.training.loop import Trainer

Config = TypeVar("Config", bound=LoopConfig)

_OLDER_NAMES = {"checkpoint_s": ("--save-s",)}


def option_of(field: str) -> str:
    """The option that sets a field of a configuration."""
    return f"--{field.replace('_', '-')}"


def options_of(config: LoopConfig) -> list[str]:
    """The options that give a configuration, as far as it differs from its defaults."""
    changed = config.model_dump(exclude_defaults=True)
    return [word for name, value in changed.items() for word in (option_of(name), str(value))]


def train_from_command(
    parser: argparse.ArgumentParser,
    kind: type[Config],
    build: Callable[[Config, argparse.Namespace], Trainer],
) -> None:
    """Parse the command line and train.

    Args:
        parser: It has the options that are not settings, such as the folders.
        kind: The configuration, whose fields become options.
        build: Makes the trainer of a configuration and the parser's own options.
    """
    for name, field in kind.model_fields.items():
        text = f"{field.description} (default: {field.default})".replace("%", "%%")
        parser.add_argument(option_of(name), *_OLDER_NAMES.get(name, ()), dest=name, help=text)
    options = parser.parse_args()
    values: dict[str, Any] = {n: getattr(options, n) for n in kind.model_fields}
    try:
        config = kind.model_validate({n: v for n, v in values.items() if v is not None})
    except ValidationError as exc:
        first = exc.errors()[0]
        parser.error(f"{option_of(str(first['loc'][0]))}: {first['msg']}")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    if config.threads:
        torch.set_num_threads(config.threads)
    try:
        build(config, options).run()
    except Tyre3dError as exc:
        parser.exit(exc.exit_code, f"{exc}\n")
