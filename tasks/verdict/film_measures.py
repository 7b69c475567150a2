"""What a few frames show before anything is reconstructed: light, sharpness, outline, movement."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from tasks.imaging.masks import foreground, largest_component
from tasks.matting.quality import clean_alpha
from tasks.poses.outline import Outline, outline_of_mask
from tasks.selection.scores import edge_sharpness, measure

FloatArray = NDArray[np.float64]

_THUMB_PX = 96
"""Longest side of the images that movement is read from."""

_BINS = 32
_SMOOTH_BINS = 3.0
_AB = (64, 192)
"""Colours are counted in bins of 8 levels of L and 4 of a and b, between these levels."""


@dataclass(frozen=True)
class Glimpse:
    """One frame.

    Args:
        brightness: 95th percentile of the tyre's grey values, 0..255.
        clipped: Share of the tyre's pixels at white.
        sharpness: How thin edges are, :func:`tasks.selection.scores.edge_sharpness`.
        area: The tyre's share of the frame.
        cut_off: Whether the tyre reaches the frame's edge.
        others: Area of the next largest thing that stands out, over the tyre's.
        roundness: Overlap of the outline with the ellipse that has its moments, 0..1.
        aspect: Shorter extent of the outline over the longer one.
    """

    brightness: float
    clipped: float
    sharpness: float
    area: float
    cut_off: bool
    others: float
    roundness: float
    aspect: float


def glimpse_of(image: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> Glimpse | None:
    """Measure one frame; None where nothing stands out.

    Args:
        image: ``(H, W, 3)`` BGR.
        alpha: ``(H, W)`` as the network left it.
    """
    cleaned, figures = clean_alpha(alpha)
    outline = outline_of_mask(cleaned) if figures["area"] > 0 else None
    if outline is None:
        return None
    scores = measure(image, cleaned)
    largest = largest_component(foreground(alpha))
    areas = np.sort(largest.areas) if largest is not None else np.zeros(1)
    return Glimpse(
        brightness=scores.brightness,
        clipped=scores.clipped,
        sharpness=edge_sharpness(image, cleaned),
        area=figures["area"],
        cut_off=figures["touches_border"],
        others=float(areas[-2] / areas[-1]) if len(areas) > 1 else 0.0,
        roundness=roundness(outline),
        aspect=float(outline.widths.min() / outline.widths.max()),
    )


def roundness(outline: Outline) -> float:
    """Overlap of an outline's hull with the ellipse of the same first and second moments.

    1 for every ellipse; a rectangle has 0.86, the side view of a tyre's tread 0.9.
    """
    moments = cv2.moments(outline.hull.astype(np.float32))
    area = moments["m00"]
    if area <= 0:
        return 0.0
    centre = np.array([moments["m10"], moments["m01"]]) / area
    covariance = np.array([[moments["mu20"], moments["mu11"]], [moments["mu11"], moments["mu02"]]])
    values, vectors = np.linalg.eigh(covariance / area)
    turn = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    ellipse = centre + (circle * 2.0 * np.sqrt(np.maximum(values, 1e-9))) @ vectors.T
    common, _ = cv2.intersectConvexConvex(
        cv2.convexHull(outline.hull.astype(np.float32)), ellipse.astype(np.float32)
    )
    own = np.pi * 4.0 * float(np.sqrt(max(np.prod(values), 0.0)))
    return float(common / max(area + own - common, 1e-9))


@dataclass(frozen=True)
class Movement:
    """What changes between the frames of a film.

    Args:
        step: Median over neighbouring frames of the change of grey values, 98th percentile of the
            pixels, over their contrast (standard deviation): noise is everywhere alike, movement
            is much in few places. Not a number where all are blank: that tells neither movement
            nor rest.
        edge_step: Likewise along the image's left, right and upper edge, where no tyre is.
        repeated: Share of the frames that look like the one before.
        cut_at: The frame before which the colours change most.
        cut: How much more they change there than elsewhere at most; 0 where they hardly do.
    """

    step: float
    edge_step: float
    repeated: float
    cut_at: int
    cut: float


STILL = 0.06
"""Two frames that differ by less than this share of their contrast show the same, but for noise."""


def movement_of(thumbs: Sequence[NDArray[np.uint8]]) -> Movement:
    """What changes between frames that follow each other.

    Args:
        thumbs: Small images ``(H, W, 3)`` BGR, in order, at least two.
    """
    greys, colours = [], []
    for thumb in thumbs:
        grey = cv2.resize(cv2.cvtColor(thumb, cv2.COLOR_BGR2GRAY), (_THUMB_PX, _THUMB_PX))
        greys.append(cv2.GaussianBlur(grey, (0, 0), 1.0).astype(np.float32))
        colours.append(_histogram(thumb))
    edge = np.zeros((_THUMB_PX, _THUMB_PX), np.bool_)
    border = _THUMB_PX // 10
    edge[:border] = edge[:, :border] = edge[:, -border:] = True
    shown = [(a, b) for a, b in pairwise(greys) if max(a.std(), b.std()) >= _BLANK]
    changes = np.array([_change(a, b, np.ones_like(edge)) for a, b in shown])
    at_edge = np.array([_change(a, b, edge) for a, b in shown])
    jumps = np.array([_distance(a, b) for a, b in pairwise(colours)])
    ratio, last = 0.0, int(np.argmax(jumps))
    if len(jumps) > 2 and jumps[last] > _MIN_JUMP:
        ratio = float(jumps[last] / max(np.partition(jumps, -2)[-2], 0.02))
    return Movement(
        step=float(np.median(changes)) if shown else math.nan,
        edge_step=float(np.median(at_edge)) if shown else math.nan,
        repeated=float((changes < STILL).mean()) if shown else math.nan,
        cut_at=last + 1,
        cut=ratio,
    )


_BLANK = 1.0
"""Standard deviation of grey values, of 255, below which an image is white or black all over."""

_MIN_JUMP = 0.13
"""Hellinger distance of colours, 0..1, below which a jump is none: 23 sound films have at most
0.11, 18 pairs of films at least 0.145, where both are of grey workshops."""


def _change(a: NDArray[np.float32], b: NDArray[np.float32], region: NDArray[np.bool_]) -> float:
    """Change of grey values in a region over the whole images' contrast, less exposure."""
    contrast = 0.5 * float(a.std() + b.std()) + 2.0
    p, q = a[region], b[region]
    return float(np.percentile(np.abs((q - q.mean()) - (p - p.mean())), 98)) / contrast


