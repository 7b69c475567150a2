"""What the frames show of a mesh's vertices, and how well."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix

from configs.stages import AtlasConfig, StageName
from tasks.core.progress import report
from tasks.geometry.camera import Camera
from tasks.geometry.ray_caster import CENTIMETRES, RayCaster
from tasks.imaging.images import Image, read_image, read_mask
from tasks.imaging.masks import MaskArray, foreground, signed_pixels
from tasks.imaging.sampling import sample_bilinear

Float32Array = NDArray[np.float32]
FloatArray = NDArray[np.float64]

_OFFSET_M = 0.0015
"""Rays start so far off the surface, which would be in their way itself."""


@dataclass(frozen=True)
class VertexViews:
    """What the frames show of the vertices.

    Args:
        images: RGB frames ``(H, W, 3)``.
        cameras: Their cameras, in the frame of the vertices.
        weights: ``(N, V)`` float32, how well a frame sees a vertex, 0 where it does not.
        local: ``(N, V, 3)`` float32, the frame's colour around the vertex, 0 to 255.
    """

    images: list[Image]
    cameras: list[Camera]
    weights: Float32Array
    local: Float32Array


def look_at_vertices(
    vertices: FloatArray,
    faces: NDArray[np.integer[Any]],
    normals: FloatArray,
    cameras: Mapping[int, Camera],
    frame_paths: Mapping[int, Path],
    alpha_paths: Mapping[int, Path],
    config: AtlasConfig,
) -> VertexViews:
    """Look at all vertices through all frames.

    Args:
        vertices: ``(V, 3)`` metres.
        faces: ``(F, 3)``.
        normals: ``(V, 3)`` unit.
        cameras: Cameras of the full-size frames, by frame index, in the frame of the vertices.
        frame_paths: Their images.
        alpha_paths: Their masks.
        config: Parameters of the stage.
    """
    caster = RayCaster(vertices, faces, scale=CENTIMETRES)
    touching = _touching(faces, len(vertices))
    indices = sorted(set(cameras) & set(frame_paths) & set(alpha_paths))
    images, used = [], []
    weights = np.zeros((len(indices), len(vertices)), np.float32)
    local = np.zeros((len(indices), len(vertices), 3), np.float32)
    sharpness = np.zeros(len(indices))
    for row, index in enumerate(indices):
        image = np.ascontiguousarray(read_image(frame_paths[index])[..., ::-1])
        camera = cameras[index]
        alpha = read_mask(alpha_paths[index])
        inside = foreground(alpha)  # without the rim's openings: the background is seen there
        pixels = camera.project(vertices)
        cosine = _seen(caster, vertices, normals, camera, touching, config.min_cosine)
        edge = sample_bilinear(signed_pixels(inside), pixels[:, :2], outside=-1.0)
        margin = config.edge_margin * max(alpha.shape)
        within = np.clip((edge - margin) / margin, 0.0, 1.0)
        nearness = np.median(pixels[:, 2]) / np.maximum(pixels[:, 2], 1e-6)
        weight = (cosine * nearness) ** 2 * within
        seen = np.flatnonzero(weight > 0)
        weights[row, seen] = weight[seen]
        blur_px = config.local_colour_m * camera.fx / float(np.median(pixels[:, 2]))
        blurred = _blurred_within(image, inside, blur_px)
        local[row, seen] = sample_bilinear(blurred, pixels[seen, :2], outside=0.0)
        sharpness[row] = _sharpness(image, inside)
        images.append(image)
        used.append(camera)
        report(StageName.ATLAS, row + 1, 2 * len(indices))
    weights *= (sharpness / max(float(sharpness.max(initial=0.0)), 1e-6)).astype(np.float32)[
        :, None
    ]
    return VertexViews(images, used, weights, local)


def _touching(faces: NDArray[np.integer[Any]], count: int) -> Any:
    """``(V, V)`` sparse, where vertices share a face."""
    a, b = faces[:, [0, 1, 2]].ravel(), faces[:, [1, 2, 0]].ravel()
    both = np.concatenate([a, b]), np.concatenate([b, a])
    return coo_matrix((np.ones(2 * len(a), np.float32), both), shape=(count, count)).tocsr()


def _seen(
    caster: RayCaster,
    vertices: FloatArray,
    normals: FloatArray,
    camera: Camera,
    touching: Any,
    min_cosine: float,
) -> FloatArray:
    """Cosine of the incidence ``(V,)`` less the least one; 0 where a neighbour is hidden, too.

    Close to what hides a part of the surface, colours are those of the one or the other.
    """
    towards = camera.centre - vertices
    distance = np.linalg.norm(towards, axis=1, keepdims=True)
    towards /= distance
    cosine = (normals * towards).sum(axis=1)
    facing = np.flatnonzero(cosine > min_cosine)
    origins = vertices[facing] + _OFFSET_M * (normals[facing] + towards[facing])
    hidden = np.zeros(len(vertices), np.float32)
    hidden[facing] = caster.occluded(origins, towards[facing])
    beside = touching @ hidden + hidden > 0
    sees = (cosine > min_cosine) & ~beside
    return np.where(sees, (cosine - min_cosine) / (1.0 - min_cosine), 0.0)


def _blurred_within(image: Image, inside: MaskArray, sigma: float) -> Float32Array:
    """Colours averaged over what lies inside a mask."""
    share = inside.astype(np.float32)
    total = cv2.GaussianBlur(image.astype(np.float32) * share[..., None], (0, 0), sigma)
    weight = cv2.GaussianBlur(share, (0, 0), sigma)
    return np.asarray(total / np.maximum(weight, 1e-3)[..., None], np.float32)


def _sharpness(image: Image, inside: MaskArray) -> float:
    """Standard deviation of the Laplacian on the tyre."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    laplacian = np.asarray(cv2.Laplacian(grey, cv2.CV_32F))
    return float(laplacian[inside].std()) if inside.any() else 0.0
