"""A network of a few thousand weights and two small shards to train it on."""

from pathlib import Path

from tasks.synthetic.datasets.dataset import ShardConfig, write_shard
from tasks.synthetic.tyres.spec import TRAIN_SEEDS, VALIDATION_SEEDS

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


def write_data(folder: Path) -> Path:
    """One shard of two tyres, one of one tyre to validate on; returns the folder."""
    write_shard(folder / "train-00000", TRAIN_SEEDS[:2], SMALL)
    write_shard(folder / "validation-00000", VALIDATION_SEEDS[:1], SMALL)
    return folder
