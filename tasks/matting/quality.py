"""Quality of the mask of a frame: cleaning, measures, and whether it is usable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from configs.stages import MaskConfig
from tasks.geometry.crop import Crop, crop_of_box
from tasks.imaging.masks import foreground, largest_component
from tasks.storage.artifacts import Artifact

_SPECK = 0.001
"""Components below this share of the frame do not count as fragments."""


@dataclass(frozen=True)
class Mask:
    """The alpha of one frame and its quality.

    Args:
        index: Index of the candidate.
        file: The alpha's file in the artifact.
        crop: The square for the network; None where there is no foreground.
        area: Foreground's share of the frame.
        touches_border: Whether the foreground reaches the frame's edge.
        fragments: Components that are no specks.
        solidity: The largest component's share of its convex hull (openings count as filled).
        confidence: Mean alpha inside the largest component, 0..1.
        peak: The network's largest raw output, 0..1.
        from_source: Whether the alpha came with the source image.
        refused: Why this mask is of no use; empty if it is.
        parts: File of the tyre's parts (:mod:`tasks.matting.parts`); empty where the session tells
            none.
        seen: File of the alpha without what was filled, where something hides a part of the tyre;
            empty where nothing was filled.
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
    from_source: bool
    refused: str
    parts: str = ""
    seen: str = ""

    @property
    def usable(self) -> bool:
        """Whether later stages may use the frame."""
        return not self.refused


@dataclass(frozen=True)
class Masks:
    """The masks of the candidate frames, as they lie in an artifact.

    Args:
        folder: The artifact's folder.
        masks: Masks of the candidates, in order.
    """

    folder: Path
    masks: tuple[Mask, ...]

    @classmethod
    def read(cls, artifact: Artifact) -> Masks:
        """The masks that an artifact holds."""
        entries = artifact.record["masks"]
        return cls(artifact.folder, tuple(_mask_from(entry) for entry in entries))

    @property
    def usable(self) -> list[Mask]:
        """Those that later stages may use."""
        return [m for m in self.masks if m.usable]

    def paths(self) -> dict[int, Path]:
        """The alpha files of the usable masks, by the candidates' indices."""
        return {m.index: self.folder / m.file for m in self.usable}

    def seen_paths(self) -> dict[int, Path]:
        """The same of what is seen: without what a mask was filled with where something hid it."""
        return {m.index: self.folder / (m.seen or m.file) for m in self.usable}


def _mask_from(entry: dict[str, Any]) -> Mask:
    return Mask(**{**entry, "crop": Crop(**entry["crop"]) if entry["crop"] else None})


def masks_record(masks: Sequence[Mask]) -> dict[str, Any]:
    """What the artifact's record says of masks, as plain JSON types; :class:`Masks` reads it."""
    return {"masks": [asdict(m) for m in masks]}


def clean_alpha(alpha: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    """Keep the largest component of an alpha, soft edges included, and measure it.

    Args:
        alpha: ``(H, W)`` uint8.

    Returns:
        The cleaned alpha and the fields of :class:`Mask` that depend on it alone.
    """
    height, width = alpha.shape
    hard = foreground(alpha)
    largest = largest_component(hard)
    if largest is None:
        empty = {"area": 0.0, "touches_border": False, "fragments": 0, "solidity": 0.0}
        return np.zeros_like(alpha), {**empty, "confidence": 0.0, "crop": None}
    x, y, w, h = largest.box
    body = largest.mask.astype(np.uint8)
    reach = max(3, round(0.01 * max(w, h))) | 1
    near = cv2.dilate(body, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
    other = hard & ~largest.mask
    cleaned = np.where((near > 0) & ~other, alpha, 0).astype(np.uint8)
    contours, _ = cv2.findContours(body, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    outline = max(contours, key=cv2.contourArea)
    hull = cv2.contourArea(cv2.convexHull(outline))
    return cleaned, {
        "area": largest.area / (height * width),
        "touches_border": bool(x <= 0 or y <= 0 or x + w >= width or y + h >= height),
        "fragments": int((largest.areas >= _SPECK * height * width).sum()),
        "solidity": float(cv2.contourArea(outline) / hull) if hull > 0 else 0.0,
        "confidence": float(alpha[largest.mask].mean()) / 255.0,
        "crop": crop_of_box(x, y, x + w, y + h),
    }


def refusal(area: float, peak: float, config: MaskConfig) -> str:
    """Why a mask is of no use; empty if it is.

    Args:
        area: Share of the frame that the foreground fills, 0..1.
        peak: Largest raw output of the network, 0..1.
        config: What counts as a usable mask.
    """
    if area <= 0 or peak < config.min_peak:
        return "nothing stands out from the background"
    if area < config.min_area:
        return f"foreground fills only {area:.1%} of the frame"
    if area > config.max_area:
        return "no background was found"
    return ""
