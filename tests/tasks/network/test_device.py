"""Which device is taken."""

from __future__ import annotations

import pytest
import torch

from configs.settings import Settings
from tasks.core.errors import ResourceError
from tasks.network.device import pick_device


def test_a_request_counts_before_the_installations_device() -> None:
    assert pick_device("cpu", "cuda") == "cpu"
    assert pick_device("auto", "cpu") == "cpu"


def test_the_first_available_device_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.network.device._may_have_gpu", lambda: True)
    for cuda, mps, expected in (
        (True, True, "cuda"),
        (False, True, "mps"),
        (False, False, "cpu"),
    ):
        monkeypatch.setattr(torch.cuda, "is_available", lambda found=cuda: found)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda found=mps: found)
        assert pick_device("auto") == pick_device("auto", "auto") == expected


def test_a_missing_device_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for requested, default in (("auto", "tpu"), ("cuda", "cpu"), ("cuda:1", "cpu")):
        with pytest.raises(ResourceError, match="device-missing"):
            pick_device(requested, default)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert pick_device("cuda:1") == "cuda:1"


def test_the_installations_device_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRIPOSR_DEVICE", raising=False)
    assert Settings().device == "auto"
    monkeypatch.setenv("TRIPOSR_DEVICE", "")
    assert Settings().device == "auto"
    monkeypatch.setenv("TRIPOSR_DEVICE", "cuda:1")
    assert Settings().device == "cuda:1"


def test_torch_is_not_asked_where_there_is_no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("tasks.network.device._DRIVERS", ("/dev/null/none",))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: pytest.fail("it was asked"))
    assert pick_device("auto") == "cpu"
    monkeypatch.setattr("tasks.network.device._DRIVERS", ("/dev/null",))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert pick_device("auto") == "cuda"
