"""Item 2: image to scene code, full-size network with random weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from bench.fields import full_size_config
from bench.measure import (
    REPEATS,
    Row,
    alternating,
    matmul_peak,
    measurable_formats,
    without_bfloat16,
)
from tsr.network.vit import SelfAttention
from tsr.system import TSR

FRAMES = 4


def forward_flop(frames: int) -> float:
    """Operations of one call: multiplications and additions of all matrix products."""
    n, c, m, d = 3 * 32 * 32, 1024, 1025, 768
    around = 8 * n * c * c + 4 * n * n * c
    at = 4 * n * c * c + 4 * m * d * c + 4 * n * m * c
    forward = 24 * n * c * c
    vit = 12 * (24 * m * d * d + 4 * m * m * d)
    ends = 4 * n * c * c + 2 * n * c * 40 * 4
    return frames * (15 * around + 16 * (at + forward) + vit + ends) + around


def _plain_attention(self: SelfAttention, x: Tensor) -> Tensor:
    """Attention as transformers 4.35 computed it, the scores written out."""
    q, k, v = (
        f(x).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
        for f in (self.query, self.key, self.value)
    )
    scores = (q @ k.transpose(-1, -2)) / q.shape[-1] ** 0.5
    y: Tensor = (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)
    return y


@contextmanager
def as_reference() -> Iterator[None]:
    """Run the image encoder as the reference does; its backbone is ours, frame by frame."""
    ours = SelfAttention.forward
    SelfAttention.forward = _plain_attention  # type: ignore[method-assign]
    try:
        yield
    finally:
        SelfAttention.forward = ours  # type: ignore[method-assign]


def _change(a: Tensor, b: Tensor) -> float:
    return float((a - b).norm() / b.norm())


def run(quick: bool) -> tuple[list[Row], dict[str, Any]]:
    """Measure it; ``quick`` takes one run of each."""
    torch.manual_seed(0)
    model = TSR(full_size_config()).eval()
    images = torch.rand(FRAMES, 512, 512, 3)
    codes: dict[str, Tensor] = {}
    repeats = 1 if quick else REPEATS

    def reference() -> None:
        with as_reference(), torch.inference_mode():
            codes["reference"] = model.encode(model.prepare(images[0]))

    def ours(precision: Any) -> None:
        codes[precision] = model(images[0], precision=precision)

    def singly() -> None:
        for image in images:
            model(image)

    def batch() -> None:
        codes["batch"] = model(images)

    def share(seconds: float, frames: int, precision: str) -> str:
        rate = forward_flop(frames) / seconds
        return f"{rate / 1e9:.0f} GFLOP/s, {rate / peaks[precision]:.0%} of the matrix peak"

    ours("auto")
    formats = measurable_formats()
    calls = [reference, lambda: ours("float32"), singly, batch]
    if "bfloat16" in formats:
        calls.append(lambda: ours("auto"))
    theirs, exact, four, many, *rest = alternating(*calls, repeats=repeats)
    fast = rest[0] if rest else exact  # where there is no other format, auto is float32
    peaks = {name: matmul_peak(getattr(torch, name)) for name in formats}
    same = _change(codes["float32"], codes["reference"])
    changed = _change(codes["auto"], codes["float32"])
    ratio, speed = theirs.median / exact.median, exact.median / fast.median
    each, per_frame = four.median / FRAMES, many.median / FRAMES
    what = "Forward, automatic precision (bfloat16 here), against float32"
    goal = "≥ 2 ×, codes change by ≤ 2 %"
    half = without_bfloat16(what, goal)
    if rest:
        half = Row(
            what,
            goal,
            f"{speed:.2f} ×: {fast}; codes change by {changed:.2%}",
            speed >= 2 and changed <= 0.02,
            share(fast.median, 1, "bfloat16"),
        )

    rows = [
        Row(
            "Forward, float32, against the reference's arithmetic",
            "≥ 1.0 ×, parity",
            f"{ratio:.3f} ×: {exact} against {theirs}; codes differ by {same:.1e}",
            ratio >= 1.0 and same < 1e-4,
            share(exact.median, 1, "float32"),
        ),
        half,
        Row(
            f"Forward, {FRAMES} frames in one call, per frame, against {FRAMES} calls in a row",
            "no slower",
            f"{per_frame:.2f} s against {each:.2f} s",
            per_frame <= each,
            f"{share(many.median, FRAMES, formats[-1])}; "
            "at most `max_batch` frames in memory, one on CPUs",
        ),
    ]
    return rows, {
        "reference_seconds": theirs.seconds,
        "float32_seconds": exact.seconds,
        "auto_seconds": fast.seconds,
        "singly_seconds": four.seconds,
        "batch_seconds": many.seconds,
        "codes_change": changed,
        "parity": same,
        "matrix_peak_flops": peaks,
    }
