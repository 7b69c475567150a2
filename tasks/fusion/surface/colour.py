"""Colours of the surface: from the frames, then the network, then the mean around the axle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.core.parallel import in_threads
from tasks.fusion.evidence.fields import PosedField
from tasks.fusion.surface.marching import TriangleMesh
from tasks.fusion.surface.visibility import caster_of, depth_map
from tasks.geometry.camera import Camera
from tasks.imaging.exposure import frame_gains
from tasks.imaging.images import read_image
from tasks.imaging.resizing import bounded
from tasks.imaging.sampling import sample_bilinear
from tasks.mesh.normals import vertex_normals

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Colouring:
    """Colours and which frames gave them.

    Args:
        colours: ``(V, 3)`` uint8 sRGB.
        seen_by: ``(V,)`` uint8, frames that saw the vertex.
    """

    colours: NDArray[np.uint8]
    seen_by: NDArray[np.uint8]


def colour_surface(
    surface: TriangleMesh,
    cameras: dict[int, Camera],
    frame_paths: dict[int, Path],
    mask_distance: dict[int, NDArray[np.float32]],
    fields: Sequence[PosedField],
    *,
    best: int,
    longest_px: int,
    tolerance_m: float,
) -> Colouring:
    """Colour every vertex.

    Args:
        surface: The surface in the frame of the cameras.
        cameras: Cameras of the full-size frames, posed in the tyre frame.
        frame_paths: Images of the posed frames.
        mask_distance: Signed pixels to each mask's outline at any size; edges bleed background.
        fields: Fields of the chosen frames, for what no frame saw.
        best: Number of frames that are blended at a vertex.
        longest_px: Longest side to which images are reduced, pixels.
        tolerance_m: Depth in metres by which a vertex may lie behind the surface and count as seen.
    """
    normals = vertex_normals(surface.vertices, surface.faces)
    caster = caster_of(surface)
    indices = sorted(set(cameras) & set(frame_paths))
    n = len(surface.vertices)
    weights = np.zeros((len(indices), n), np.float32)
    samples = np.zeros((len(indices), n, 3), np.uint8)
    sharpness = np.ones(len(indices))

    def look(row: int) -> None:
        index = indices[row]
        image = read_image(frame_paths[index])[..., ::-1]
        image = bounded(image, longest_px)
        height, width = image.shape[:2]
        depth = depth_map(caster, cameras[index], min(longest_px, 480))
        cosine, pixels = depth.sees(surface.vertices, normals, tolerance_m=tolerance_m)
        rows = np.nonzero(cosine > 0.1)[0]
        if index in mask_distance:
            signed = mask_distance[index]
            k = signed.shape[1] / depth.camera.width
            edge = sample_bilinear(signed, pixels[rows] * k, outside=0.0)
            rows = rows[edge > 0.004 * max(signed.shape)]
        camera = cameras[index].resized(width, height)
        at = camera.project(surface.vertices[rows])[:, :2]
        samples[row, rows] = np.clip(
            sample_bilinear(np.ascontiguousarray(image, np.float32), at, outside=0.0) + 0.5, 0, 255
        )
        weights[row, rows] = cosine[rows] ** 2
        sharpness[row] = _sharpness(image, depth.hits)

    for _ in in_threads(look, range(len(indices))):
        pass
    weights *= (sharpness / max(float(sharpness.max()), 1e-6)).astype(np.float32)[:, None]
    seen_by = np.minimum((weights > 0).sum(axis=0), 255).astype(np.uint8)
    blended = _blend(samples, weights, best)
    colours = _fill_unseen(surface, blended, seen_by, fields)
    return Colouring(np.clip(colours + 0.5, 0, 255).astype(np.uint8), seen_by)


def _sharpness(image: NDArray[np.uint8], hits: NDArray[np.bool_]) -> float:
    """Standard deviation of the Laplacian on the tyre."""
    grey = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY).astype(np.float32)
    laplacian = np.asarray(cv2.Laplacian(grey, cv2.CV_32F))
    region = cv2.resize(
        hits.astype(np.uint8), (image.shape[1], image.shape[0]), interpolation=cv2.INTER_NEAREST
    ).astype(bool)
    return float(laplacian[region].std()) if region.any() else 0.0


def _blend(
    samples: NDArray[np.uint8], weights: NDArray[np.float32], best: int
) -> NDArray[np.float32]:
    """Blend the best few samples of every vertex after compensating the frames' exposures."""
    gains = frame_gains(samples, weights)
    k = min(best, len(weights))
    if k == 0:
        return np.zeros(samples.shape[1:], np.float32)
    chosen = np.argpartition(-weights, k - 1, axis=0)[:k]  # (k, V)
    w = np.take_along_axis(weights, chosen, axis=0)
    columns = np.arange(samples.shape[1])
    values = samples[chosen, columns].astype(np.float32) * gains[chosen][..., None]
    total = np.maximum(w.sum(axis=0), 1e-9)[:, None]
    return np.asarray((values * w[..., None]).sum(axis=0) / total, np.float32)


