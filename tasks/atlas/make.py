"""The atlas of a mesh: unrolled, coloured by the frames, filled where none saw it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from configs.stages import AtlasConfig
from tasks.atlas.bake import agree_on_colours, colour_texels
from tasks.atlas.inpainting import fill_unseen
from tasks.atlas.layout import Layout, lay_out
from tasks.atlas.record import Provenance, TyreAtlas
from tasks.atlas.texels import Texels, find_texels
from tasks.atlas.views import look_at_vertices
from tasks.geometry.camera import Camera
from tasks.geometry.similarity import camera_moved
from tasks.mesh.merged import MergedMesh
from tasks.mesh.normals import vertex_normals
from tasks.surface.profile import fit_outer_profile

_SURE = 0.04
"""Sum of the frames' weights from which on the colour is all theirs."""


def make_atlas(
    mesh: MergedMesh,
    cameras: Mapping[int, Camera],
    frame_paths: Mapping[int, Path],
    alpha_paths: Mapping[int, Path],
    config: AtlasConfig,
) -> TyreAtlas:
    """Make the atlas of a mesh.

    Args:
        mesh: The merged mesh.
        cameras: Cameras of the frames in the world of the poses, by index.
        frame_paths: Images of the frames that give colours.
        alpha_paths: Their masks.
        config: Parameters of the stage.
    """
    vertices = mesh.vertices.astype(np.float64)
    posed = {i: camera_moved(c, mesh.from_world) for i, c in cameras.items()}
    profile = fit_outer_profile(vertices, mesh.faces)
    texel = _pixel_m(posed) / config.texels_per_pixel
    layout = lay_out(vertices, mesh.faces, profile, texel, config)
    outside = profile.unroll(vertices)[1] if profile else np.zeros(len(vertices))
    texels = find_texels(layout, outside[layout.source])
    normals = vertex_normals(vertices, mesh.faces)
    views = look_at_vertices(vertices, mesh.faces, normals, posed, frame_paths, alpha_paths, config)
    agreed = agree_on_colours(views, config)
    seen = agreed.seen > 0
    filled, around = fill_unseen(vertices, mesh.faces, agreed.colours, seen, mesh.colours)
    detail, weight = colour_texels(texels, vertices, views, agreed)
    trust = np.where(weight > 0, np.minimum(texels.mixed(agreed.seen) / _SURE, 1.0), 0.0)
    colour = texels.mixed(filled)
    colour += trust[:, None].astype(np.float32) * (detail - colour)
    origin = np.where(around, Provenance.SYMMETRY, Provenance.NETWORK)
    origin[seen] = Provenance.MEASURED
    nearest = np.take_along_axis(texels.corners, texels.weights.argmax(axis=1)[:, None], axis=1)[
        :, 0
    ]
    shape = layout.height, layout.width
    provenance = _image(texels, origin[nearest].astype(np.uint8), shape)
    colours = _image(texels, np.rint(colour).astype(np.uint8), shape)
    return TyreAtlas(
        _with_gutters(colours, provenance != Provenance.UNSEEN),
        _image(texels, agreed.seen_by[nearest], shape),
        provenance,
        layout,
        profile.points if profile else np.zeros((0, 2)),
        _figures(layout, provenance),
    )


def _pixel_m(cameras: Mapping[int, Camera]) -> float:
    """What a pixel of the frames covers at the tyre's middle, metres."""
    covers = [float(np.linalg.norm(c.centre)) / c.fx for c in cameras.values()]
    return float(np.median(covers)) if covers else 0.001


def _image(texels: Texels, values: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Values of the texels ``(T, ...)`` as an image, 0 elsewhere."""
    out = np.zeros((shape[0] * shape[1], *values.shape[1:]), np.uint8)
    out[texels.at] = values
    return out.reshape(*shape, *values.shape[1:])


def _with_gutters(colours: NDArray[np.uint8], known: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The image with the nearest colour where no face lies: renderers mix what is beside it."""
    if not known.any():
        return colours
    nearest = distance_transform_edt(~known, return_distances=False, return_indices=True)
    return np.asarray(colours[tuple(nearest)])


def _figures(layout: Layout, provenance: NDArray[np.uint8]) -> dict[str, float]:
    first, last = layout.rows
    figures = {"texel_mm": 1000.0 * layout.texel_m, "faces_on_atlas": float(layout.on_atlas.mean())}
    for name, part in (("atlas", provenance[first:last]), ("charts", provenance[last:])):
        there = part[part != Provenance.UNSEEN]
        for kind in (Provenance.MEASURED, Provenance.SYMMETRY, Provenance.NETWORK):
            share = float((there == kind).mean()) if there.size else 0.0
            figures[f"{name}_{kind.name.lower()}"] = share
    return figures
