"""Stage *remove backgrounds*: an alpha for every candidate, the quality of each recorded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from prefect import task

from configs.stages import MaskConfig
from tasks.core.errors import InputError
from tasks.core.progress import report
from tasks.geometry.crop import Crop, crop_of_box
from tasks.imaging.images import read_alpha_channel, read_image, write_image
from tasks.matting.sessions import MatteSession, open_session
from tasks.network.weights import background_weights
from tasks.records import ArtifactRef
from tasks.stages.caching import STAGE
from tasks.stages.extract_frames import Candidate, candidates_of
from tasks.storage.artifacts import ArtifactStore, code_version
from tasks.storage.base import storage_errors

STAGE_NAME = "remove-backgrounds"
_BATCH = 16
_HALF = 127
_SPECK = 0.001
"""Components below this share of the frame do not count as fragments."""


@dataclass(frozen=True)
class Mask:
    """What the alpha of one frame is worth.

    Args:
        index: Of the candidate.
        file: The alpha's file in the artifact.
        crop: The square for the network; None where there is no foreground.
        area: Foreground's share of the frame.
        touches_border: Whether the foreground reaches the frame's edge.
        fragments: Components that are no specks.
        solidity: The largest component's share of its convex hull (openings count as filled).
        confidence: Mean alpha inside the largest component, 0..1.
        peak: The network's largest raw output, 0..1.
        given: Whether the alpha came with the picture.
        refused: Why this mask is of no use; empty if it is.
    """

    index: int
    file: str
    crop: Crop | None
    area: float
    touches_border: bool
    fragments: int
    solidity: float
    confidence: float
    peak: float
    given: bool
    refused: str

    @property
    def usable(self) -> bool:
        """Whether later stages may use the frame."""
        return not self.refused


def clean_alpha(alpha: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    """Keep the largest component of an alpha, soft edges included, and measure it.

    Args:
        alpha: ``(H, W)`` uint8.

    Returns:
        The cleaned alpha and the fields of :class:`Mask` that depend on it alone.
    """
    height, width = alpha.shape
    hard = (alpha > _HALF).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(hard, connectivity=8)
    if count < 2:
        empty = {"area": 0.0, "touches_border": False, "fragments": 0, "solidity": 0.0}
        return np.zeros_like(alpha), {**empty, "confidence": 0.0, "crop": None}
    areas = stats[1:, cv2.CC_STAT_AREA]
    largest = 1 + int(np.argmax(areas))
    x, y, w, h = (int(v) for v in stats[largest, :4])
    body = (labels == largest).astype(np.uint8)
    reach = max(3, round(0.01 * max(w, h))) | 1
    near = cv2.dilate(body, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
    other = hard - body
    cleaned = np.where((near > 0) & (other == 0), alpha, 0).astype(np.uint8)
    contours, _ = cv2.findContours(body, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    outline = max(contours, key=cv2.contourArea)
    hull = cv2.contourArea(cv2.convexHull(outline))
    return cleaned, {
        "area": float(areas[largest - 1]) / (height * width),
        "touches_border": bool(x <= 0 or y <= 0 or x + w >= width or y + h >= height),
        "fragments": int((areas >= _SPECK * height * width).sum()),
        "solidity": float(cv2.contourArea(outline) / hull) if hull > 0 else 0.0,
        "confidence": float(alpha[body > 0].mean()) / 255.0,
        "crop": crop_of_box(x, y, x + w, y + h),
    }


def _refusal(area: float, peak: float, config: MaskConfig) -> str:
    if area <= 0 or peak < config.min_peak:
        return "nothing stands out from the background"
    if area < config.min_area:
        return f"foreground fills only {area:.1%} of the frame"
    if area > config.max_area:
        return "no background was found"
    return ""


def remove_backgrounds(
    frames: Sequence[Candidate],
    root: Path,
    folder: Path,
    session: MatteSession,
    config: MaskConfig,
) -> list[Mask]:
    """Write the alpha of every candidate.

    Args:
        frames: The candidates.
        root: Folder of the extract artifact.
        folder: Where ``alpha/NNNNNN.png`` are written.
        session: Used for the candidates that bring no alpha of their own.
        config: What counts as a usable mask.

    Returns:
        One record per candidate.

    Raises:
        InputError: ``no-tyre`` if hardly any candidate shows a foreground.
    """
    (folder / "alpha").mkdir()
    masks = []
    for frame, alpha, peak in _mattes(frames, root, session):
        cleaned, figures = clean_alpha(alpha)
        name = f"alpha/{frame.index:06d}.png"
        write_image(folder / name, cleaned, [cv2.IMWRITE_PNG_COMPRESSION, 3])
        refused = _refusal(figures["area"], peak, config)
        masks.append(
            Mask(frame.index, name, peak=peak, given=frame.has_alpha, refused=refused, **figures)
        )
        report(STAGE_NAME, len(masks), len(frames))
    usable = sum(m.usable for m in masks)
    if usable < config.min_usable:
        reasons = sorted({m.refused for m in masks if m.refused})
        raise InputError(
            "no-tyre",
            stage="remove backgrounds",
            what=f"a tyre is seen in {usable} of {len(masks)} frames ({'; '.join(reasons)})",
            advice="Film one whole tyre that stands out from its background",
        )
    return masks


def _mattes(
    frames: Sequence[Candidate], root: Path, session: MatteSession
) -> Iterator[tuple[Candidate, NDArray[np.uint8], float]]:
    for start in range(0, len(frames), _BATCH):
        chunk = frames[start : start + _BATCH]
        asked = [f for f in chunk if not f.has_alpha]
        answers = session.matte([read_image(root / f.file) for f in asked]) if asked else []
        matted = {f.index: matte for f, matte in zip(asked, answers, strict=True)}
        for frame in chunk:
            if frame.has_alpha:
                yield frame, read_alpha_channel(root / frame.file), 1.0
            else:
                yield frame, matted[frame.index].alpha, matted[frame.index].peak


def masks_of(record: Mapping[str, Any]) -> list[Mask]:
    """The masks that an artifact's record lists."""
    return [
        Mask(**{**entry, "crop": Crop(**entry["crop"]) if entry["crop"] else None})
        for entry in record["masks"]
    ]


