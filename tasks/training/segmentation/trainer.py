"""Train the segmenter on shards of cut-out tyres and rendered views.

The trainer takes up shards while others are still made. Its weights, ``segmenter.safetensors``, are
written at each validation and at the end.
"""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from configs.training import SegmentConfig
from tasks.matting.tyre_net import TyreNet, channels_last, folded, load_tyre_net, unfolded
from tasks.network.device import pick_device
from tasks.training.loop import (
    Objective,
    Trainer,
    export_weights,
    product_format,
    starting_from,
)
from tasks.training.segmentation.batches import SegmentData
from tasks.training.segmentation.losses import segmentation_loss
from tasks.training.segmentation.validation import validate

WEIGHTS = "segmenter.safetensors"
"""Name of the weights in a run's folder."""


class SegmentObjective(Objective):
    """The segmenter with its shards.

    Args:
        config: Settings of the training.
        data: Folder of the shards.
        run_dir: Folder of the weights.
        start_from: Weights to begin with; None for new ones.

    Raises:
        InputError: There are no tyres to train on.
        ModelError: The weights to begin with cannot be read or are of another network.
    """

    def __init__(
        self, config: SegmentConfig, data: Path, run_dir: Path, start_from: Path | None = None
    ) -> None:
        self.config = config
        self.weights = run_dir / WEIGHTS
        self.device = torch.device(pick_device(config.device))
        self.product_format = product_format(config, self.device)
        self.data = SegmentData(data, config)
        self.data.require_shards()
        torch.manual_seed(config.seed)
        network = TyreNet(norm=True)
        if start_from is not None:
            images, _, _ = self.data.draw(np.random.default_rng(config.seed))
            with starting_from(start_from):
                plain = load_tyre_net(start_from)
            network = unfolded(plain, images)
        self.network: TyreNet = channels_last(network.to(self.device)).train()
        self.average: TyreNet = copy.deepcopy(self.network).eval()
        kernels = [p for p in self.network.parameters() if p.ndim == 4]
        others = [p for p in self.network.parameters() if p.ndim != 4]
        self.optimisers = (
            torch.optim.AdamW(kernels, lr=config.learning_rate, weight_decay=config.weight_decay),
            torch.optim.AdamW(others, lr=config.learning_rate, weight_decay=0.0),
        )

    def find_new_data(self) -> dict[str, float]:
        """Take up shards published since the last call; returns their number for the log."""
        self.data.rescan()
        return {"shards": len(self.data.train.rgba), "views": len(self.data.views)}

    def backward(self, rng: np.random.Generator) -> dict[str, Tensor]:
        """Draw a batch with ``rng`` and add its gradients; returns its loss."""
        images, parts, near = (x.to(self.device) for x in self.data.draw(rng))
        images = images.contiguous(memory_format=torch.channels_last)
        half = self.product_format == torch.bfloat16
        with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            logits = self.network(images)
        loss = segmentation_loss(logits, parts, near, self.config.edge_weight)
        loss.backward()  # type: ignore[no-untyped-call]
        return {"loss": loss}

    def validate(self) -> dict[str, float]:
        """Scores of the average; none without shards to validate on."""
        pairs = self.data.validation_pairs()
        return validate(self.average, pairs, self.product_format) if pairs else {}

    def export(self, *, best: bool) -> None:
        """Write the average's weights: the last are taken, whether or not they are the best."""
        export_weights(folded(self.average), self.weights)

    def finish(self) -> dict[str, float]:
        """Write the average's weights; returns their scores."""
        export_weights(folded(self.average), self.weights)
        return self.validate()


def segmentation_trainer(
    config: SegmentConfig, data: Path, run_dir: Path, start_from: Path | None = None
) -> Trainer:
    """The trainer of the segmenter; arguments as of its objective."""
    return Trainer(config, SegmentObjective(config, data, run_dir, start_from), run_dir)
