"""Requests, settings, models and weights that cannot be used."""

from __future__ import annotations

import json
import os
import pickle
import struct
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from unittest import mock

import yaml

from configs.request import BatchRequest, ReconstructRequest
from configs.stages import InferConfig, MaskConfig, MergeConfig, PoseConfig, SelectConfig
from flows.support.settings import load_settings
from tasks.network.load import load_model
from tasks.network.weights import choose_model
from tests.conftest import GOLDEN, write_tiny_model
from tests.corpus.case import MADE, REFUSED, Case

_UNUSABLE = ("model-unreadable",)


def requests() -> Iterator[Case]:
    """Values that no run can have."""
    good = {"input": "/in/a.mp4", "glb_path": "/out/a.glb"}
    bad: dict[str, dict[str, object]] = {
        "no input": {"input": None},
        "an address of no kind": {"input": "ftp://host/a.mp4"},
        "an address of a bucket": {"input": "s3://bucket"},
        "an address with points": {"input": "s3://bucket/../a.mp4"},
        "an address with a slash": {"glb_path": "s3://bucket/a.glb/"},
        "no frames": {"num_frames": 0},
        "too many frames": {"num_frames": 10_000},
        "half a frame": {"num_frames": 1.5},
        "no resolution": {"mc_resolution": 0},
        "an absurd resolution": {"mc_resolution": 10**9},
        "no diameter": {"diameter_mm": 0},
        "a diameter that is no number": {"diameter_mm": float("nan")},
        "an endless diameter": {"diameter_mm": float("inf")},
        "a negative diameter": {"diameter_mm": -720},
        "an unknown preset": {"preset": "best"},
        "an unknown motion": {"motion": "sideways"},
        "an unknown device": {"device": "tpu"},
        "an unknown field": {"colour": "black"},
    }
    for name, change in bad.items():

        def run(_: Path, change: dict[str, object] = change) -> object:
            return ReconstructRequest.model_validate({**good, **change})

        yield Case("request", name, (REFUSED,), run)
    yield Case("request", "sound", (MADE,), lambda _: ReconstructRequest.model_validate(good))
    for name, batch in {
        "a batch of nothing": {"inputs": [], "out_dir": "/out"},
        "a batch at nothing a time": {"inputs": ["/in"], "out_dir": "/out", "concurrency": 0},
        "a batch for no deployment": {"inputs": ["/in"], "out_dir": "/out", "deployment": "x"},
    }.items():
        yield Case("request", name, (REFUSED,), lambda _, b=batch: BatchRequest.model_validate(b))
    for config, field in (
        (SelectConfig, {"num_frames": -1}),
        (MergeConfig, {"mc_resolution": -1}),
        (PoseConfig, {"motion": "?"}),
        (MaskConfig, {"unknown": 1}),
        (InferConfig, {"unknown": 1}),
    ):

        def made(_: Path, config: type = config, field: dict[str, object] = field) -> object:
            return config(**field)

        yield Case("request", f"{config.__name__} {next(iter(field))}", (REFUSED,), made)


def settings() -> Iterator[Case]:
    """An environment that cannot be meant."""
    for name, environment in {
        "a time-out that is no number": {"TYRE3D_S3_TIMEOUT_S": "soon"},
        "no attempts": {"TYRE3D_S3_ATTEMPTS": "0"},
        "an endpoint without a scheme": {"TYRE3D_S3_ENDPOINT_URL": "minio:9000"},
        "a deployment without a flow": {"TYRE3D_INFER_DEPLOYMENT": "infer"},
        "a negative cache": {"TYRE3D_READ_CACHE_GB": "-1"},
        "a cache that is no number": {"TYRE3D_READ_CACHE_GB": "nan"},
        "neither yes nor no": {"TYRE3D_LOG_JSON": "perhaps"},
    }.items():

        def run(_: Path, environment: dict[str, str] = environment) -> object:
            with mock.patch.dict(os.environ, environment):
                return load_settings()

        yield Case("setting", name, ("bad-setting",), run)


class Evil:
    """What runs code where it is unpickled."""

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return (os.system, ("touch pwned",))


def _header(said: dict[str, object], size: int | None = None) -> bytes:
    text = json.dumps(said).encode()
    return struct.pack("<Q", len(text) if size is None else size) + text


def _loaded(change: Callable[[Path], object], folder: Path) -> object:
    """A tiny model, changed, as a run takes it."""
    model = folder / "model"
    write_tiny_model(model)
    change(model)
    chosen = choose_model(str(model), folder / "models")
    found = load_model(chosen.folder, chosen.weight_name, chosen.digest, "cpu")
    assert not Path("pwned").exists()
    return found


