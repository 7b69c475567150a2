"""The colours of a texture: brightness from all frames, detail from the best ones.

What a texel looks like changes with the side that it is seen from, by gloss, and with the exposure.
Such changes are smooth over the surface, so two bands are kept apart, as in Burt and Adelson, A
multiresolution spline with application to image mosaics, ACM Transactions on Graphics 2, 1983:
around every vertex the weighted median over all frames is the colour, in which no highlight
survives that less than half of the frames see, and every frame is brought to it before the best few
are blended.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from configs.stages import AtlasConfig, StageName
from tasks.atlas.texels import Texels
from tasks.atlas.views import VertexViews
from tasks.core.progress import report
from tasks.imaging.exposure import frame_gains
from tasks.imaging.sampling import sample_bilinear

Float32Array = NDArray[np.float32]
FloatArray = NDArray[np.float64]

_OFFSET = 4.0
"""Added to colours of 0 to 255 before they are divided: black has no ratio."""
_MAX_RATIO = 3.0
_FLATTENED = 0.25
"""Power of the weights in the median: as they are, two frames that see a texel best outvote ten
that see something else there, and held-out frames look less alike (0.2 dB in five films)."""
_OUTLIER = 0.35
"""Deviation from the median, as a logarithm, of the channel that deviates most, at which a frame's
weight falls to a third."""
_CHUNK = 65536
"""Vertices whose frames are sorted at a time."""


@dataclass(frozen=True)
class VertexColours:
    """What the frames agree on at the vertices, and which frames give the detail.

    Args:
        colours: ``(V, 3)`` float32, 0 to 255; 0 where no frame saw the vertex.
        detail: ``(N, V)`` float32, weights of the frames' details.
        seen: ``(V,)`` float32, sum of the weights of all frames.
        seen_by: ``(V,)`` number of frames.
    """

    colours: Float32Array
    detail: Float32Array
    seen: Float32Array
    seen_by: NDArray[np.uint8]


def agree_on_colours(views: VertexViews, config: AtlasConfig) -> VertexColours:
    """The weighted median of what the frames show around each vertex, and the best frames there."""
    count = views.weights.shape[1]
    colours = np.zeros((count, 3), np.float32)
    detail = np.zeros_like(views.weights)
    gains = frame_gains(views.local, views.weights)
    for first in range(0, count, _CHUNK):
        part = slice(first, first + _CHUNK)
        weights = views.weights[:, part]
        local = views.local[:, part] * gains[:, None, None]
        colours[part] = _weighted_median(local, weights**_FLATTENED)
        ratio = np.log((local + _OFFSET) / (colours[part] + _OFFSET))
        trusted = weights * np.exp(-((np.abs(ratio).max(axis=2) / _OUTLIER) ** 2))
        detail[:, part] = _best(trusted, config.best)
    seen_by = np.minimum((views.weights > 0).sum(axis=0), 255).astype(np.uint8)
    return VertexColours(colours, detail, views.weights.sum(axis=0), seen_by)


def _weighted_median(values: Float32Array, weights: Float32Array) -> Float32Array:
    """Median over the first axis of values ``(N, K, 3)`` with weights ``(N, K)``."""
    out = np.zeros(values.shape[1:], np.float32)
    if not len(values):
        return out
    half = 0.5 * weights.sum(axis=0, dtype=np.float64)
    for channel in range(values.shape[2]):
        order = np.argsort(values[..., channel], axis=0, kind="stable")
        total = np.cumsum(np.take_along_axis(weights, order, axis=0), axis=0, dtype=np.float64)
        middle = (total >= half).argmax(axis=0)
        rows = np.take_along_axis(order, middle[None], axis=0)[0]
        out[:, channel] = values[rows, np.arange(values.shape[1]), channel]
    out[half <= 0] = 0.0
    return out


def _best(weights: Float32Array, count: int) -> Float32Array:
    """Weights ``(N, K)`` of the best frames less that of the best of the others.

    They fall to nothing before another frame takes over, so that no seam is left.
    """
    if len(weights) <= count:
        return weights
    next_best = np.partition(weights, len(weights) - count - 1, axis=0)[-count - 1]
    left = np.maximum(weights - next_best, 0.0)
    lost = left.max(axis=0) <= 0  # equals
    left[:, lost] = weights[:, lost]
    return np.asarray(left, np.float32)


def colour_texels(
    texels: Texels, vertices: FloatArray, views: VertexViews, agreed: VertexColours
) -> tuple[Float32Array, Float32Array]:
    """Blend the frames' details at the texels.

    Args:
        texels: The texels, and where on the mesh they lie.
        vertices: ``(V, 3)`` metres.
        views: What the frames show.
        agreed: What they agree on.

    Returns:
        ``(T, 3)`` float32 colours, 0 to 255, and ``(T,)`` the sum of their weights, 0 where no
        frame shows the texel.
    """
    points = texels.mixed(vertices)
    total = np.zeros((len(texels.at), 3), np.float32)
    weight = np.zeros(len(texels.at), np.float32)
    for row, (image, camera) in enumerate(zip(views.images, views.cameras, strict=True)):
        used = agreed.detail[row] > 0
        there = np.flatnonzero(used[texels.corners].any(axis=1))
        if len(there):
            part = Texels(texels.at[there], texels.corners[there], texels.weights[there])
            share = part.mixed(agreed.detail[row])
            known = views.weights[row] > 0
            ratio = (agreed.colours + _OFFSET) / (views.local[row] + _OFFSET)
            ratio = np.where(known[:, None], np.clip(ratio, 1 / _MAX_RATIO, _MAX_RATIO), 1.0)
            pixels = camera.project(points[there].astype(np.float64))[:, :2]
            shown = sample_bilinear(image.astype(np.float32), pixels, outside=0.0)
            levelled = (shown + _OFFSET) * part.mixed(ratio) - _OFFSET
            total[there] += share[:, None] * levelled
            weight[there] += share
        report(StageName.ATLAS, len(views.images) + row + 1, 2 * len(views.images))
    return np.clip(total / np.maximum(weight, 1e-9)[:, None], 0.0, 255.0), weight
