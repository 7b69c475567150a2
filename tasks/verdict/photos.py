"""The mesh's colours against photos that they were not taken from.

Held-out frames are predicted by casting their rays at the mesh. Only what varies within a window
counts, so that neither exposure nor shading of whole parts can make up for a wrong position.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.geometry.camera import Camera
from tasks.geometry.ray_caster import RayCaster
from tasks.imaging.masks import MaskArray
from tasks.mesh.merged import MergedMesh

Float32Array = NDArray[np.float32]

WINDOW = 0.04
"""Standard deviation of the window, as a share of the silhouette's larger side."""

MIN_DETAIL = 0.02
"""Detail of a photo, standard deviation of its log grey values, below which it shows nothing."""


@dataclass(frozen=True)
class Prediction:
    """What a camera should see of a mesh.

    Args:
        hits: ``(H, W)`` pixels that show the mesh.
        grey: ``(H, W)`` logarithm of the grey values, 0 where nothing is hit.
        seen: ``(H, W)`` those of ``hits`` whose colour a frame gave.
    """

    hits: MaskArray
    grey: Float32Array
    seen: MaskArray


def predict(mesh: MergedMesh, caster: RayCaster, camera: Camera) -> Prediction:
    """Cast every pixel's ray of a camera at a mesh.

    Args:
        mesh: The mesh.
        caster: Casts rays at it.
        camera: Posed in the mesh's frame, of the size to predict.
    """
    shape = camera.height, camera.width
    v, u = np.mgrid[: camera.height, : camera.width]
    rays = camera.rays(np.stack([u.ravel(), v.ravel()], axis=1) + 0.5)
    met = caster.intersect(np.repeat(camera.centre[None], len(rays), axis=0), rays)
    hit = np.flatnonzero(met.face >= 0)
    corners = mesh.faces[met.face[hit]]  # (N, 3)
    second, third = met.u[hit], met.v[hit]
    weights = np.stack([1.0 - second - third, second, third], axis=1)
    luma = log_grey(mesh.colours)
    grey = np.zeros(len(rays), np.float32)
    grey[hit] = (luma[corners] * weights).sum(axis=1)
    seen = np.zeros(len(rays), np.bool_)
    seen[hit] = ~mesh.inferred[corners].any(axis=1)
    return Prediction((met.face >= 0).reshape(shape), grey.reshape(shape), seen.reshape(shape))


def log_grey(colours: NDArray[np.uint8]) -> Float32Array:
    """Logarithm of the mean of colours ``(..., 3)``: a change of exposure becomes an offset."""
    return np.asarray(np.log(colours.astype(np.float32).mean(axis=-1) + 4.0), np.float32)


def photo_agreement(predicted: Prediction, photo: NDArray[np.uint8], mask: MaskArray) -> float:
    """Correlation of what varies within a window, between prediction and photo.

    Args:
        predicted: What the camera should see.
        photo: ``(H, W, 3)`` uint8, what it saw.
        mask: ``(H, W)`` the photo's foreground.

    Returns:
        -1..1, or not a number where the photo shows no detail on the mesh.
    """
    region = predicted.seen & mask
    rows, columns = np.nonzero(region)
    if len(rows) < 200:
        return float("nan")
    sigma = WINDOW * max(np.ptp(rows), np.ptp(columns))
    margin = max(1, round(0.5 * sigma))
    inner = cv2.erode(region.astype(np.uint8), np.ones((2 * margin + 1, 2 * margin + 1))) > 0
    if inner.sum() < 200:
        return float("nan")
    rendered, found = (_detail(g, region, sigma)[inner] for g in (predicted.grey, log_grey(photo)))
    if float(found.std()) < MIN_DETAIL:
        return float("nan")
    normaliser = float(rendered.std() * found.std())
    return float(
        ((rendered - rendered.mean()) * (found - found.mean())).mean() / max(normaliser, 1e-9)
    )


def _detail(grey: Float32Array, region: MaskArray, sigma: float) -> Float32Array:
    """Grey values less their mean within a Gaussian window of the region."""
    weight = region.astype(np.float32)
    total = cv2.GaussianBlur(grey * weight, (0, 0), sigma)
    share = cv2.GaussianBlur(weight, (0, 0), sigma)
    fine = cv2.GaussianBlur(grey, (0, 0), 1.0)  # the mesh's vertices are coarser than pixels
    return np.asarray(fine - total / np.maximum(share, 1e-3), np.float32)
