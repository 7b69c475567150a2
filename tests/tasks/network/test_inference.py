"""Inference: the crop that the network sees, batches, and too little memory."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from configs.stages import InferConfig
from tasks.core.errors import ResourceError
from tasks.geometry.crop import Crop
from tasks.network.inference import cut_out, infer_codes
from tasks.network.load import load_model


def test_a_crop_at_its_own_size_is_a_copy() -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)
    alpha = np.full((60, 80), 255, np.uint8)
    shown = cut_out(picture, alpha, Crop(40, 30, 32), 32)
    np.testing.assert_allclose(shown, picture[14:46, 24:56, ::-1] / 255.0, atol=1e-5)


def test_background_and_what_lies_outside_are_grey() -> None:
    picture = np.full((60, 80, 3), 200, np.uint8)
    alpha = np.zeros((60, 80), np.uint8)
    alpha[20:40, 0:30] = 255
    shown = cut_out(picture, alpha, Crop(0, 30, 60), 60)
    np.testing.assert_allclose(shown[:, :28], 0.5, atol=1e-5)
    np.testing.assert_allclose(shown[25:35, 35:55], 200 / 255, atol=1e-5)
    np.testing.assert_allclose(shown[:15], 0.5, atol=1e-5)


def test_the_crop_keeps_its_centre_at_every_scale() -> None:
    yy, xx = np.mgrid[0:300, 0:300]
    spot = np.exp(-((xx + 0.5 - 150) ** 2 + (yy + 0.5 - 140) ** 2) / 800)
    picture = np.repeat((spot * 255).astype(np.uint8)[..., None], 3, axis=2)
    alpha = np.full((300, 300), 255, np.uint8)
    for side in (32, 64, 200):
        shown = cut_out(picture, alpha, Crop(150.0, 140.0, 171.3), side)[..., 0]
        weight = shown / shown.sum()
        grid = np.arange(side) + 0.5
        assert (weight.sum(0) * grid).sum() == pytest.approx(side / 2, abs=0.006 * side)
        assert (weight.sum(1) * grid).sum() == pytest.approx(side / 2, abs=0.006 * side)


def test_batches_give_what_single_frames_give(tiny_model: Path) -> None:
    model = load_model(tiny_model, "model.safetensors", "digest", "cpu")
    rng = np.random.default_rng(0)
    pictures = [rng.random((64, 64, 3), dtype=np.float32) for _ in range(5)]
    batched = infer_codes(model, pictures, "cpu", InferConfig(batch_size=3))
    single = infer_codes(model, pictures, "cpu", InferConfig(batch_size=1))
    assert batched.dtype == torch.float16
    assert batched.shape[0] == 5
    torch.testing.assert_close(batched, single, rtol=0, atol=2e-3)


def test_the_precision_is_a_setting(tiny_model: Path) -> None:
    model = load_model(tiny_model, "model.safetensors", "digest", "cpu")
    pictures = [np.full((64, 64, 3), 0.3, np.float32)]
    exact, auto, rounded = (
        infer_codes(model, pictures, "cpu", InferConfig(precision=p))
        for p in ("fp32", "auto", "bf16")
    )
    torch.testing.assert_close(exact, auto)  # the network is small
    assert 0 < float((exact - rounded).float().norm() / exact.float().norm()) < 0.02


def test_two_threads_have_each_their_own_precision(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_model(tiny_model, "model.safetensors", "digest", "cpu")
    pictures = [np.full((64, 64, 3), 0.3, np.float32)]
    configs = [InferConfig(precision=p) for p in ("fp32", "bf16")]
    alone = [infer_codes(model, pictures, "cpu", config) for config in configs]
    assert not torch.equal(*alone)
    both_started, prepare = threading.Barrier(2), model.prepare

    def wait(image: Any) -> torch.Tensor:
        both_started.wait(timeout=60)
        return prepare(image)

    monkeypatch.setattr(model, "prepare", wait)
    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(infer_codes, model, pictures, "cpu", config) for config in configs]
        together = [call.result() for call in calls]
    assert all(torch.equal(a, b) for a, b in zip(together, alone, strict=True))


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        MemoryError(),
    ],
)
def test_too_little_memory_halves_the_batch_once(
    tiny_model: Path,
    error: Exception,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    model = load_model(tiny_model, "model.safetensors", "digest", "cpu")
    encode, limit, sizes = model._encode, 2, []

    def tight(images: torch.Tensor, *rest: Any) -> torch.Tensor:
        sizes.append(len(images))
        if len(images) > limit:
            raise error
        return encode(images, *rest)

    monkeypatch.setattr(model, "_encode", tight)
    pictures = [np.zeros((64, 64, 3), np.float32)] * 7
    codes = infer_codes(model, pictures, "cpu", InferConfig(batch_size=4))
    assert len(codes) == 7
    assert sizes == [4, 2, 2, 2, 1]  # what did not fit is not tried again
    assert [r.message for r in caplog.records] == ["out of memory with 4 images at once; trying 2"]
    limit = 1
    with pytest.raises(ResourceError, match="out-of-memory"):
        infer_codes(model, pictures, "cpu", InferConfig(batch_size=4))
    limit = 4
    sizes.clear()
    infer_codes(model, pictures, "cpu", InferConfig(batch_size=4))
    assert sizes == [4, 3]  # there is memory again, and nothing is remembered of the shortage