def _config(change: Callable[[dict[str, object]], object]) -> Callable[[Path], object]:
    def changed(model: Path) -> object:
        config = yaml.safe_load((model / "config.yaml").read_text())
        change(config)
        return (model / "config.yaml").write_text(yaml.safe_dump(config))

    return changed


def _text(content: str) -> Callable[[Path], object]:
    return lambda model: (model / "config.yaml").write_text(content)


def _weights(change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    def changed(model: Path) -> object:
        path = model / "model.safetensors"
        return path.write_bytes(change(path.read_bytes()))

    return changed


def _pickled(model: Path) -> object:
    (model / "model.safetensors").unlink()
    return (model / "model.ckpt").write_bytes(pickle.dumps(Evil()))


def _bomb() -> str:
    levels = [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 9)]
    return "\n".join(["l0: &l0 [x, x]", *levels])


def weights() -> Iterator[Case]:
    """A model's folder: its configuration and its weights."""
    missing = ("model-missing", "unknown-model", "model-unreadable")
    listed: dict[str, tuple[Callable[[Path], object], tuple[str, ...]]] = {
        "sound": (lambda m: None, (MADE,)),
        "no configuration": (lambda m: (m / "config.yaml").unlink(), missing),
        "no weights": (lambda m: (m / "model.safetensors").unlink(), missing),
        "an empty configuration": (_text(""), _UNUSABLE),
        "a configuration of text": (_text("a model"), _UNUSABLE),
        "a configuration that is a list": (_text("[1, 2]"), _UNUSABLE),
        "a configuration that is no YAML": (_text("a: [1, 2\nb: }"), _UNUSABLE),
        "a configuration of bytes": (
            lambda m: (m / "config.yaml").write_bytes(b"\xff\xfe\x00\x01"),
            _UNUSABLE,
        ),
        "a configuration that runs code": (
            _text("a: !!python/object/apply:os.system ['touch pwned']"),
            _UNUSABLE,
        ),
        "a configuration that unfolds": (_text(_bomb()), _UNUSABLE),
        "a configuration that names itself": (_text("a: &a [*a]"), _UNUSABLE),
        "a configuration nested deeply": (_text("[" * 20_000 + "]" * 20_000), _UNUSABLE),
        "a configuration of another network": (_config(lambda c: c.clear()), _UNUSABLE),
        "a configuration without a part": (_config(lambda c: c.pop("decoder")), _UNUSABLE),
        "a size that is a text": (_config(lambda c: c.update(cond_image_size="big")), _UNUSABLE),
        "a size that is negative": (_config(lambda c: c.update(cond_image_size=-1)), _UNUSABLE),
        "weights of no bytes": (_weights(lambda w: b""), _UNUSABLE),
        "weights of text": (_weights(lambda w: b"weights"), _UNUSABLE),
        "weights cut in half": (_weights(lambda w: w[: len(w) // 2]), _UNUSABLE),
        "weights without their last byte": (_weights(lambda w: w[:-1]), _UNUSABLE),
        "weights with more after them": (_weights(lambda w: w + bytes(8)), _UNUSABLE),
        "weights whose header is endless": (_weights(lambda w: _header({}, 2**60)), _UNUSABLE),
        "weights whose header lies": (
            _weights(
                lambda w: _header(
                    {"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}
                )
            ),
            _UNUSABLE,
        ),
        "weights of nothing": (_weights(lambda w: _header({})), _UNUSABLE),
        "weights of other shapes": (
            _weights(
                lambda w: (
                    _header({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}})
                    + bytes(4)
                )
            ),
            _UNUSABLE,
        ),
        "a pickle that runs code": (_pickled, _UNUSABLE),
        "a digest that is another's": (
            lambda m: (m / "SHA256SUMS").write_text(f"{'0' * 64}  model.safetensors\n"),
            ("weights-digest",),
        ),
        "a folder for weights": (
            lambda m: (m / "model.safetensors").unlink() or (m / "model.safetensors").mkdir(),
            missing,
        ),
    }
    for name, (change, expected) in listed.items():
        yield Case("model", name, expected, partial(_loaded, change))
    unknown = ("unknown-model",)
    yield Case("model", "no such name", unknown, lambda f: choose_model("best", f / "models"))
    yield Case("model", "no such folder", unknown, lambda f: choose_model(str(f / "no"), f))
    assert GOLDEN.is_dir()


def cases() -> Iterator[Case]:
    """All of them."""
    yield from requests()
    yield from settings()
    yield from weights()
