"""Wheels from files, brought into the tyre frame to be rendered like generated tyres."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from numpy.typing import NDArray

from tasks.imaging.sampling import sample_repeating
from tasks.imaging.srgb import linear_from_srgb
from tasks.synthetic.scenes.raycast import Float32Array, IntArray

_TEXTURE_SIDE = 1024
_LONGEST_EDGE = 0.06
"""Longest edge of a face, share of the diameter: occlusion, by vertex, needs a fine mesh."""


@dataclass(frozen=True)
class Paint:
    """Reflectance at points, see :class:`tasks.synthetic.scenes.raycast.Reflectance`."""

    albedo: Float32Array
    specular: Float32Array
    roughness: Float32Array


@dataclass(frozen=True)
class ImportedWheel:
    """A wheel that was modelled elsewhere, in the tyre frame in metres.

    Args:
        vertices: ``(V, 3)``; long edges of the source are split.
        faces: ``(F, 3)``.
        normals: ``(V, 3)``, those of the file where it has any.
        paint: ``(V, 5)`` linear albedo, specular, roughness.
        uv: ``(V, 2)`` texture coordinates, v upwards.
        texture_of_face: ``(F,)`` index into ``textures`` or -1.
        textures: ``(h, w, 3)`` linear RGB each; multiplied with the paint's albedo.
        diameter: Largest of the outer sizes across the axle, metres.
        width: Size along the axle, metres.
    """

    vertices: Float32Array
    faces: IntArray
    normals: Float32Array
    paint: Float32Array
    uv: Float32Array
    texture_of_face: IntArray
    textures: tuple[Float32Array, ...]
    diameter: float
    width: float

    def material(self, face_index: IntArray, points: Float32Array) -> Paint:
        """The material at points ``(N, 3)`` on the faces ``(N,)``."""
        corners = self.faces[face_index]
        weights = _barycentric(self.vertices[corners], points)
        paint = np.einsum("nk,nkd->nd", weights, self.paint[corners])
        albedo = paint[:, :3]
        uv = np.einsum("nk,nkd->nd", weights, self.uv[corners])
        for index, texture in enumerate(self.textures):
            here = np.flatnonzero(self.texture_of_face[face_index] == index)
            x = (uv[here, 0] % 1) * texture.shape[1] - 0.5
            y = ((1 - uv[here, 1]) % 1) * texture.shape[0] - 0.5
            albedo[here] *= sample_repeating(texture, x, y)
        return Paint(albedo, paint[:, 3], paint[:, 4])


WHEEL_DIAMETER = 0.66
"""Outer diameter of wheels from files, metres, which need not say it."""


def from_file(path: Path) -> ImportedWheel:
    """The wheel of a GLB, :data:`WHEEL_DIAMETER` in diameter."""
    return from_trimesh(trimesh.load_scene(path), diameter=WHEEL_DIAMETER)


def from_trimesh(
    source: trimesh.Trimesh | trimesh.Scene, *, diameter: float, flip: bool = False
) -> ImportedWheel:
    """Bring a wheel of any size, centred or not, into the tyre frame.

    Args:
        source: Its axle is the shortest side of the bounding box; +Y stays up where it can.
        diameter: Outer diameter of the result, metres.
        flip: Take the other side as the outer face.

    Returns:
        The wheel with its vertex or face colours, material factors or textures.
    """
    parts = source.dump() if isinstance(source, trimesh.Scene) else [source]
    parts = [p for p in parts if isinstance(p, trimesh.Trimesh) and len(p.faces)]
    vertices = np.concatenate([p.vertices for p in parts])
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    sides = high - low
    rotation = _axle_to_z(int(np.argmin(sides)), flip)
    scale = diameter / float(sides.max())
    offsets = np.cumsum([0, *(len(p.vertices) for p in parts)])
    textures: list[Float32Array] = []
    texture_of_face, attributes = [], []
    for part in parts:
        texture, paint, uv = _appearance(part)
        texture_of_face.append(np.full(len(part.faces), -1 if texture is None else len(textures)))
        if texture is not None:
            textures.append(texture)
        attributes.append(np.hstack([part.vertex_normals @ rotation.T, paint, uv]))
    points, faces, values, labels = _split_long_edges(
        (vertices - (low + high) / 2) @ rotation.T * scale,
        np.concatenate([p.faces + o for p, o in zip(parts, offsets[:-1], strict=True)]),
        np.concatenate(attributes),
        np.concatenate(texture_of_face),
        _LONGEST_EDGE * diameter,
    )
    normals = values[:, :3] / np.maximum(np.linalg.norm(values[:, :3], axis=1), 1e-9)[:, None]
    return ImportedWheel(
        vertices=points.astype(np.float32),
        faces=faces.astype(np.int32),
        normals=normals.astype(np.float32),
        paint=values[:, 3:8].astype(np.float32),
        uv=values[:, 8:].astype(np.float32),
        texture_of_face=labels.astype(np.int32),
        textures=tuple(textures),
        diameter=diameter,
        width=float(sides.min()) * scale,
    )


def _axle_to_z(axle: int, flip: bool) -> NDArray[np.float64]:
    """The rotation that turns an axis of the file to +Z (or -Z) and keeps +Y up where it can."""
    up = 1 if axle != 1 else 2
    rotation = np.zeros((3, 3))
    rotation[2, axle] = -1.0 if flip else 1.0
    rotation[1, up] = 1.0
    rotation[0] = np.cross(rotation[1], rotation[2])
    return rotation


def _appearance(
    part: trimesh.Trimesh,
) -> tuple[Float32Array | None, NDArray[np.float64], NDArray[np.float64]]:
    """A part's texture, its paint ``(V, 5)`` and texture coordinates ``(V, 2)``."""
    count = len(part.vertices)
    paint = np.empty((count, 5))
    uv = np.zeros((count, 2))
    visual: Any = part.visual
    if visual.kind != "texture":
        colours = np.asarray(visual.vertex_colors, dtype=np.float64)[:, :3]
        paint[:] = np.hstack([linear_from_srgb(colours / 255), np.tile([0.04, 0.5], (count, 1))])
        return None, paint, uv
    material = visual.material
    if not isinstance(material, trimesh.visual.material.PBRMaterial):
        material = material.to_pbr()
    factor = material.baseColorFactor
    albedo = np.ones(3) if factor is None else np.asarray(factor, dtype=np.float64)[:3] / 255
    metal = 0.0 if material.metallicFactor is None else float(material.metallicFactor)
    rough = 0.5 if material.roughnessFactor is None else float(material.roughnessFactor)
    paint[:] = [*albedo, 0.04 + (0.9 * albedo.mean() - 0.04) * metal, max(rough, 0.1)]
    image = material.baseColorTexture
    if image is None or visual.uv is None:
        return None, paint, uv
    uv[:] = visual.uv
    image = image.convert("RGB")
    image.thumbnail((_TEXTURE_SIDE, _TEXTURE_SIDE))
    pixels = np.asarray(image, dtype=np.float64) / 255
    return linear_from_srgb(pixels).astype(np.float32), paint, uv


