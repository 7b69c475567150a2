"""Train the fusing network on the subjects of :mod:`tasks.training.fusion.subjects`.

The trainer takes up subjects while others are still filmed. Its weights, ``fuser.safetensors``, are
written at each validation and at the end.
"""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from configs.training import FuseConfig
from tasks.core.errors import InputError
from tasks.fusion.decision.network import Fuser
from tasks.fusion.decision.network_inputs import CHANNELS
from tasks.network.device import pick_device
from tasks.network.weights import FUSER
from tasks.training.fusion.crops import Subject
from tasks.training.fusion.losses import occupancy_loss
from tasks.training.fusion.validation import validate
from tasks.training.loop import Objective, Trainer, export_weights, product_format, starting_from
from tasks.training.muon import Muon
from tsr.state_dict import read_state_dict

_MARGIN = 6
"""Angles at either end of a crop that do not count: the circle does not go on there."""


class FusionObjective(Objective):
    """The fusing network with its subjects.

    Args:
        config: Settings of the training.
        data: Folder of the subjects.
        run_dir: Folder of the weights.
        start_from: Weights to begin with; None for new ones.

    Raises:
        InputError: There are no subjects to train on.
        ModelError: The weights to begin with cannot be read or are of another network.
    """

    def __init__(
        self, config: FuseConfig, data: Path, run_dir: Path, start_from: Path | None = None
    ) -> None:
        self.config = config
        self.data = data
        self.weights = run_dir / FUSER
        self.device = torch.device(pick_device(config.device))
        self.product_format = product_format(config, self.device)
        torch.manual_seed(config.seed)
        self.network: Fuser = Fuser().to(self.device)
        if start_from is not None:
            with starting_from(start_from):
                self.network.load_state_dict(read_state_dict(start_from))
        self.average: Fuser = copy.deepcopy(self.network)
        layers = {n: p for n, p in self.network.named_parameters() if p.ndim == 4}
        matrices = [
            p for n, p in layers.items() if p.shape[1] > 1 and "head" not in n and ".angle" not in n
        ]
        others = [p for p in self.network.parameters() if not any(p is m for m in matrices)]
        self.optimisers = (
            Muon(matrices, config.learning_rate, config.weight_decay, torch.float32),
            torch.optim.AdamW(others, lr=config.learning_rate, weight_decay=0.0),
        )
        self.train_data: dict[int, Subject] = {}
        self.validation_data: dict[int, Subject] = {}
        self.find_new_data()
        if not self.train_data:
            raise InputError(
                "training-no-data",
                stage="train",
                what=f"{data} holds no subjects to train on",
                advice="Film some: python -m tasks.training.fusion.subjects",
            )

    def find_new_data(self) -> dict[str, float]:
        """Take up subjects filmed since the last call; returns their number for the log."""
        seeds = sorted(int(p.name.split(".")[0]) for p in self.data.glob("*.occupancy.npy"))
        for seed in seeds:
            validates = seed % self.config.validation_every == 0
            subjects = self.validation_data if validates else self.train_data
            if seed not in subjects:
                subjects[seed] = Subject.read(self.data, seed, self.device)
        return {"subjects": len(self.train_data)}

    def backward(self, rng: np.random.Generator) -> dict[str, Tensor]:
        """Draw crops with ``rng`` and add their gradients; returns the mean of their losses."""
        seeds = sorted(self.train_data)
        losses = []
        for _ in range(self.config.batch):
            seed = seeds[int(rng.integers(len(seeds)))]
            channels, statistics, solid = self.train_data[seed].crop(self.config.angles, rng)
            half = self.product_format == torch.bfloat16
            with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
                logits, section = self.network(channels, statistics)
            keep = slice(_MARGIN, -_MARGIN)
            loss = occupancy_loss(
                logits[:, keep].float(),
                section.float(),
                solid[:, keep],
                channels[CHANNELS.index("hull")][:, keep],
                self.config.edge_weight,
            )
            (loss / self.config.batch).backward()  # type: ignore[no-untyped-call]
            losses.append(loss.detach())
        return {"loss": torch.stack(losses).mean()}

    def validate(self) -> dict[str, float]:
        """Scores of the average; none without subjects to validate on."""
        subjects = [self.validation_data[seed] for seed in sorted(self.validation_data)]
        return validate(self.average, subjects) if subjects else {}

    def export(self, *, best: bool) -> None:
        """Write the average's weights: the last are taken, whether or not they are the best."""
        export_weights(self.average, self.weights)

    def finish(self) -> dict[str, float]:
        """Write the average's weights; returns their scores."""
        export_weights(self.average, self.weights)
        return self.validate()


def fusion_trainer(
    config: FuseConfig, data: Path, run_dir: Path, start_from: Path | None = None
) -> Trainer:
    """The trainer of the fusing network; arguments as of its objective."""
    return Trainer(config, FusionObjective(config, data, run_dir, start_from), run_dir)
