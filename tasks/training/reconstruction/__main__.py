"""Train without Prefect: ``python -m tasks.training.reconstruction --data DIR --run DIR``.

Killed at any time, the same command goes on from the last checkpoint.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from configs.presets import BUNDLED_MODEL
from configs.registry import BUNDLED
from configs.training import TrainConfig
from tasks.training.command import train_from_command
from tasks.training.reconstruction.trainer import reconstruction_trainer


def main() -> None:
    """Train with the settings of the command line; each has its default."""
    parser = argparse.ArgumentParser(
        prog="python -m tasks.training.reconstruction", description=__doc__
    )
    parser.add_argument(
        "--model",
        type=Path,
        default=BUNDLED / BUNDLED_MODEL / "config.yaml",
        help="the network's configuration (default: the bundled model's)",
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the shards")
    parser.add_argument("--run", type=Path, required=True, help="folder of checkpoint and log")
    parser.add_argument("--start-from", type=Path, help="weights to begin a new run with")
    train_from_command(
        parser,
        TrainConfig,
        lambda config, own: reconstruction_trainer(
            config, own.model, own.data, own.run, own.start_from
        ),
    )


if __name__ == "__main__":
    main()
