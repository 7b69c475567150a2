"""The configuration of a model: ``config.yaml`` of the checkpoint, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from tsr.errors import ConfigError

CLASSES = {
    "image_tokenizer_cls": "tsr.models.tokenizers.image.DINOSingleImageTokenizer",
    "tokenizer_cls": "tsr.models.tokenizers.triplane.Triplane1DTokenizer",
    "backbone_cls": "tsr.models.transformer.transformer_1d.Transformer1D",
    "post_processor_cls": "tsr.models.network_utils.TriplaneUpsampleNetwork",
    "decoder_cls": "tsr.models.network_utils.NeRFMLP",
    "renderer_cls": "tsr.models.nerf_renderer.TriplaneNeRFRenderer",
}
"""The only values the ``*_cls`` keys may have. They are compared, never imported."""


@dataclass(frozen=True)
class ViTConfig:
    """Sizes of the image encoder, named as in transformers; the defaults are DINO ViT-B/16."""

    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    image_size: int = 224
    patch_size: int = 16
    num_channels: int = 3
    layer_norm_eps: float = 1e-12
    qkv_bias: bool = True
    hidden_act: str = "gelu"

    fixed: ClassVar[Mapping[str, Any]] = {"hidden_act": "gelu", "num_channels": 3}
    ignored: ClassVar[frozenset[str]] = frozenset(
        {
            "model_type", "architectures", "attention_probs_dropout_prob", "hidden_dropout_prob",
            "initializer_range", "encoder_stride", "pooler_act", "pooler_output_size",
            "transformers_version", "torch_dtype", "dtype", "_name_or_path",
        }
    )  # fmt: skip

    def __post_init__(self) -> None:
        _require_multiple("image_tokenizer.vit", self, "hidden_size", "num_attention_heads")
        _require_multiple("image_tokenizer.vit", self, "image_size", "patch_size")


@dataclass(frozen=True)
class ImageTokenizerConfig:
    """The image encoder."""

    pretrained_model_name_or_path: str = "facebook/dino-vitb16"
    vit: ViTConfig = field(default_factory=ViTConfig)

    fixed: ClassVar[Mapping[str, Any]] = {}
    ignored: ClassVar[frozenset[str]] = frozenset({"enable_gradient_checkpointing"})


@dataclass(frozen=True)
class TokenizerConfig:
    """The learned triplane tokens: ``3 * plane_size**2`` of ``num_channels``."""

    plane_size: int
    num_channels: int

    fixed: ClassVar[Mapping[str, Any]] = {}
    ignored: ClassVar[frozenset[str]] = frozenset()


@dataclass(frozen=True)
class BackboneConfig:
    """The transformer."""

    in_channels: int
    num_attention_heads: int
    attention_head_dim: int
    num_layers: int
    cross_attention_dim: int
    norm_num_groups: int = 32

    fixed: ClassVar[Mapping[str, Any]] = {}
    ignored: ClassVar[frozenset[str]] = frozenset({"enable_memory_efficient_attention"})

    def __post_init__(self) -> None:
        _require_multiple("backbone", self, "in_channels", "norm_num_groups")


@dataclass(frozen=True)
class PostProcessorConfig:
    """The upsampling of the planes by ``stride``."""

    in_channels: int
    out_channels: int
    stride: int = 2

    fixed: ClassVar[Mapping[str, Any]] = {}
    ignored: ClassVar[frozenset[str]] = frozenset()


@dataclass(frozen=True)
class DecoderConfig:
    """The MLP from plane features to density and colour."""

    in_channels: int
    n_neurons: int
    n_hidden_layers: int
    activation: str = "silu"

    fixed: ClassVar[Mapping[str, Any]] = {"activation": "silu"}
    ignored: ClassVar[frozenset[str]] = frozenset()


@dataclass(frozen=True)
class RendererConfig:
    """The field's box and the volume renderer."""

    radius: float = 0.87
    feature_reduction: str = "concat"
    density_activation: str = "exp"
    density_bias: float = -1.0
    color_activation: str = "sigmoid"
    num_samples_per_ray: int = 128

    fixed: ClassVar[Mapping[str, Any]] = {
        "feature_reduction": "concat",
        "density_activation": "exp",
        "color_activation": "sigmoid",
    }
    ignored: ClassVar[frozenset[str]] = frozenset({"randomized"})


