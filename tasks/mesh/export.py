"""The merged mesh as a GLB that says where it comes from."""

from __future__ import annotations

import io
from collections.abc import Mapping
from importlib.metadata import version as package_version
from typing import Any

import cv2
import numpy as np

from configs.stages import ExportConfig, StageName
from tasks.atlas.record import TyreAtlas
from tasks.core.errors import ReconstructionError
from tasks.imaging.images import encode_image
from tasks.mesh.glb import GlbMesh, Texture, document_of, encode_glb
from tasks.mesh.glb_reader import read_glb
from tasks.mesh.levels_of_detail import Level, level_glb, whole
from tasks.mesh.merged import MergedMesh
from tasks.mesh.normals import vertex_normals


def export_glb(
    mesh: MergedMesh,
    provenance: Mapping[str, Any],
    config: ExportConfig,
    atlas: TyreAtlas | None = None,
) -> bytes:
    """The GLB of a merged mesh.

    Where the texture cuts the surface open, vertices are written once for each side of the cut, at
    the same position: merged by position, the surface is the mesh's.

    Args:
        mesh: Mesh in the tyre frame: metres, Y up, axle +Z, as glTF requires.
        provenance: Value of ``asset.extras``, plain JSON types.
        config: Parameters of the stage.
        atlas: This mesh's atlas, for the texture; None for colours at the vertices alone.

    Raises:
        ReconstructionError: ``mesh-empty`` or ``mesh-broken``.
    """
    _check(mesh)
    normals = vertex_normals(mesh.vertices, mesh.faces)
    normals[~normals.any(axis=1)] = (0.0, 0.0, 1.0)  # glTF has no other than unit normals
    source = slice(None) if atlas is None else atlas.layout.source
    written = GlbMesh(
        mesh.vertices[source],
        mesh.faces if atlas is None else atlas.layout.faces,
        normals.astype(np.float32)[source],
        mesh.colours[source],
        {
            "seen_by": mesh.seen_by[source],
            "disagreement": mesh.disagreement[source],
            "inferred": mesh.inferred[source],
        },
        None if atlas is None else _texture(atlas, config),
    )
    content = encode_glb(
        written,
        name=_node_name(provenance, config),
        generator=f"Tyre3D {package_version('tyre3d')}",
        extras=provenance,
    )
    _reload(content, written)
    return content


def levels_of(plain: bytes, config: ExportConfig) -> dict[str, Level]:
    """The levels of detail of a GLB: ``full``, ``medium`` and ``preview``.

    Args:
        plain: The GLB, whole and uncompressed.
        config: Parameters of the stage: how large each may be.

    Raises:
        ReconstructionError: ``glb-too-large``.
    """
    mesh = read_glb(plain)
    compressed = config.compression == "meshopt"
    try:
        if compressed:
            full = level_glb(mesh, config.full_bytes, compressed=True, brief=False)
        else:
            full = whole(plain, mesh)
        levels = {"full": full}
        for name, most in (("medium", config.medium_bytes), ("preview", config.preview_bytes)):
            above = full if most < config.full_bytes else None
            levels[name] = level_glb(mesh, most, compressed=compressed, above=above)
        return levels
    except ValueError as exc:
        raise ReconstructionError(
            "glb-too-large",
            stage=StageName.EXPORT,
            what=str(exc),
            advice="Raise export.full_bytes, export.medium_bytes or export.preview_bytes",
        ) from exc


def _texture(atlas: TyreAtlas, config: ExportConfig) -> Texture:
    """The atlas's colours as a JPEG, hue as fine as brightness: letterings are coloured."""
    layout = atlas.layout
    options = [
        cv2.IMWRITE_JPEG_QUALITY,
        config.texture_quality,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ]
    image = encode_image(".jpg", np.ascontiguousarray(atlas.colours[..., ::-1]), options)
    size = np.array([layout.width, layout.height], np.float32)
    return Texture(layout.uv / size, image)


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


def _reload(content: bytes, written: GlbMesh) -> None:
    """Read back what is about to be published, with another library, and count."""
    import trimesh

    document_of(content)
    again: Any = trimesh.load(io.BytesIO(content), file_type="glb", force="mesh", process=False)
    shapes = (again.vertices.shape, again.faces.shape)
    if shapes != (written.vertices.shape, written.faces.shape):
        raise _broken("glb-broken", "the written GLB does not read back")
