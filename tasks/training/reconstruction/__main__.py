"""Train without Prefect: ``python -m tasks.training --data DIR --run DIR``; resumes if killed."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from tasks.core.errors import Tyre3dError
from tasks.training.config import TrainConfig
from tasks.training.reconstruction.trainer import Trainer


def main() -> None:
    """Train with the settings given as options; each has its default."""
    parser = argparse.ArgumentParser(prog="python -m tasks.training", description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("configs/models/tyre-mini/config.yaml"))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--start-from", type=Path, help="weights to go on from in a new run")
    for name, field in TrainConfig.model_fields.items():
        parser.add_argument(f"--{name.replace('_', '-')}", help=field.description)
    options = vars(parser.parse_args())
    model, data, run, start_from = (options.pop(k) for k in ("model", "data", "run", "start_from"))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    config = TrainConfig.model_validate({k: v for k, v in options.items() if v is not None})
    try:
        Trainer(config, model, data, run, start_from).run()
    except Tyre3dError as exc:
        parser.exit(exc.exit_code, f"{exc}\n")


if __name__ == "__main__":
    main()
