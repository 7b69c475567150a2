"""A file of weights is told from a machine that does not open it."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tsr.errors import WeightsError
from tsr.memory import is_shortage
from tsr.state_dict import read_state_dict

NAMES = ["weights.safetensors", "weights.ckpt"]


@pytest.fixture(params=NAMES)
def weights(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / request.param
    state = {"a": torch.arange(6.0, dtype=torch.float16)}
    if path.suffix == ".ckpt":
        torch.save(state, path)
    else:
        save_file(state, path)
    return path


def test_values_come_as_float32(weights: Path) -> None:
    state = read_state_dict(weights)
    assert state["a"].dtype == torch.float32
    assert torch.equal(state["a"], torch.arange(6.0))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("content", [None, b"", b"no weights"])
def test_a_file_that_holds_none_is_refused(
    name: str, content: bytes | None, tmp_path: Path
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WeightsError, match=name):
        read_state_dict(path)


def test_a_folder_holds_none(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="Is a directory"):
        read_state_dict(tmp_path)


def test_too_many_open_files_say_nothing_of_the_weights(weights: Path) -> None:
    read_state_dict(weights)  # what it imports is imported now
    _, most = before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, most))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            read_state_dict(weights)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_lack_of_memory_says_nothing_of_the_weights(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise RuntimeError("unable to mmap 32 bytes from file <w>: Cannot allocate memory (12)")

    for reader in ("load_file", "torch.load"):
        monkeypatch.setattr(f"tsr.state_dict.{reader}", full)
    with pytest.raises(RuntimeError) as caught:
        read_state_dict(weights)
    assert is_shortage(caught.value)
