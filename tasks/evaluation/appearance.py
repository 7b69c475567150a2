"""How much a coloured mesh looks like photos that its colours were not taken from."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.atlas.record import TyreAtlas
from tasks.geometry.camera import Camera
from tasks.geometry.ray_caster import CENTIMETRES, Intersections, RayCaster
from tasks.geometry.similarity import camera_moved
from tasks.imaging.images import Image, read_image, read_mask
from tasks.imaging.masks import MaskArray, foreground
from tasks.imaging.sampling import sample_repeating
from tasks.mesh.merged import MergedMesh

Float32Array = NDArray[np.float32]

Shader = Callable[[NDArray[np.integer[Any]], Float32Array], Float32Array]
"""Colours ``(N, 3)``, 0 to 255, on faces ``(N,)`` at weights ``(N, 3)`` of their corners."""


def vertex_shader(mesh: MergedMesh) -> Shader:
    """Colours mixed from those of the vertices."""
    colours = mesh.colours.astype(np.float32)
    return lambda face, weights: (colours[mesh.faces[face]] * weights[..., None]).sum(axis=1)


def texture_shader(atlas: TyreAtlas) -> Shader:
    """Colours of the texture, as a viewer samples it."""
    layout, colours = atlas.layout, atlas.colours.astype(np.float32)

    def shade(face: NDArray[np.integer[Any]], weights: Float32Array) -> Float32Array:
        uv = (layout.uv[layout.faces[face]] * weights[..., None]).sum(axis=1) - 0.5
        return sample_repeating(colours, uv[:, 0], uv[:, 1])

    return shade


def render(
    caster: RayCaster, camera: Camera, shaders: Sequence[Shader]
) -> tuple[MaskArray, list[Image]]:
    """What a camera sees of a mesh, in colours of several kinds.

    Args:
        caster: Casts rays at the mesh.
        camera: Posed in the mesh's frame.
        shaders: What gives the colours.

    Returns:
        ``(H, W)`` pixels that show the mesh; images ``(H, W, 3)`` RGB, black elsewhere.
    """
    v, u = np.mgrid[: camera.height, : camera.width]
    rays = camera.rays(np.stack([u.ravel(), v.ravel()], axis=1) + 0.5)
    met = caster.intersect(np.repeat(camera.centre[None], len(rays), axis=0), rays)
    hit = np.flatnonzero(met.face >= 0)
    weights = _weights(met, hit)
    images = []
    for shade in shaders:
        image = np.zeros((len(rays), 3), np.uint8)
        image[hit] = np.clip(np.rint(shade(met.face[hit], weights)), 0, 255)
        images.append(image.reshape(camera.height, camera.width, 3))
    return (met.face >= 0).reshape(camera.height, camera.width), images


def _weights(met: Intersections, hit: NDArray[np.integer[Any]]) -> Float32Array:
    second, third = met.u[hit], met.v[hit]
    return np.stack([1.0 - second - third, second, third], axis=1)


def psnr(image: Image, photo: Image, region: MaskArray, *, gain: bool) -> float:
    """Peak signal-to-noise ratio of images ``(H, W, 3)`` in a region, decibels.

    Args:
        image: What was predicted.
        photo: What was seen.
        region: ``(H, W)`` pixels that count; without any the ratio is not a number.
        gain: Whether the image is first brought to the photo's exposure, by one factor.
    """
    predicted, found = image[region].astype(np.float64), photo[region].astype(np.float64)
    if not len(predicted):
        return math.nan
    if gain:
        predicted *= (predicted * found).sum() / max((predicted * predicted).sum(), 1e-9)
    error = float(((predicted - found) ** 2).mean())
    return 10.0 * math.log10(255.0**2 / max(error, 1e-9))


def score_appearance(
    mesh: MergedMesh,
    atlas: TyreAtlas,
    cameras: Mapping[int, Camera],
    frame_paths: Mapping[int, Path],
    alpha_paths: Mapping[int, Path],
    held_out: Sequence[int],
) -> dict[str, float]:
    """Median PSNR of held-out frames, by the vertices' colours and by the texture.

    Only what lies both in the mask and on the mesh counts, less two pixels at its edge.

    Args:
        mesh: The merged mesh.
        atlas: Its atlas.
        cameras: Cameras of the frames in the world of the poses, by index.
        frame_paths: Their images.
        alpha_paths: Their masks.
        held_out: Frames that gave no colours.

    Returns:
        Decibels by name; ``_gain`` after one factor per frame; not a number without frames.
    """
    caster = RayCaster(mesh.vertices, mesh.faces, scale=CENTIMETRES)
    shaders = {"vertices": vertex_shader(mesh), "texture": texture_shader(atlas)}
    ratios: dict[str, list[float]] = {f"{n}{g}": [] for n in shaders for g in ("", "_gain")}
    for index in sorted(set(held_out) & set(cameras) & set(frame_paths) & set(alpha_paths)):
        photo = np.ascontiguousarray(read_image(frame_paths[index])[..., ::-1])
        camera = camera_moved(cameras[index], mesh.from_world)
        hits, images = render(caster, camera, list(shaders.values()))
        shown = hits & foreground(read_mask(alpha_paths[index]))
        region = cv2.erode(shown.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        for name, image in zip(shaders, images, strict=True):
            ratios[name].append(psnr(image, photo, region, gain=False))
            ratios[f"{name}_gain"].append(psnr(image, photo, region, gain=True))
    return {name: float(np.median(r)) if r else math.nan for name, r in ratios.items()}
