from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tsr.system import TSR


def relative(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).abs().max() / b.abs().max())


@pytest.mark.parametrize("name", ["model.ckpt", "model.safetensors"])
def test_scene_codes_match(tiny_dir: Path, golden: dict[str, torch.Tensor], name: str) -> None:
    model = TSR.from_pretrained(str(tiny_dir), config_name="config.yaml", weight_name=name)
    assert relative(model([golden["image"]], device="cpu"), golden["scene_codes"]) < 1e-4
    image = golden["image_uint8"].numpy()
    assert relative(model(image, device="cpu"), golden["scene_codes_uint8"]) < 1e-4


@torch.no_grad()
def test_field_matches(tiny: TSR, golden: dict[str, torch.Tensor]) -> None:
    points, code = golden["points"], golden["scene_codes"][0]
    out = tiny.renderer.query_triplane(tiny.decoder, points, code)
    for key in ("density_act", "color"):
        assert out[key].shape == golden[key].shape
        assert relative(out[key], golden[key]) < 1e-4, key
    # The file's `density` holds the first 500 rows of (density, three colour features).
    raw = torch.cat([out["density"], out["features"]], dim=1)[:500]
    assert relative(raw, golden["density"].reshape(500, 4)) < 1e-4
    batch = tiny.renderer.query_triplane(
        tiny.decoder, points.expand(2, -1, -1), torch.stack([code, code])
    )
    torch.testing.assert_close(batch["color"][1], out["color"])


def test_gradients_reach_every_part(tiny: TSR, golden: dict[str, torch.Tensor]) -> None:
    codes = tiny.encode(golden["image"].permute(2, 0, 1)[None])
    raw, colour = tiny.decode_points(codes, golden["points"][None, :50])
    torch.testing.assert_close(codes.detach(), tiny(golden["image"]))
    names = [n for n, p in tiny.named_parameters() if "pooler" not in n]
    parameters = [tiny.get_parameter(n) for n in names]
    grads = torch.autograd.grad(raw.sum() + colour.sum(), parameters, allow_unused=True)
    assert [n for n, g in zip(names, grads, strict=True) if g is None] == []