def version() -> str:
    """The stage's code version."""
    return code_version(__name__, "tasks.matting.sessions", "tasks.matting.u2net", "tasks.geometry")


@task(
    name="remove backgrounds",
    task_run_name="masks-{tyre}",
    retries=1,
    timeout_seconds=7200,
    **STAGE,
)
def mask_task(
    key: str,
    tyre: str,
    frames: ArtifactRef,
    models_dir: Path,
    config: MaskConfig,
    store: ArtifactStore,
) -> dict[str, Any]:
    """Remove the backgrounds of the extracted frames; returns the artifact's reference."""

    def produce(folder: Path) -> dict[str, Any]:
        extracted = store.open(frames)
        candidates = candidates_of(extracted.record)
        session = _session_for(candidates, models_dir, config)
        with storage_errors(str(folder)):
            masks = remove_backgrounds(candidates, extracted.folder, folder, session, config)
        return {"masks": [asdict(m) for m in masks], "session": config.session}

    return asdict(store.make(STAGE_NAME, key, produce))


class _NoSession:
    """Stands in where every picture brought its alpha."""

    def matte(self, pictures: Sequence[NDArray[np.uint8]]) -> list[Any]:
        raise AssertionError("no picture should need a mask")


def _session_for(
    candidates: Sequence[Candidate], models_dir: Path, config: MaskConfig
) -> MatteSession:
    if all(c.has_alpha for c in candidates):
        return _NoSession()
    weights = background_weights(config.session, models_dir)
    return open_session(config.session, weights, config.precision)
