"""Stage *infer*: a scene code for every chosen frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray
from prefect import task

from configs.stages import InferConfig, Precision
from tasks.core.progress import report
from tasks.geometry.crop import Crop
from tasks.imaging.images import read_image, read_mask
from tasks.network.weights import ChosenModel, enough_memory, load_model
from tasks.records import ArtifactRef, CodedFrame
from tasks.stages.caching import STAGE
from tasks.stages.extract_frames import candidates_of
from tasks.stages.remove_backgrounds import masks_of
from tasks.stages.select_frames import chosen_indices
from tasks.storage.artifacts import ArtifactStore, code_version
from tasks.storage.base import storage_errors

if TYPE_CHECKING:
    import torch

    import tsr.precision
    from tsr.system import TSR

STAGE_NAME = "infer"
_GREY = 0.5
_PRECISIONS: dict[Precision, tsr.precision.Precision] = {
    "auto": "auto",
    "fp32": "float32",
    "bf16": "bfloat16",
}


def cut_out(
    picture: NDArray[np.uint8], alpha: NDArray[np.uint8], crop: Crop, side_px: int
) -> NDArray[np.float32]:
    """The square that the network sees: the foreground over 0.5 grey.

    Args:
        picture: ``(H, W, 3)`` BGR.
        alpha: ``(H, W)``.
        crop: In pixels of the frame; may reach beyond it.
        side_px: Side of the result.

    Returns:
        ``(side_px, side_px, 3)`` RGB, 0..1.
    """
    size = max(1, round(crop.side))
    scale = size / crop.side
    # Pixel centres lie at half-integers: out = (in + 0.5 - corner) * scale - 0.5.
    move = np.array(
        [
            [scale, 0.0, (0.5 - (crop.cx - crop.side / 2)) * scale - 0.5],
            [0.0, scale, (0.5 - (crop.cy - crop.side / 2)) * scale - 0.5],
        ]
    )
    share = alpha.astype(np.float32)[..., None] / 255.0
    rgb = picture[..., ::-1].astype(np.float32) / 255.0
    shown = np.concatenate([rgb * share, share], axis=2)
    square = cv2.warpAffine(shown, move, (size, size), flags=cv2.INTER_LINEAR)
    how = cv2.INTER_AREA if size > side_px else cv2.INTER_LINEAR
    square = cv2.resize(square, (side_px, side_px), interpolation=how)
    return np.asarray(square[..., :3] + (1.0 - square[..., 3:]) * _GREY, dtype=np.float32)


def infer_codes(
    model: TSR, pictures: Sequence[NDArray[np.float32]], device: str, config: InferConfig
) -> torch.Tensor:
    """Scene codes of cut-out pictures, in batches; half a batch where one does not fit.

    Args:
        model: On ``device``; its precision and batch size are set.
        pictures: ``(S, S, 3)`` RGB, 0..1.
        device: Where the model is.
        config: Size of a batch and arithmetic.

    Returns:
        ``(N, 3, C, H, W)`` float16 on the CPU.

    Raises:
        ResourceError: ``out-of-memory`` if half a batch does not fit into memory either.
    """
    import torch

    model.precision, model.max_batch = _PRECISIONS[config.precision], config.batch_size
    codes = []
    with enough_memory(STAGE_NAME, device):
        for start in range(0, len(pictures), config.batch_size):
            batch = list(pictures[start : start + config.batch_size])
            codes.append(model(batch, device=device).to("cpu", torch.float16))
            report(STAGE_NAME, start + len(batch), len(pictures))
    return torch.cat(codes)


def coded_frames_of(record: Mapping[str, Any]) -> list[CodedFrame]:
    """The coded frames that an artifact's record lists."""
    return [CodedFrame(e["index"], Crop(**e["crop"])) for e in record["frames"]]


def version() -> str:
    """The stage's code version."""
    return code_version(
        __name__,
        "tasks.geometry",
        "tsr.system",
        "tsr.network.vit",
        "tsr.network.transformer",
        "tsr.config",
        "tsr.precision",
    )


@task(name="infer codes", task_run_name="infer-{tyre}", retries=1, timeout_seconds=7200, **STAGE)
def infer_task(
    key: str,
    tyre: str,
    frames: ArtifactRef,
    masks: ArtifactRef,
    selection: ArtifactRef,
    model: ChosenModel,
    device: str,
    config: InferConfig,
    store: ArtifactStore,
) -> dict[str, Any]:
    """Infer the chosen frames' scene codes; returns the artifact's reference."""

    def produce(folder: Path) -> dict[str, Any]:
        from safetensors.torch import save_file

        network = load_model(model.folder, model.weight_name, model.digest, device)
        extracted, masked = store.open(frames), store.open(masks)
        chosen = chosen_indices(store.open(selection).record)
        files = {c.index: c.file for c in candidates_of(extracted.record)}
        judged = {m.index: m for m in masks_of(masked.record)}
        pictures, coded = [], []
        for index in chosen:
            crop = judged[index].crop
            if crop is None:
                raise ValueError(f"frame {index} was chosen without a crop")
            picture = read_image(extracted.folder / files[index])
            alpha = read_mask(masked.folder / judged[index].file)
            pictures.append(cut_out(picture, alpha, crop, network.cfg.cond_image_size))
            coded.append(CodedFrame(index, crop))
        codes = infer_codes(network, pictures, device, config)
        with storage_errors(str(folder)):
            save_file({"codes": codes.contiguous()}, str(folder / "codes.safetensors"))
        return {
            "frames": [asdict(c) for c in coded],
            "model": model.name,
            "digest": model.digest,
            "shape": list(codes.shape),
        }

    return asdict(store.make(STAGE_NAME, key, produce))
