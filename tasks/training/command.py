"""The command line of a training: every setting is an option."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable
from typing import TypeVar

import torch

from configs.options import add_options, parse_options
from configs.training import LoopConfig
from tasks.core.errors import Tyre3dError
from tasks.training.loop import Trainer

Config = TypeVar("Config", bound=LoopConfig)

_OLDER_NAMES = {"checkpoint_s": ("--save-s",)}


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
    add_options(parser, kind, _OLDER_NAMES)
    options = parser.parse_args()
    config = parse_options(parser, options, kind)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    if config.threads:
        torch.set_num_threads(config.threads)
    try:
        build(config, options).run()
    except Tyre3dError as exc:
        parser.exit(exc.exit_code, f"{exc}\n")
