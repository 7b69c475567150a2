"""Formats by name, by size and by what the device is faster in."""

from __future__ import annotations

import pytest
import torch

from tsr.precision import LARGE_NETWORK, Precision, cached_casts, choose_dtype, fast_bfloat16

CPU = torch.device("cpu")


def with_capabilities(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: dict.fromkeys(names, True))


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("float32", torch.float32),
        ("bfloat16", torch.bfloat16),
        ("float16", torch.float16),
    ],
)
def test_a_format_by_name_is_taken_whatever_the_device(name: Precision, dtype: torch.dtype) -> None:
    assert {choose_dtype(name, CPU, n) for n in (1, 10**9)} == {dtype}


@pytest.mark.parametrize(
    ("parameters", "faster", "dtype"),
    [
        (LARGE_NETWORK, True, torch.bfloat16),
        (LARGE_NETWORK - 1, True, torch.float32),
        (LARGE_NETWORK, False, torch.float32),
    ],
)
def test_large_networks_are_halved_where_the_processor_is_faster_so(
    parameters: int, faster: bool, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_capabilities(monkeypatch, *(["avx512_bf16"] if faster else ["avx2"]))
    assert choose_dtype("auto", CPU, parameters) is dtype


@pytest.mark.parametrize("name", ["avx512_bf16", "amx_bf16", "bf16"])
def test_processors_that_are_faster_in_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with_capabilities(monkeypatch, "avx2", name)
    assert fast_bfloat16(CPU)
    with_capabilities(monkeypatch, "avx2", "avx512_vnni")
    assert not fast_bfloat16(CPU)
    assert not fast_bfloat16(torch.device("mps"))


def test_intel_s_processors_are_faster_in_it_by_their_tiles_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = {"avx512_bf16": True, "amx_bf16": False, "cpu_name": "Intel Xeon"}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: found)
    assert not fast_bfloat16(CPU)
    assert choose_dtype("auto", CPU, LARGE_NETWORK) is torch.float32
    found["amx_bf16"] = True
    assert fast_bfloat16(CPU)
    assert choose_dtype("auto", CPU, LARGE_NETWORK) is torch.bfloat16


@pytest.mark.parametrize(("major", "faster"), [(7, False), (8, True), (9, True)])
def test_cards_that_are_faster_in_it(
    major: int, faster: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (major, 0))
    assert fast_bfloat16(torch.device("cuda")) is faster


def test_weights_are_cast_once_within_the_context_and_forgotten_after_it() -> None:
    with torch.autocast("cpu", torch.bfloat16, cache_enabled=False):
        assert not torch.is_autocast_cache_enabled()
        with cached_casts(CPU):
            assert torch.is_autocast_cache_enabled()
            assert torch.get_autocast_dtype("cpu") is torch.bfloat16
        assert not torch.is_autocast_cache_enabled()
    layer = torch.nn.Linear(3, 3)
    with torch.autocast("cpu", torch.bfloat16, cache_enabled=False):
        with cached_casts(CPU):
            before = layer(torch.ones(1, 3))
        layer.weight.data.add_(1.0)  # what is not counted as a change
        with cached_casts(CPU):
            assert not torch.equal(layer(torch.ones(1, 3)), before)


def test_without_autocast_nothing_changes() -> None:
    with cached_casts(CPU):
        assert not torch.is_autocast_enabled("cpu")