@dataclass(frozen=True)
class TSRConfig:
    """A whole model."""

    cond_image_size: int
    tokenizer: TokenizerConfig
    backbone: BackboneConfig
    post_processor: PostProcessorConfig
    decoder: DecoderConfig
    renderer: RendererConfig
    image_tokenizer: ImageTokenizerConfig = field(default_factory=ImageTokenizerConfig)

    fixed: ClassVar[Mapping[str, Any]] = {}
    ignored: ClassVar[frozenset[str]] = frozenset(CLASSES)

    def __post_init__(self) -> None:
        vit = self.image_tokenizer.vit
        backbone, planes = self.backbone, self.post_processor
        for name, value, other, expected in (
            (
                "backbone.in_channels",
                backbone.in_channels,
                "tokenizer.num_channels",
                self.tokenizer.num_channels,
            ),
            (
                "backbone.cross_attention_dim",
                backbone.cross_attention_dim,
                "image_tokenizer.vit.hidden_size",
                vit.hidden_size,
            ),
            (
                "post_processor.in_channels",
                planes.in_channels,
                "backbone.in_channels",
                backbone.in_channels,
            ),
            (
                "decoder.in_channels",
                self.decoder.in_channels,
                "3 * post_processor.out_channels",
                3 * planes.out_channels,
            ),
        ):
            if value != expected:
                raise ConfigError(f"{name} is {value}, but {other} is {expected}; both must agree")
        if self.cond_image_size % vit.patch_size:
            raise ConfigError(
                f"cond_image_size {self.cond_image_size} is no multiple of the "
                f"patch size {vit.patch_size}"
            )

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> TSRConfig:
        """Check plain types and build the configuration.

        Raises:
            ConfigError: A key is unknown or missing, a value is wrong, or a ``*_cls`` key names
                a class other than TripoSR's.
        """
        for key, expected in CLASSES.items():
            value = record.get(key, expected)
            if value != expected:
                raise ConfigError(f"{key} is {value!r}; the only class known is {expected!r}")
        return _build(cls, record, "")

    @classmethod
    def load(cls, path: Path) -> TSRConfig:
        """Read a YAML (or JSON) file; ``${...}`` interpolations are resolved.

        Raises:
            ConfigError: The file is missing, no YAML, or fails :meth:`from_dict`.
        """
        from omegaconf import OmegaConf
        from omegaconf.errors import OmegaConfBaseException
        from yaml import YAMLError

        try:
            record = OmegaConf.to_container(OmegaConf.load(path), resolve=True)
        except (
            OSError,
            RecursionError,  # nested too deeply
            UnicodeDecodeError,
            YAMLError,
            OmegaConfBaseException,
        ) as exc:
            raise ConfigError(f"{path}: cannot read the model's configuration: {exc}") from exc
        if not isinstance(record, dict):
            raise ConfigError(f"{path}: the model's configuration must be a mapping")
        try:
            return cls.from_dict({str(k): v for k, v in record.items()})
        except ConfigError as exc:
            raise ConfigError(f"{path}: {exc}") from exc


Node = TypeVar("Node")
_SECTIONS: dict[tuple[type, str], type] = {
    (TSRConfig, "image_tokenizer"): ImageTokenizerConfig,
    (TSRConfig, "tokenizer"): TokenizerConfig,
    (TSRConfig, "backbone"): BackboneConfig,
    (TSRConfig, "post_processor"): PostProcessorConfig,
    (TSRConfig, "decoder"): DecoderConfig,
    (TSRConfig, "renderer"): RendererConfig,
    (ImageTokenizerConfig, "vit"): ViTConfig,
}


def _build(cls: type[Node], record: object, where: str) -> Node:
    if not isinstance(record, Mapping):
        raise ConfigError(f"{where or 'the configuration'} must be a mapping, not {record!r}")
    known = {f.name: str(f.type) for f in fields(cls)}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for key, value in record.items():
        name = f"{where}.{key}" if where else str(key)
        if key in cls.ignored:  # type: ignore[attr-defined]
            continue
        if key not in known:
            raise ConfigError(f"unknown key {name!r}; known here: {', '.join(sorted(known))}")
        section = _SECTIONS.get((cls, key))
        values[key] = _build(section, value, name) if section else _scalar(name, value, known[key])
        fixed = cls.fixed  # type: ignore[attr-defined]
        if key in fixed and value != fixed[key]:
            raise ConfigError(f"{name} is {value!r}; only {fixed[key]!r} is known")
    try:
        return cls(**values)
    except TypeError as exc:  # names the missing arguments
        missing = str(exc).partition("missing ")[2]
        raise ConfigError(f"{where or 'the configuration'}: missing {missing or exc}") from exc


def _scalar(name: str, value: object, kind: str) -> object:
    if kind == "float" and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if kind == "int" and isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    if kind == "bool" and isinstance(value, bool):
        return value
    if kind == "str" and isinstance(value, str):
        return value
    expected = "positive int" if kind == "int" else kind
    raise ConfigError(f"{name} must be a {expected}, not {value!r}")


def _require_multiple(where: str, cfg: object, whole: str, part: str) -> None:
    a, b = getattr(cfg, whole), getattr(cfg, part)
    if a % b:
        raise ConfigError(f"{where}.{whole} ({a}) must be a multiple of {where}.{part} ({b})")
