"""Masks against the true labels of the same frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.geometry.camera import Camera
from tasks.imaging.images import read_grey
from tasks.imaging.masks import MaskArray
from tasks.matting.parts import RIM, RUBBER
from tasks.synthetic.scenes.labels import part_labels
from tasks.synthetic.scenes.raycast import RenderableCaster, Wheel
from tasks.synthetic.scenes.render import cast_pixels
from tasks.synthetic.scenes.truth import VideoTruth, parts_path

LabelImage = NDArray[np.uint8]

_LEAST_OPENING = 0.003
"""Openings below this share of the tyre's area tell nothing of a mask."""


@dataclass(frozen=True)
class MaskScores:
    """How a mask, or the masks of a film on the median, agree with the truth.

    Args:
        iou: Intersection over union of the tyre.
        precision: Share of the mask that is tyre.
        recall: Share of the tyre that is in the mask.
        openings: Share of the tyre's openings that the mask leaves open, NaN where there are none.
        boundary: Mean distance between the boundaries of rubber and rim, both ways, in per cent of
            the tyre's largest extent in the image; NaN where either has none.
    """

    iou: float
    precision: float
    recall: float
    openings: float
    boundary: float

    def to_dict(self) -> dict[str, float]:
        """The scores by name."""
        return asdict(self)


def score_mask(mask: MaskArray, truth: LabelImage, parts: LabelImage | None = None) -> MaskScores:
    """Score one mask.

    Args:
        mask: ``(H, W)`` what is taken for the tyre.
        truth: ``(H, W)`` true labels.
        parts: ``(H, W)`` labels that were found, None if none were.
    """
    tyre = truth > 0
    both, either = np.count_nonzero(mask & tyre), np.count_nonzero(mask | tyre)
    found, true = np.count_nonzero(mask), np.count_nonzero(tyre)
    holes = _filled(tyre) & ~tyre
    openings = np.nan
    if np.count_nonzero(holes) > _LEAST_OPENING * true:
        openings = float(1 - mask[holes].mean())
    return MaskScores(
        iou=both / either if either else 1.0,
        precision=both / found if found else float(true == 0),
        recall=both / true if true else 1.0,
        openings=openings,
        boundary=np.nan if parts is None else boundary_error(parts, truth),
    )


def boundary_error(parts: LabelImage, truth: LabelImage) -> float:
    """The figure ``boundary`` of :class:`MaskScores` for labels ``(H, W)`` that were found."""
    found, true = _boundary(parts), _boundary(truth)
    if not found.any() or not true.any():
        return float("nan")
    away = [
        cv2.distanceTransform((~there).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[here]
        for here, there in ((found, true), (true, found))
    ]
    rows, columns = np.nonzero(truth)
    extent = max(int(np.ptp(rows)), int(np.ptp(columns))) + 1
    return float(100 * (away[0].mean() + away[1].mean()) / 2 / extent)


def film_scores(scores: Sequence[MaskScores]) -> dict[str, float]:
    """Medians over a film's masks, and the worst IoU; figures that no mask has are NaN."""
    columns = {name: np.array([getattr(s, name) for s in scores]) for name in _NAMES}
    medians = {
        name: float(np.nanmedian(c)) if np.isfinite(c).any() else float("nan")
        for name, c in columns.items()
    }
    return {**medians, "iou_worst": float(columns["iou"].min()) if len(scores) else float("nan")}


_NAMES = ("iou", "precision", "recall", "openings", "boundary")


def true_labels(video: Path, known: VideoTruth, wheel: Wheel) -> Callable[[int], LabelImage]:
    """The true labels ``(H, W)`` of a video's frames by number: those kept beside it, or rendered.

    Args:
        video: The video; plain ones keep no labels, but nothing hides their tyres either.
        known: The truth about it.
        wheel: What was filmed.
    """
    if parts_path(video, 0).exists():
        return lambda frame: read_grey(parts_path(video, frame))
    caster, labels = RenderableCaster(wheel, 1), part_labels(wheel)
    return lambda frame: _rendered(caster, labels, known.cameras[frame])


def _rendered(caster: RenderableCaster, labels: LabelImage, camera: Camera) -> LabelImage:
    y, x = np.mgrid[0 : camera.height, 0 : camera.width].reshape(2, -1).astype(np.float32) + 0.5
    hits, _ = cast_pixels(caster, camera, x, y)
    parts = np.zeros(camera.height * camera.width, dtype=np.uint8)
    parts[hits.ray] = labels[hits.face]
    return parts.reshape(camera.height, camera.width)


def _filled(mask: MaskArray) -> MaskArray:
    """A mask with everything that it encloses."""
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    whole = np.zeros(mask.shape, dtype=np.uint8)
    return np.asarray(cv2.drawContours(whole, outlines, -1, 1, cv2.FILLED) > 0)


def _boundary(parts: LabelImage) -> MaskArray:
    """Pixels of the rim that touch rubber."""
    rubber = cv2.dilate((parts == RUBBER).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    return np.asarray((parts == RIM) & rubber)
