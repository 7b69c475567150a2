"""What a comparison reads of one reconstruction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.atlas.flattened import FlatPart, flat_parts
from tasks.atlas.record import TyreAtlas
from tasks.geometry.camera import Camera
from tasks.geometry.similarity import Similarity, camera_moved
from tasks.mesh.merged import MergedMesh
from tasks.surface.profile import OuterProfile

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Scan:
    """One reconstruction: its surface, and the frames that it was made of.

    Args:
        vertices: ``(V, 3)`` metres; +Z along the axle towards the outer face, +Y up.
        faces: ``(F, 3)`` wound outwards.
        inferred: ``(V,)`` true where no frame saw the surface.
        cameras: Cameras of the rectified frames in the frame of the vertices, by index.
        frame_paths: Images of these frames.
        alpha_paths: Their masks.
        parts: Sidewalls and tread laid flat, by name, in lengths of the mesh as it was made.
        profile: Half-section of the outer surface, likewise.
    """

    vertices: FloatArray
    faces: NDArray[np.int32]
    inferred: NDArray[np.bool_]
    cameras: Mapping[int, Camera]
    frame_paths: Mapping[int, Path]
    alpha_paths: Mapping[int, Path]
    parts: Mapping[str, FlatPart]
    profile: OuterProfile

    def moved(self, transform: Similarity) -> Scan:
        """The scan in another frame; the flattened images and the profile stay as they are."""
        return replace(
            self,
            vertices=transform.apply(self.vertices),
            cameras={i: camera_moved(c, transform) for i, c in self.cameras.items()},
        )


def scan_of(
    mesh: MergedMesh,
    atlas: TyreAtlas,
    cameras: Mapping[int, Camera],
    frame_paths: Mapping[int, Path],
    alpha_paths: Mapping[int, Path],
) -> Scan | None:
    """The scan of a finished reconstruction.

    Args:
        mesh: The merged mesh.
        atlas: Its atlas.
        cameras: Cameras in the world of the poses, by index of the frame.
        frame_paths: Images of the frames.
        alpha_paths: Their masks.

    Returns:
        The scan; None where the surface is not one that turns with an axle.
    """
    if len(atlas.section) == 0:
        return None
    used = sorted(set(cameras) & set(frame_paths) & set(alpha_paths))
    return Scan(
        mesh.vertices.astype(np.float64),
        mesh.faces,
        mesh.inferred,
        {i: camera_moved(cameras[i], mesh.from_world) for i in used},
        {i: frame_paths[i] for i in used},
        {i: alpha_paths[i] for i in used},
        {part.name: part for part in flat_parts(atlas)},
        OuterProfile(atlas.section),
    )
