"""Networks of a few thousand weights and little data to train them on."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from configs.training import FuseConfig, ShardConfig, TrainConfig
from tasks.fusion.decision.network_inputs import CHANNELS
from tasks.synthetic.datasets.dataset import write_shard
from tasks.synthetic.tyres.spec import TRAIN_SEEDS, VALIDATION_SEEDS
from tasks.training.fusion.trainer import fusion_trainer
from tasks.training.loop import Trainer
from tasks.training.reconstruction.trainer import reconstruction_trainer

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


def small_fusion(data: Path, run_dir: Path, **changes: object) -> Trainer:
    """The trainer of the fusing network with little to do in a step."""
    return fusion_trainer(FUSE.model_copy(update=changes), data, run_dir)
