"""Settings of the trainings and of their data: frozen, bounded, each default stated once.

Every field is an option of the same name of ``python -m tasks.training.reconstruction``,
``python -m tasks.training.fusion`` or ``python -m tasks.training.segmentation``; the flows take the
model itself.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Minutes = Annotated[
    float,
    Field(gt=0, description="budget of training time, minutes, resumptions included"),
]
DecayShare = Annotated[
    float, Field(gt=0, le=1, description="last share of the budget, in which the rate falls")
]
FinalRate = Annotated[
    float, Field(ge=0, le=1, description="learning rate at the end, share of its peak")
]
LearningRate = Annotated[float, Field(gt=0, description="peak learning rate")]
WeightDecay = Annotated[
    float, Field(ge=0, description="decoupled decay of the weight matrices, share of the rate")
]
WarmupSteps = Annotated[int, Field(ge=1, description="steps in which the rate rises")]
Average = Annotated[float, Field(ge=0, lt=1, description="decay of the averaged weights")]
Batch = Annotated[int, Field(ge=1, description="views or crops in a step")]
ValidateSteps = Annotated[
    int, Field(ge=1, description="steps between validations, where the budget is one of steps")
]
ValidateSeconds = Annotated[
    float,
    Field(gt=0, description="seconds between validations, where the budget is one of minutes"),
]
Threads = Annotated[int, Field(ge=0, description="threads of the CPU; 0: as PyTorch chooses")]
Device = Annotated[
    str, Field(description="device to train on: auto, cpu or cuda; auto: a GPU if there is one")
]


class LoopConfig(BaseModel):
    """What all trainings share: budget, learning rate, averaging, validation, checkpoints."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int | None = Field(
        None,
        ge=1,
        description="budget of optimiser steps; where it is set, minutes do not count and the same"
        " seed and data give the same weights again",
    )
    minutes: Minutes
    decay_share: DecayShare
    final_rate: FinalRate
    learning_rate: LearningRate
    weight_decay: WeightDecay
    warmup_steps: WarmupSteps
    average: Average
    batch: Batch
    log_steps: int = Field(50, ge=1, description="steps between rows of the log with losses")
    validate_steps: ValidateSteps
    validate_s: ValidateSeconds
    checkpoint_s: float = Field(120.0, ge=0, description="seconds between checkpoints")
    seed: int = Field(0, ge=0, description="seed of weights and batches")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto",
        description="format of the products; auto: bfloat16 where the device is faster in it",
    )
    threads: Threads
    device: Device


class TrainConfig(LoopConfig):
    """Settings of a training of the reconstruction network."""

    minutes: Minutes = 100.0
    decay_share: DecayShare = 0.4
    final_rate: FinalRate = 0.0
    learning_rate: LearningRate = 1.2e-3
    weight_decay: WeightDecay = 0.02
    warmup_steps: WarmupSteps = 100
    average: Average = 0.998
    batch: Batch = 16
    validate_steps: ValidateSteps = 500
    validate_s: ValidateSeconds = 300.0
    threads: Threads = 0
    device: Device = "auto"
    points: int = Field(2048, ge=64, description="points of known occupancy for each view")
    colour_points: int = Field(192, ge=0, description="coloured surface points for each view")
    colour_weight: float = Field(0.5, ge=0, description="weight of the colour's squared error")
    most_shards: int = Field(
        1000, ge=1, description="training shards to take up; a GPU keeps 45 MB of each in memory"
    )
    compiled: bool = Field(
        False, description="compile the network: 1.4 times the speed on a GPU, after a minute"
    )


class FuseConfig(LoopConfig):
    """Settings of a training of the fusing network."""

    minutes: Minutes = 55.0
    decay_share: DecayShare = 0.5
    final_rate: FinalRate = 0.01
    learning_rate: LearningRate = 3e-3
    weight_decay: WeightDecay = 0.01
    warmup_steps: WarmupSteps = 50
    average: Average = 0.995
    batch: Batch = 2
    validate_steps: ValidateSteps = 100
    validate_s: ValidateSeconds = 120.0
    threads: Threads = 1
    device: Device = "cpu"
    angles: int = Field(
        64,
        ge=16,
        multiple_of=4,
        description="steps around the axle in a crop, of which six at either end do not count",
    )
    validation_every: int = Field(
        12, ge=2, description="one subject in so many, by number, is kept for validation"
    )
    edge_weight: float = Field(
        4.0, ge=0, description="weight of nodes near the surface, added to that of all nodes"
    )


class SegmentConfig(LoopConfig):
    """Settings of a training of the tyre segmenter."""

    minutes: Minutes = 60.0
    decay_share: DecayShare = 0.5
    final_rate: FinalRate = 0.01
    learning_rate: LearningRate = 2e-3
    weight_decay: WeightDecay = 0.01
    warmup_steps: WarmupSteps = 50
    average: Average = 0.998
    batch: Batch = 8
    validate_steps: ValidateSteps = 200
    validate_s: ValidateSeconds = 120.0
    threads: Threads = 1
    device: Device = "cpu"
    crop_share: float = Field(
        0.7,
        ge=0,
        le=1,
        description="share of steps on crops about a tyre, the rest on whole frames",
    )
    fine_share: float = Field(
        0.4,
        ge=0,
        le=1,
        description="share of steps at the size of inference; the others cost half of it"
        " (a training that is resumed may change this)",
    )
    view_share: float = Field(
        0.5, ge=0, le=1, description="share of images from rendered views, the rest composed"
    )
    edge_weight: float = Field(
        3.0, ge=0, description="weight of pixels near a boundary, added to that of all pixels"
    )
    validation_every: int = Field(
        10, ge=2, description="one shard in so many, by number, is kept for validation"
    )
    validation_images: int = Field(
        40, ge=1, description="images of the shards kept that are scored, at most"
    )


class ShardConfig(BaseModel):
    """Sizes of a shard of training views."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    views: int = Field(10, ge=1, description="views of each tyre")
    size_px: int = Field(128, ge=16, description="side of a view, pixels")
    points: int = Field(49152, ge=3, description="points of known occupancy for each tyre")
    surface_points: int = Field(4096, ge=1, description="coloured surface points for each tyre")
    detail: float = Field(
        0.35, gt=0, le=1, description="density of the rendered mesh, share of the full one"
    )
