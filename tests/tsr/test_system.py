from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from bench.fields import full_size_config
from tests.tsr.conftest import GOLDEN, tiny_config
from tsr.errors import OutOfMemoryError, TSRError
from tsr.precision import Precision
from tsr.system import TSR


def test_full_size_has_the_checkpoints_names_and_shapes() -> None:
    with torch.device("meta"):
        model = TSR(full_size_config())
    names = {f"{k} {tuple(v.shape)}" for k, v in model.state_dict().items()}
    expected = set((GOLDEN / "triposr_state_dict.txt").read_text().splitlines())
    assert len(expected) == 549
    assert names == expected


def test_small_model_upsamples_by_its_stride() -> None:
    config = tiny_config()
    config["post_processor"]["stride"] = 4
    config["cond_image_size"] = config["image_tokenizer"]["vit"]["image_size"] = 64
    model = TSR(config)
    assert model.encode(torch.rand(2, 3, 64, 64)).shape == (2, 3, 8, 32, 32)
    positions = model.image_tokenizer.model.embeddings
    assert positions.positions(64, 64) is positions.position_embeddings


def test_inputs_of_every_kind_agree(tiny: TSR, golden: dict[str, torch.Tensor]) -> None:
    pixels = golden["image_uint8"].numpy()
    expected = tiny(pixels)
    for image in (Image.fromarray(pixels), torch.from_numpy(pixels), pixels / np.float32(255)):
        torch.testing.assert_close(tiny([image], device="cpu"), expected, atol=1e-5, rtol=1e-4)
    many = tiny([pixels, golden["image"], Image.fromarray(pixels)])
    torch.testing.assert_close(many[2:], expected, atol=1e-5, rtol=1e-4)
    assert not many.is_inference()
    for bad in (
        [],
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), int),
    ):
        with pytest.raises(TSRError):
            tiny(bad)


def test_batches_are_bounded_and_a_shortage_concerns_one_call_only(
    tiny: TSR, golden: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    encode = tiny._encode

    def watch(images: torch.Tensor, initial: torch.Tensor, chunk: int) -> torch.Tensor:
        sizes.append(len(images))
        if len(images) > 2:
            raise torch.OutOfMemoryError("injected")
        return encode(images, initial, chunk)

    monkeypatch.setattr(tiny, "_encode", watch)
    images = [golden["image"]] * 5
    done: list[int] = []
    codes = tiny(images, on_progress=done.append)
    assert sizes == [4, 2, 2, 1]
    assert done == [2, 4, 5]
    torch.testing.assert_close(codes, tiny(images[:1]).expand_as(codes), atol=1e-5, rtol=1e-4)
    with pytest.raises(OutOfMemoryError, match="with 8 and with 4 images"):
        tiny(images * 2, max_batch=8)
    monkeypatch.undo()
    sizes.clear()
    monkeypatch.setattr(tiny, "_encode", lambda x, *rest: sizes.append(len(x)) or encode(x, *rest))
    tiny(images)  # there is memory again, and nothing is remembered of the shortage
    assert sizes == [4, 1]


def test_two_threads_have_each_their_own_precision(
    tiny: TSR, golden: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    formats: tuple[Precision, ...] = ("float32", "bfloat16")
    alone = [tiny(golden["image"], precision=name) for name in formats]
    assert not torch.equal(*alone)
    both_started, prepare = threading.Barrier(2), tiny.prepare

    def wait(image: Any) -> torch.Tensor:
        both_started.wait(timeout=60)
        return prepare(image)

    monkeypatch.setattr(tiny, "prepare", wait)
    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(tiny, golden["image"], precision=name) for name in formats]
        together = [call.result() for call in calls]
    for mine, expected in zip(together, alone, strict=True):
        assert torch.equal(mine, expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_images_go_through_the_layers_one_by_one_or_together(tiny: TSR, dtype: torch.dtype) -> None:
    images = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    half = dtype != torch.float32
    with torch.inference_mode(), torch.autocast("cpu", dtype, enabled=half, cache_enabled=False):
        initial = tiny.backbone.initial_state(tiny.tokenizer())
        together, singly = (tiny._encode(images, initial, n).float() for n in (0, 1))
        alone = torch.cat([tiny._encode(image[None], initial).float() for image in images])
    close = {"atol": 1e-5, "rtol": 1e-4} if not half else {"atol": 0.05, "rtol": 0.05}
    torch.testing.assert_close(singly, alone, atol=0, rtol=0)
    torch.testing.assert_close(singly, together, **close)


def test_what_is_kept_between_calls_follows_the_weights(
    tiny_dir: Path, golden: dict[str, torch.Tensor]
) -> None:
    model = TSR.from_pretrained(str(tiny_dir), weight_name="model.safetensors")
    before = model(golden["image"])
    assert torch.equal(model(golden["image"]), before)
    with torch.no_grad():
        model.tokenizer.embeddings.mul_(2)
    changed = model(golden["image"])
    assert not torch.allclose(changed, before)
    torch.testing.assert_close(
        changed, model.encode(model.prepare(golden["image"])).detach(), atol=1e-5, rtol=1e-4
    )
    model.backbone.proj_in.weight.data.zero_()  # not counted as a change by PyTorch
    assert not torch.allclose(model.train().eval()(golden["image"]), changed)


def test_half_precision_stays_within_its_rounding(
    tiny: TSR, golden: dict[str, torch.Tensor]
) -> None:
    codes = tiny(golden["image"], precision="bfloat16")
    assert codes.dtype is torch.float32
    error = (codes - golden["scene_codes"]).norm() / golden["scene_codes"].norm()
    assert 0 < error < 0.02


HEAVY = (
    "transformers trimesh huggingface_hub omegaconf rembg cv2 prefect tasks configs skimage scipy"
)


def test_importing_costs_little() -> None:
    code = """if True:
        import sys, tsr
        assert "torch" not in sys.modules
        assert tsr.TSR.__name__ == "TSR"
        loaded = [name for name in sys.argv[1:] if name in sys.modules]
        assert not loaded, loaded
    """
    subprocess.run([sys.executable, "-c", code, *HEAVY.split()], check=True)
