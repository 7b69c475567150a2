"""Train the reconstruction network on generated views: supervision of occupancy and colour.

The trainer reads shards while a generator still writes them, and keeps the weights that validate
best: ``best.safetensors``, and at the end, calibrated, ``final.safetensors``.
"""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from configs.training import TrainConfig
from tasks.network.device import pick_device
from tasks.training.loop import (
    Objective,
    Trainer,
    export_weights,
    product_format,
    starting_from,
)
from tasks.training.muon import Muon
from tasks.training.reconstruction.initialise import initialise
from tasks.training.reconstruction.losses import occupancy_and_colour_loss
from tasks.training.reconstruction.shards import ShardReader
from tasks.training.reconstruction.validation import calibrate, validate
from tsr.config import TSRConfig
from tsr.state_dict import read_state_dict
from tsr.system import TSR

BEST, FINAL = "best.safetensors", "final.safetensors"
"""Names of the weights in a run's folder."""

_COMPILED = ("_encode", "decode_points")
"""What takes the time of a step."""


class ReconstructionObjective(Objective):
    """The reconstruction network with its shards.

    Args:
        config: Settings of the training.
        model_config: The network's configuration.
        data: Folder of the shards.
        run_dir: Folder of the weights.
        start_from: Weights to begin with; None for new ones.

    Raises:
        InputError: There are no shards, or they are of an older generator.
        ModelError: The weights to begin with cannot be read or are of another network.
    """

    def __init__(
        self,
        config: TrainConfig,
        model_config: Path,
        data: Path,
        run_dir: Path,
        start_from: Path | None = None,
    ) -> None:
        self.config = config
        self.run_dir = run_dir
        device = pick_device(config.device)
        self.product_format = product_format(config, torch.device(device))
        torch.manual_seed(config.seed)
        self.network: TSR = TSR(TSRConfig.load(model_config))
        initialise(self.network)
        if start_from is not None:
            with starting_from(start_from):
                self.network.load_state_dict(read_state_dict(start_from))
        self.network.to(device)
        self.average: TSR = copy.deepcopy(self.network)
        if config.compiled:
            parts = {name: torch.compile(getattr(self.network, name)) for name in _COMPILED}
            vars(self.network).update(parts)
        matrices: list[torch.nn.Parameter] = []
        others: list[torch.nn.Parameter] = []
        for name, p in self.network.named_parameters():
            hidden = p.ndim == 2 and ("backbone" in name or ".layer." in name)
            (matrices if hidden else others).append(p)
        self.optimisers = (
            Muon(matrices, config.learning_rate, config.weight_decay, self.product_format),
            torch.optim.AdamW(others, lr=config.learning_rate, betas=(0.9, 0.98), weight_decay=0.0),
        )
        self.train_data = ShardReader(data, "train", device, config.most_shards)
        self.train_data.require_shards()
        self.validation_data = ShardReader(data, "validation", device)

    def find_new_data(self) -> dict[str, float]:
        """Take up shards published since the last call; returns their number for the log."""
        self.train_data.rescan()
        return {"shards": len(self.train_data.shards)}

    def backward(self, rng: np.random.Generator) -> dict[str, Tensor]:
        """Draw a batch with ``rng`` and add its gradients; returns its losses by name."""
        batch = self.train_data.draw(self.config, rng)
        occupancy, colour = occupancy_and_colour_loss(self.network, batch, self.product_format)
        (occupancy + self.config.colour_weight * colour).backward()  # type: ignore[no-untyped-call]
        return {"loss": occupancy, "colour_loss": colour}

    def validate(self) -> dict[str, float]:
        """Scores of the average; none without validation shards."""
        self.validation_data.rescan()
        return validate(self.average, self.validation_data) if self.validation_data.shards else {}

    def export(self, *, best: bool) -> None:
        """Keep the average's weights if they are the best."""
        if best:
            export_weights(self.average, self.run_dir / BEST)

    def finish(self) -> dict[str, float]:
        """Calibrate the best weights on the validation views; returns their scores."""
        scores = {}
        if self.validation_data.shards:
            self.average.load_state_dict(read_state_dict(self.run_dir / BEST))
            offset = calibrate(self.average, self.validation_data)
            scores = {"calibration": offset, **validate(self.average, self.validation_data)}
        export_weights(self.average, self.run_dir / FINAL)
        return scores


def reconstruction_trainer(
    config: TrainConfig,
    model_config: Path,
    data: Path,
    run_dir: Path,
    start_from: Path | None = None,
) -> Trainer:
    """The trainer of the reconstruction network; arguments as of its objective."""
    objective = ReconstructionObjective(config, model_config, data, run_dir, start_from)
    return Trainer(config, objective, run_dir)