def _fill_unseen(
    surface: TriangleMesh,
    colours: NDArray[np.float32],
    seen_by: NDArray[np.uint8],
    fields: Sequence[PosedField],
) -> NDArray[np.float32]:
    """Give vertices that no frame saw the network's colour, brought to the frames' brightness."""
    hidden = np.nonzero(seen_by == 0)[0]
    if len(hidden) == 0:
        return colours
    colours = colours.copy()
    around = rotational_colours(surface.vertices, colours, seen_by > 0, hidden)
    if fields:
        points = surface.vertices[hidden]
        network = np.zeros((len(hidden), 3))
        total = np.full((len(hidden), 1), 1e-9)
        for posed in fields:
            local = posed.to_crop.apply(points).astype(np.float32)
            towards = posed.camera.centre
            weight = np.exp(
                3.0 * (points @ towards) / np.linalg.norm(towards) / np.abs(points).max()
            )
            network += weight[:, None] * posed.field.colours(local)
            total += weight[:, None]
        colours[hidden] = 255.0 * network / total
        known = np.isfinite(around[:, 0])
        colours[hidden[known]] = 0.5 * colours[hidden[known]] + 0.5 * around[known]
    else:
        colours[hidden] = np.where(np.isfinite(around), around, 60.0)
    return colours


def rotational_colours(
    vertices: FloatArray,
    colours: NDArray[np.float32],
    seen: NDArray[np.bool_],
    hidden: NDArray[np.int64],
    bins: int = 48,
) -> NDArray[np.float32]:
    """Median colour around the axle at the same radius and distance from the middle plane.

    Args:
        vertices: ``(V, 3)`` in the tyre frame, metres.
        colours: ``(V, 3)`` float32, 0 to 255; those of vertices that were not seen are not used.
        seen: ``(V,)`` whether a frame saw the vertex.
        hidden: ``(W,)`` indices of the vertices that need a colour.
        bins: Number of bins in either direction.

    Returns:
        ``(W, 3)`` float32, not a number where nothing was seen at that radius and distance.
    """
    r = np.hypot(vertices[:, 0], vertices[:, 1])
    reach = float(r.max()) * (1 + 1e-6)
    z = vertices[:, 2]
    span = float(np.abs(z).max()) * (1 + 1e-6)
    cell = (r / reach * bins).astype(np.int64) * bins + (np.abs(z) / span * bins).astype(np.int64)
    out = np.full((bins * bins, 3), np.nan, np.float32)
    rows = np.nonzero(seen)[0]
    if len(rows) == 0:
        return out[cell[hidden]]
    order = rows[np.argsort(cell[rows], kind="stable")]
    starts = np.nonzero(np.diff(cell[order], prepend=-1))[0]
    for a, b in zip(starts, np.append(starts[1:], len(order)), strict=True):
        out[cell[order[a]]] = np.median(colours[order[a:b]], axis=0)
    return out[cell[hidden]]