def _histogram(thumb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Shares of the colours, smoothed: one wall that gets a little warmer is no other colour.

    In L*a*b*, where greys are neighbours: their hue is noise.
    """
    lab = cv2.cvtColor(thumb, cv2.COLOR_BGR2LAB)
    lab[..., 1:] = lab[..., 1:].clip(_AB[0], _AB[1] - 1)
    counts = cv2.calcHist([lab], [0, 1, 2], None, [_BINS] * 3, [0, 256, *_AB, *_AB])
    smooth = gaussian_filter(counts, _SMOOTH_BINS, mode="nearest")
    return np.asarray(smooth / max(float(smooth.sum()), 1e-9), np.float32)


def _distance(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Hellinger distance of two histograms, 0..1."""
    return float(np.sqrt(max(1.0 - np.sqrt(a * b).sum(), 0.0)))


def arc_from_aspects(aspects: Sequence[float]) -> float:
    """About how far a camera went round a tyre, degrees, from its outline's aspect in each frame.

    Seen along the axle a tyre is as wide as high, across it as wide as its tread. Between the two
    the angle follows from the aspect, but not on which side: what is summed is how much it changes,
    which is the arc of a camera that does not turn back. At most 360.
    """
    values = np.array(aspects)
    if len(values) < 2:
        return 0.0
    narrow = min(float(np.percentile(values, 5)), _TYPICAL_ASPECT)
    share = np.clip((values - narrow) / (1.0 - narrow), 0.0, 1.0)
    folded = np.degrees(np.arccos(share))
    return float(min(np.abs(np.diff(folded)).sum(), 360.0))


_TYPICAL_ASPECT = 0.5
"""Width over diameter, seen from a little above, of a film that never shows the tread alone."""
