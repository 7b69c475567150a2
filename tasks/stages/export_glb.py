"""Stage *export*: the merged mesh as a GLB that says where it comes from, and as a picture."""

from __future__ import annotations

import io
import logging
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any

import numpy as np
from prefect import task

from configs.stages import ExportConfig
from tasks.core.errors import ReconstructionError
from tasks.imaging.images import write_image
from tasks.mesh.glb import GlbMesh, document_of, encode_glb
from tasks.mesh.normals import vertex_normals
from tasks.mesh.preview import preview
from tasks.records import ArtifactRef, MergedMesh
from tasks.stages.caching import STAGE
from tasks.storage.artifacts import ArtifactStore, code_version
from tasks.storage.base import storage_errors

_log = logging.getLogger("tyre3d")
STAGE_NAME = "export"
PREVIEW_FILE = "preview.png"


def export_glb(mesh: MergedMesh, provenance: Mapping[str, Any], config: ExportConfig) -> bytes:
    """The GLB of a merged mesh.

    Args:
        mesh: In the tyre frame: metres, Y up, axle +Z, as glTF wants it.
        provenance: For ``asset.extras``.
        config: Names.

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
        name=config.node_name,
        generator=f"Tyre3D {package_version('tyre3d')}",
        extras=provenance,
    )
    _reload(content, mesh)
    return content


def _broken(code: str, what: str) -> ReconstructionError:
    return ReconstructionError(
        code, stage="export", what=what, advice="Try more frames or a steadier video"
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


def save_mesh(path: Path, mesh: MergedMesh) -> None:
    """Write the arrays of a merged mesh; figures and warnings belong into the record."""
    np.savez(
        path,
        vertices=mesh.vertices,
        faces=mesh.faces,
        colours=mesh.colours,
        seen_by=mesh.seen_by,
        disagreement=mesh.disagreement,
        inferred=mesh.inferred,
    )


def load_mesh(path: Path, record: Mapping[str, Any]) -> MergedMesh:
    """The inverse of :func:`save_mesh`; ``record`` brings figures and warnings."""
    with np.load(path) as arrays:
        return MergedMesh(
            **{name: arrays[name] for name in arrays.files},
            figures=dict(record["figures"]),
            warnings=tuple(record["warnings"]),
        )


def version() -> str:
    """The stage's code version."""
    return code_version(__name__, "tasks.mesh.glb", "tasks.mesh.preview")


@task(name="export GLB", task_run_name="export-{tyre}", retries=1, timeout_seconds=1800, **STAGE)
def export_task(
    key: str,
    tyre: str,
    mesh: ArtifactRef,
    provenance: dict[str, Any],
    config: ExportConfig,
    store: ArtifactStore,
) -> dict[str, Any]:
    """Encode the merged mesh; returns the artifact's reference."""

    def produce(folder: Path) -> dict[str, Any]:
        merged = store.open(mesh)
        loaded = load_mesh(merged.folder / "mesh.npz", merged.record)
        extras = {**provenance, "warnings": [*provenance["warnings"], *loaded.warnings]}
        content = export_glb(loaded, extras, config)
        low, high = loaded.vertices.min(axis=0), loaded.vertices.max(axis=0)
        with storage_errors(str(folder)):
            (folder / "mesh.glb").write_bytes(content)
        try:
            write_image(folder / PREVIEW_FILE, preview(loaded))
        except Exception as exc:  # noqa: BLE001  the mesh is there, whatever becomes of its picture
            _log.warning("no picture of the mesh: %s: %s", type(exc).__name__, exc)
            (folder / PREVIEW_FILE).unlink(missing_ok=True)
        return {
            "num_vertices": len(loaded.vertices),
            "num_faces": len(loaded.faces),
            "bounds_m": [[round(float(v), 6) for v in low], [round(float(v), 6) for v in high]],
            "extras": extras,
            "figures": loaded.figures,
        }

    return asdict(store.make(STAGE_NAME, key, produce))
