"""Train without Prefect: ``python -m tasks.training.fusion DATA --run RUN``.

Killed at any time, the same command goes on from the last checkpoint.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from configs.training import FuseConfig
from tasks.training.command import train_from_command
from tasks.training.fusion.trainer import fusion_trainer


def main() -> None:
    """Train with the settings of the command line; each has its default."""
    parser = argparse.ArgumentParser(prog="python -m tasks.training.fusion", description=__doc__)
    parser.add_argument("data", type=Path, help="folder of the subjects")
    parser.add_argument("--run", type=Path, required=True, help="folder of checkpoint and log")
    parser.add_argument("--start-from", type=Path, help="weights to begin a new run with")
    train_from_command(
        parser,
        FuseConfig,
        lambda config, own: fusion_trainer(config, own.data, own.run, own.start_from),
    )


if __name__ == "__main__":
    main()
