"""The configuration of a model, read and checked."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.tsr.conftest import tiny_config
from tsr.config import TSRConfig, ViTConfig
from tsr.errors import ConfigError
from tsr.system import TSR


def test_published_config_with_interpolation(tmp_path: Path) -> None:
    config = tiny_config()
    config["image_tokenizer"].pop("vit")
    config["backbone"] |= {"in_channels": "${tokenizer.num_channels}", "cross_attention_dim": 768}
    path = tmp_path / "config.yaml"
    path.write_text(json.dumps(config))
    loaded = TSRConfig.load(path)
    assert loaded.image_tokenizer.vit == ViTConfig()
    assert loaded.backbone.in_channels == 64


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("decoder_cls", "os.system", "decoder_cls is 'os.system'"),
        ("decoder.activation", "relu", "decoder.activation is 'relu'; only 'silu'"),
        ("decoder.n_neurons", -3, "decoder.n_neurons must be a positive int, not -3"),
        ("decoder.n_neuron", 3, "unknown key 'decoder.n_neuron'"),
        ("decoder.in_channels", 23, "decoder.in_channels is 23"),
        ("colour", 1, "unknown key 'colour'"),
        ("tokenizer", 3, "tokenizer must be a mapping"),
        ("renderer.radius", "big", "renderer.radius must be a float, not 'big'"),
        ("cond_image_size", 161, "no multiple of the patch size"),
        ("image_tokenizer.vit.num_attention_heads", 5, "must be a multiple of"),
        ("backbone.num_layers", None, "backbone.num_layers must be a positive int"),
    ],
)
def test_bad_config_is_refused(path: str, value: object, message: str) -> None:
    config = tiny_config()
    *parents, key = path.split(".")
    node = config
    for parent in parents:
        node = node[parent]
    node[key] = value
    with pytest.raises(ConfigError, match=re.escape(message)):
        TSR(config)


def test_missing_and_broken_configs_are_refused(tmp_path: Path) -> None:
    config = tiny_config()
    del config["backbone"]["num_layers"]
    with pytest.raises(ConfigError, match=r"backbone: missing .*num_layers"):
        TSR(config)
    with pytest.raises(ConfigError, match=r"none\.yaml"):
        TSRConfig.load(tmp_path / "none.yaml")
    (tmp_path / "bad.yaml").write_text("a: [1")
    with pytest.raises(ConfigError, match="cannot read"):
        TSRConfig.load(tmp_path / "bad.yaml")
    (tmp_path / "bad.yaml").write_text("- 1")
    with pytest.raises(ConfigError, match="must be a mapping"):
        TSRConfig.load(tmp_path / "bad.yaml")
