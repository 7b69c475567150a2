"""Item 8: forward pass and extraction on a CUDA device, where there is one."""

from __future__ import annotations

import time
from typing import Any

import torch

from bench.fields import full_size_config, torus_model
from bench.measure import REPEATS, Row, alternating
from tsr.surface.extract import ExtractOptions, extract_surface_of_code
from tsr.system import TSR

BATCH = 8


def run(quick: bool) -> tuple[list[Row], dict[str, Any]]:
    """Measure it, or say that there is no device."""
    goals = (
        ("Forward on an H100, batch of 8, bfloat16, per frame", "≤ 0.03 s"),
        (
            "Surface at 256³ on an H100",
            "≤ 0.05 s",
        ),
    )
    if not torch.cuda.is_available():
        return [Row(*goal, "not measured: no CUDA device here", None) for goal in goals], {}
    model = TSR(full_size_config()).eval().to("cuda")
    images = torch.rand(BATCH, 512, 512, 3)
    torus, code = torus_model("cuda")

    def forward() -> None:
        model(images, precision="bfloat16", max_batch=BATCH)
        torch.cuda.synchronize()

    def extract() -> None:
        options = ExtractOptions(precision="bfloat16")
        extract_surface_of_code(torus, code, 256, options=options)
        torch.cuda.synchronize()

    forward()
    extract()
    a, b = alternating(
        forward, extract, repeats=1 if quick else 2 * REPEATS, clock=time.perf_counter
    )
    name = torch.cuda.get_device_name()
    return [
        Row(*goals[0], f"{a.median / BATCH:.4f} s; {a} a batch", a.median / BATCH <= 0.03, name),
        Row(*goals[1], str(b), b.median <= 0.05, name),
    ], {"device": name, "forward_seconds": a.seconds, "extract_seconds": b.seconds}
