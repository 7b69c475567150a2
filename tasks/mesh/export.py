"""The merged mesh as a GLB that says where it comes from."""

from __future__ import annotations

import io
from collections.abc import Mapping
from importlib.metadata import version as package_version
from typing import Any

import numpy as np

from configs.stages import ExportConfig, StageName
from tasks.core.errors import ReconstructionError
from tasks.mesh.glb import GlbMesh, document_of, encode_glb
from tasks.mesh.merged import MergedMesh
from tasks.mesh.normals import vertex_normals


def export_glb(mesh: MergedMesh, provenance: Mapping[str, Any], config: ExportConfig) -> bytes:
    """The GLB of a merged mesh.

    Args:
        mesh: Mesh in the tyre frame: metres, Y up, axle +Z, as glTF requires.
        provenance: Value of ``asset.extras``, plain JSON types.
        config: Parameters of the stage.

    Raises:
        ReconstructionError: ``mesh-empty`` or ``mesh-broken``.
    """
    _check(mesh)
    normals = vertex_normals(mesh.vertices, mesh.faces)
    normals[~normals.any(axis=1)] = (0.0, 0.0, 1.0)  # glTF has no other than unit normals
    written = GlbMesh(
        mesh.vertices,
        mesh.faces,
        normals.astype(np.float32),
        mesh.colours,
        {
            "seen_by": mesh.seen_by,
            "disagreement": mesh.disagreement,
            "inferred": mesh.inferred,
        },
    )
    content = encode_glb(
        written,
        name=_node_name(provenance, config),
        generator=f"Tyre3D {package_version('tyre3d')}",
        extras=provenance,
    )
    _reload(content, mesh)
    return content


def _node_name(provenance: Mapping[str, Any], config: ExportConfig) -> str:
    """The node's name, which viewers show: a mesh that must not be used says so."""
    failed = provenance.get("verdict") == "fail"
    return f"{config.node_name} ({config.failed_mark})" if failed else config.node_name


def _broken(code: str, what: str) -> ReconstructionError:
    return ReconstructionError(
        code, stage=StageName.EXPORT, what=what, advice="Try more frames or a steadier video"
    )


def _check(mesh: MergedMesh) -> None:
    if len(mesh.faces) == 0 or len(mesh.vertices) == 0:
        raise _broken("mesh-empty", "the merged surface is empty")
    if not np.isfinite(mesh.vertices).all():
        raise _broken("mesh-broken", "the merged surface has vertices that are no numbers")
    if mesh.faces.min() < 0 or mesh.faces.max() >= len(mesh.vertices):
        raise _broken("mesh-broken", "faces of the merged surface point nowhere")


def _reload(content: bytes, mesh: MergedMesh) -> None:
    """Read back what is about to be published, with another library, and count."""
    import trimesh

    document_of(content)
    again: Any = trimesh.load(io.BytesIO(content), file_type="glb", force="mesh", process=False)
    if again.vertices.shape != mesh.vertices.shape or again.faces.shape != mesh.faces.shape:
        raise _broken("glb-broken", "the written GLB does not read back")
