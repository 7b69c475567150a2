"""Networks of a few thousand weights and little data to train them on."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from configs.training import FuseConfig, SegmentConfig, ShardConfig, TrainConfig
from tasks.fusion.decision.network_inputs import CHANNELS
from tasks.matting.parts import BACKGROUND, RIM, RUBBER
from tasks.synthetic.datasets.dataset import write_shard
from tasks.synthetic.tyres.spec import TRAIN_SEEDS, VALIDATION_SEEDS
from tasks.training.fusion.trainer import fusion_trainer
from tasks.training.loop import Trainer
from tasks.training.reconstruction.trainer import reconstruction_trainer
from tasks.training.segmentation import cutouts
from tasks.training.segmentation.trainer import segmentation_trainer

SMALL = ShardConfig(views=2, size_px=32, points=1536, surface_points=64, detail=0.2)
CONFIG = """
cond_image_size: 32
image_tokenizer_cls: tsr.models.tokenizers.image.DINOSingleImageTokenizer
image_tokenizer:
  vit: {hidden_size: 32, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 64,
        image_size: 32, patch_size: 16}
tokenizer_cls: tsr.models.tokenizers.triplane.Triplane1DTokenizer
tokenizer: {plane_size: 4, num_channels: 32}
backbone_cls: tsr.models.transformer.transformer_1d.Transformer1D
backbone: {in_channels: 32, num_attention_heads: 2, attention_head_dim: 16, num_layers: 1,
           cross_attention_dim: 32}
post_processor_cls: tsr.models.network_utils.TriplaneUpsampleNetwork
post_processor: {in_channels: 32, out_channels: 8, stride: 2}
decoder_cls: tsr.models.network_utils.NeRFMLP
decoder: {in_channels: 24, n_neurons: 16, n_hidden_layers: 1, activation: silu}
renderer_cls: tsr.models.nerf_renderer.TriplaneNeRFRenderer
renderer: {radius: 0.87, feature_reduction: concat, density_activation: exp, density_bias: -1.0,
           num_samples_per_ray: 16}
"""
TRAIN = TrainConfig(
    batch=2,
    points=64,
    colour_points=8,
    precision="float32",
    learning_rate=0.01,
    warmup_steps=20,
    threads=1,
    device="cpu",
)
FUSE = FuseConfig(
    batch=1, angles=24, validation_every=4, average=0.9, learning_rate=4e-3, precision="float32"
)
SEGMENT = SegmentConfig(
    batch=1,
    fine_share=0.0,
    validation_every=2,
    validation_images=3,
    average=0.9,
    precision="float32",
)
SUBJECT_SHAPE = (16, 24, 12)


def write_data(folder: Path) -> Path:
    """One shard of two tyres, one of one tyre to validate on; returns the folder."""
    write_shard(folder / "train-00000", TRAIN_SEEDS[:2], SMALL)
    write_shard(folder / "validation-00000", VALIDATION_SEEDS[:1], SMALL)
    return folder


def make_subject(folder: Path, seed: int) -> None:
    """A ring whose place only the photos of one face tell; the network says nothing of use."""
    rng = np.random.default_rng(seed)
    channels = rng.normal(0.0, 0.2, (len(CHANNELS), *SUBJECT_SHAPE)).astype(np.float16)
    r, _, z = np.meshgrid(*(np.arange(n) for n in SUBJECT_SHAPE), indexing="ij")
    middle = rng.integers(3, 9)
    solid = (np.abs(z - middle) < 2) & (r > 4)
    channels[CHANNELS.index("hull")] = 1.0
    channels[CHANNELS.index("consistency")] += np.where(np.abs(z - middle) == 2, 2.0, 0.0)
    np.save(folder / f"{seed}.channels.npy", channels)
    np.save(folder / f"{seed}.occupancy.npy", np.where(solid, 255, 0).astype(np.uint8))


def write_subjects(folder: Path, count: int = 8, first: int = 0) -> Path:
    """Subjects of consecutive seeds; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(first, first + count):
        make_subject(folder, seed)
    return folder


def small_reconstruction(
    data: Path, run_dir: Path, start_from: Path | None = None, **changes: object
) -> Trainer:
    """The trainer of a small reconstruction network; its configuration lies beside ``run_dir``."""
    path = run_dir.parent / "config.yaml"
    path.write_text(CONFIG)
    return reconstruction_trainer(TRAIN.model_copy(update=changes), path, data, run_dir, start_from)


def small_fusion(
    data: Path, run_dir: Path, start_from: Path | None = None, **changes: object
) -> Trainer:
    """The trainer of the fusing network with little to do in a step."""
    return fusion_trainer(FUSE.model_copy(update=changes), data, run_dir, start_from)


def write_cut_outs(folder: Path, shards: int = 2) -> Path:
    """Shards of two drawn wheels and two rooms each; returns the folder."""
    for number in range(shards):
        shard = folder / f"{cutouts.PREFIX}{number:05d}"
        shard.mkdir(parents=True)
        pairs = [drawn_wheel(96, seed=2 * number + k) for k in range(2)]
        rng = np.random.default_rng(number)
        rooms = rng.integers(90, 255, (2, 96, 96, 3)).astype(np.uint8)
        np.save(shard / "rgba.npy", np.stack([rgba for rgba, _ in pairs]))
        np.save(shard / "parts.npy", np.stack([parts for _, parts in pairs]))
        np.save(shard / "rooms.npy", rooms)
    return folder


def drawn_wheel(side: int, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A dark ring about a bright one about an opening: ``(S, S, 4)`` and its parts ``(S, S)``."""
    rng = np.random.default_rng(seed)
    parts = np.zeros((side, side), np.uint8)
    middle, radius = (side // 2, side // 2), int(0.47 * side)
    for value, share in ((RUBBER, 1.0), (RIM, 0.6), (BACKGROUND, 0.4)):
        cv2.circle(parts, middle, int(share * radius), value, -1)
    rgba = np.zeros((side, side, 4), np.uint8)
    rgba[parts == RUBBER, :3] = 30 + rng.integers(0, 20)
    rgba[parts == RIM, :3] = 180 + rng.integers(0, 50, 3)
    rgba[parts != BACKGROUND, 3] = 255
    return rgba, parts


def small_segmentation(
    data: Path, run_dir: Path, start_from: Path | None = None, **changes: object
) -> Trainer:
    """The trainer of the segmenter on one small image a step."""
    return segmentation_trainer(SEGMENT.model_copy(update=changes), data, run_dir, start_from)