def _split_long_edges(
    vertices: NDArray[np.float64],
    faces: NDArray[np.int64],
    values: NDArray[np.float64],
    labels: NDArray[np.int64],
    longest: float,
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Split faces in four until no edge exceeds ``longest``; attributes are interpolated."""
    for _ in range(6):
        corners = vertices[faces]
        edges = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
        long = edges > longest
        if not long.any():
            break
        a, b, c = faces[long].T
        pairs = np.concatenate([[a, b], [b, c], [c, a]], axis=1).T
        unique, inverse = np.unique(np.sort(pairs, axis=1), axis=0, return_inverse=True)
        ab, bc, ca = (inverse.reshape(3, -1) + len(vertices)).astype(np.int64)
        vertices = np.concatenate([vertices, vertices[unique].mean(axis=1)])
        values = np.concatenate([values, values[unique].mean(axis=1)])
        split = [[a, ab, ca], [ab, b, bc], [ca, bc, c], [ab, bc, ca]]
        faces = np.concatenate([faces[~long], *(np.stack(x, axis=1) for x in split)])
        labels = np.concatenate([labels[~long], *([labels[long]] * 4)])
    return vertices, faces, values, labels


def _barycentric(corners: Float32Array, points: Float32Array) -> Float32Array:
    """Weights ``(N, 3)`` of triangles' corners ``(N, 3, 3)`` at points ``(N, 3)`` on them."""
    a, b, p = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0], points - corners[:, 0]
    aa, ab, bb, pa, pb = (
        np.einsum("ij,ij->i", x, y) for x, y in ((a, a), (a, b), (b, b), (p, a), (p, b))
    )
    area = np.maximum(aa * bb - ab * ab, 1e-20)
    v, w = (bb * pa - ab * pb) / area, (aa * pb - ab * pa) / area
    return np.asarray(np.clip(np.stack([1 - v - w, v, w], axis=1), 0, 1), dtype=np.float32)
