"""Item 4: background removal, against ``rembg.remove`` frame by frame."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.measure import REPEATS, ROOT, Row, alternating
from configs.settings import Settings
from tasks.matting.matte import Matte
from tasks.matting.sessions import open_session
from tasks.network.weights import background_weights
from tasks.video.decode import all_frames

SAMPLE = ROOT / "tests" / "data" / "sample_tyre.mp4"
FRAMES = 16


def frames_of_sample(count: int) -> list[NDArray[np.uint8]]:
    """Frames of the sample video, evenly in time, BGR."""
    found = list(all_frames(SAMPLE))
    return [found[i * len(found) // count] for i in range(count)]


def _iou(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    x, y = a > 127, b > 127
    return float((x & y).sum() / max((x | y).sum(), 1))


def run(quick: bool) -> tuple[list[Row], dict[str, Any]]:
    """Measure it."""
    weights = background_weights("u2netp", Settings().models_dir)
    assert weights is not None
    os.environ["U2NET_HOME"] = str(weights.parent)
    import rembg
    from PIL import Image

    frames = frames_of_sample(FRAMES)
    images = [Image.fromarray(np.ascontiguousarray(p[..., ::-1])) for p in frames]
    theirs = rembg.new_session("u2netp")
    expected = [np.asarray(rembg.remove(p, session=theirs, only_mask=True)) for p in images]
    fast, exact = (open_session("u2netp", weights, p) for p in ("auto", "fp32"))
    mattes: dict[str, list[Matte]] = {}

    def reference() -> None:
        for image in images:
            rembg.remove(image, session=theirs)

    times = alternating(
        reference,
        lambda: mattes.update(auto=fast.matte(frames)),
        lambda: mattes.update(fp32=exact.matte(frames)),
        repeats=1 if quick else REPEATS,
    )
    rows: list[Row] = []
    figures: dict[str, Any] = {"rembg_seconds": times[0].seconds}
    for name, taken, goal in (("auto", times[1], 2.0), ("fp32", times[2], None)):
        ratio = times[0].median / taken.median
        least = min(_iou(m.alpha, e) for m, e in zip(mattes[name], expected, strict=True))
        rows.append(
            Row(
                f"Background removal, u2netp, {name}, against `rembg.remove`",
                f"≥ {goal:g} ×, IoU ≥ 0.99" if goal else "IoU ≥ 0.99",
                f"{ratio:.2f} ×: {FRAMES} frames in {taken} against {times[0]}; "
                f"least IoU {least:.4f}",
                least >= 0.99 and ratio >= (goal or 0),
                "bfloat16 by PyTorch where it is native" if goal else "onnxruntime, as rembg",
            )
        )
        figures |= {f"{name}_seconds": taken.seconds, f"{name}_least_iou": least}
    return rows, figures
