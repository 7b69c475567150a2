"""Settings of a training."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field

from tsr.precision import native_bfloat16


class TrainConfig(BaseModel):
    """Settings of one training."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    minutes: float = Field(100.0, gt=0, description="training time, minutes, resumptions included")
    decay_share: float = Field(
        0.4, gt=0, le=1, description="last share of the time with falling rate"
    )
    batch: int = Field(16, ge=1, description="views in a batch")
    points: int = Field(2048, ge=64, description="points of known occupancy for each view")
    colour_points: int = Field(192, ge=0, description="coloured surface points for each view")
    colour_weight: float = Field(0.5, ge=0, description="weight of the colour's squared error")
    learning_rate: float = Field(1.2e-3, gt=0, description="peak learning rate")
    weight_decay: float = Field(0.02, ge=0, description="of the weight matrices")
    warmup_steps: int = Field(100, ge=1, description="steps of rising rate")
    average: float = Field(0.998, ge=0, lt=1, description="decay of the averaged weights")
    checkpoint_s: float = Field(120.0, gt=0, description="seconds between checkpoints")
    validate_s: float = Field(300.0, gt=0, description="seconds between validations")
    most_shards: int = Field(
        1000, ge=1, description="training shards to take up; a GPU keeps 45 MB of each in memory"
    )
    seed: int = Field(0, description="of weights and batches")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="of the products; auto: bfloat16 where the device computes it natively"
    )
    compiled: bool = Field(
        False, description="compile the network: 1.4 times the speed on a GPU, after a minute"
    )
    device: str = Field(
        default_factory=lambda: "cuda" if torch.cuda.is_available() else "cpu",
        description="cpu or cuda; default: a GPU if there is one",
    )

    @property
    def dtype(self) -> torch.dtype:
        """The format that ``precision`` means on the device."""
        native = self.precision == "auto" and native_bfloat16(torch.device(self.device))
        return torch.bfloat16 if native or self.precision == "bfloat16" else torch.float32
