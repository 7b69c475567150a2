"""The scene code of every chosen frame: the cut-out image and the forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from configs.stages import InferConfig, Precision, StageName
from tasks.core.progress import report
from tasks.geometry.crop import Crop
from tasks.network.device import enough_memory

if TYPE_CHECKING:
    import torch

    import tsr.precision
    from tsr.system import TSR

_GREY = 0.5
_PRECISIONS: dict[Precision, tsr.precision.Precision] = {
    "auto": "auto",
    "fp32": "float32",
    "bf16": "bfloat16",
}


def cut_out(
    image: NDArray[np.uint8], alpha: NDArray[np.uint8], crop: Crop, side_px: int
) -> NDArray[np.float32]:
    """Cut out the network's square input: the foreground over 0.5 grey.

    Args:
        image: ``(H, W, 3)`` uint8 BGR.
        alpha: ``(H, W)`` uint8, 255 for the foreground.
        crop: The square, in pixels of the frame; it may reach beyond it.
        side_px: Side of the result, pixels.

    Returns:
        ``(side_px, side_px, 3)`` float32 RGB, 0..1.
    """
    size = max(1, round(crop.side))
    scale = size / crop.side
    # Pixel centres lie at half-integers: out = (in + 0.5 - corner) * scale - 0.5.
    to_square = np.array(
        [
            [scale, 0.0, (0.5 - (crop.cx - crop.side / 2)) * scale - 0.5],
            [0.0, scale, (0.5 - (crop.cy - crop.side / 2)) * scale - 0.5],
        ]
    )
    opacity = alpha.astype(np.float32)[..., None] / 255.0
    rgb = image[..., ::-1].astype(np.float32) / 255.0
    premultiplied = np.concatenate([rgb * opacity, opacity], axis=2)
    square = cv2.warpAffine(premultiplied, to_square, (size, size), flags=cv2.INTER_LINEAR)
    method = cv2.INTER_AREA if size > side_px else cv2.INTER_LINEAR
    square = cv2.resize(square, (side_px, side_px), interpolation=method)
    return np.asarray(square[..., :3] + (1.0 - square[..., 3:]) * _GREY, dtype=np.float32)


def infer_codes(
    model: TSR, images: Sequence[NDArray[np.float32]], device: str, config: InferConfig
) -> torch.Tensor:
    """Scene codes of cut-out images, in batches; half a batch where one does not fit.

    Args:
        model: The network, on ``device``.
        images: ``N`` images ``(S, S, 3)`` RGB, 0..1.
        device: The device that the network is on.
        config: Size of a batch and number format.

    Returns:
        ``(N, 3, C, H, W)`` float16 on the CPU.

    Raises:
        ResourceError: ``out-of-memory`` if half a batch does not fit into memory either.
    """
    import torch

    with enough_memory(StageName.INFER, device):
        codes: torch.Tensor = model(
            list(images),
            device=device,
            precision=_PRECISIONS[config.precision],
            max_batch=config.batch_size,
            on_progress=lambda done: report(StageName.INFER, done, len(images)),
        )
    return codes.to("cpu", torch.float16)
