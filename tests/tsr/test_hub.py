"""The published model: one pin, one download, and TSR.from_pretrained by its name."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from tsr.errors import DigestError, DownloadError, WeightsError
from tsr.hub import TRIPOSR, PinnedModel, check_digest, fetch
from tsr.system import TSR

ROOT = Path(__file__).parents[2]


def test_a_hub_name_needs_no_network_to_fail_offline(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match=r"no local folder.*config\.yaml"):
        TSR.from_pretrained("stabilityai/TripoSR")


def test_files_of_the_published_model_are_pinned_and_checked(
    monkeypatch: pytest.MonkeyPatch, tiny_dir: Path
) -> None:
    requests = []

    def download(name: str, filename: str, revision: str | None) -> str:
        requests.append((name, filename, revision))
        return str(tiny_dir / filename)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    with pytest.raises(DigestError, match="sha256"):
        TSR.from_pretrained(
            "stabilityai/TripoSR", config_name="config.yaml", weight_name="model.ckpt"
        )
    assert {revision for _, _, revision in requests} == {TRIPOSR.revision}
    TSR.from_pretrained("somebody/else")
    assert requests[-1] == ("somebody/else", "model.ckpt", None)


def test_the_cause_of_a_failed_download_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    cause = OSError(28, "No space left on device")

    def full(*_: object, **__: object) -> str:
        raise cause

    monkeypatch.setattr("huggingface_hub.hf_hub_download", full)
    with pytest.raises(DownloadError, match="No space left") as raised:
        fetch(TRIPOSR.hub_id, "config.yaml")
    assert raised.value.__cause__ is cause


def test_a_connection_that_breaks_is_a_failed_download(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub.errors import HfHubHTTPError

    class Broken(HfHubHTTPError.__bases__[0]):  # type: ignore[misc]
        def __init__(self) -> None:
            Exception.__init__(self, "peer closed connection")

    def download(*_: object, **__: object) -> str:
        raise Broken

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    with pytest.raises(DownloadError, match="peer closed"):
        fetch("somebody/else", "config.yaml")


def test_a_wrong_digest_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.ckpt").write_bytes(b"weights")
    with pytest.raises(DigestError, match="expected 00"):
        check_digest(tmp_path / "model.ckpt", "00")


def test_the_published_model_is_pinned_in_one_place() -> None:
    sources = [
        p for name in ("configs", "flows", "tasks", "tsr") for p in ROOT.glob(f"{name}/**/*.py")
    ]
    for fact in (TRIPOSR.revision, TRIPOSR.sha256, "hf_hub_download("):
        holders = [str(path.relative_to(ROOT)) for path in sources if fact in path.read_text()]
        assert holders == ["tsr/hub.py"], fact


def test_a_pin_that_is_handed_in_counts_for_any_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    revisions = []

    def download(_: str, file: str, revision: str | None = None) -> str:
        revisions.append(revision)
        (tmp_path / file).write_bytes(b"weights")
        return str(tmp_path / file)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    good = hashlib.sha256(b"weights").hexdigest()
    pin = PinnedModel("someone/model", "a" * 40, "model.safetensors", good)
    assert fetch(pin.hub_id, pin.weight_name, pin).read_bytes() == b"weights"
    assert revisions == ["a" * 40]
    with pytest.raises(DigestError):
        fetch(pin.hub_id, pin.weight_name, replace(pin, sha256="0" * 64))
