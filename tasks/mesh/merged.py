"""The merged mesh: arrays in a file, figures and warnings in the record."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.geometry.similarity import Similarity
from tasks.storage.artifacts import Artifact

_FILE = "mesh.npz"


@dataclass(frozen=True)
class MergedMesh:
    """One closed surface in the tyre frame (metres, axle +Z, up +Y), with provenance per vertex.

    Args:
        vertices: ``(V, 3)`` float32, metres.
        faces: ``(F, 3)`` int32, wound outwards.
        colours: ``(V, 3)`` uint8, sRGB.
        seen_by: ``(V,)`` uint8, frames that saw the vertex.
        disagreement: ``(V,)`` float32, standard deviation of the frames' surfaces there, metres.
        inferred: ``(V,)`` bool, true where no frame saw the surface.
        figures: Fusion figures for the record.
        warnings: What a person should know.
        from_world: World of the cameras to the frame of the vertices.
    """

    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]
    colours: NDArray[np.uint8]
    seen_by: NDArray[np.uint8]
    disagreement: NDArray[np.float32]
    inferred: NDArray[np.bool_]
    figures: dict[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    from_world: Similarity = field(default_factory=lambda: Similarity(1.0, np.eye(3), np.zeros(3)))


def save_mesh(folder: Path, mesh: MergedMesh) -> None:
    """Write the arrays of a merged mesh; the rest is :func:`mesh_record`."""
    np.savez(
        folder / _FILE,
        vertices=mesh.vertices,
        faces=mesh.faces,
        colours=mesh.colours,
        seen_by=mesh.seen_by,
        disagreement=mesh.disagreement,
        inferred=mesh.inferred,
    )


def mesh_record(mesh: MergedMesh) -> dict[str, Any]:
    """What the artifact's record says of a merged mesh, as plain JSON types."""
    from_world = mesh.from_world
    return {
        "figures": mesh.figures,
        "warnings": list(mesh.warnings),
        "from_world": {
            "scale": from_world.scale,
            "rotation": from_world.rotation.tolist(),
            "translation": from_world.translation.tolist(),
        },
    }


def load_mesh(artifact: Artifact) -> MergedMesh:
    """The merged mesh that an artifact holds."""
    record = artifact.record
    from_world = record["from_world"]
    with np.load(artifact.folder / _FILE) as arrays:
        return MergedMesh(
            **{name: arrays[name] for name in arrays.files},
            figures=dict(record["figures"]),
            warnings=tuple(record["warnings"]),
            from_world=Similarity(
                from_world["scale"],
                np.array(from_world["rotation"]),
                np.array(from_world["translation"]),
            ),
        )
