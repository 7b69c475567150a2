"""Stage *export*: the mesh as GLBs that say where it comes from, and an image of it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs.stages import ExportConfig, StageName
from tasks.stages.stage import Record, Stage, Workspace
from tasks.storage.artifacts import ArtifactRef

if TYPE_CHECKING:
    from tasks.mesh.merged import MergedMesh

PLAIN_FILE, FULL_FILE = "plain.glb", "full.glb"
MEDIUM_FILE, PREVIEW_GLB_FILE = "medium.glb", "preview.glb"
PREVIEW_FILE = "preview.png"
_LEVELS = {"full": FULL_FILE, "medium": MEDIUM_FILE, "preview": PREVIEW_GLB_FILE}
_log = logging.getLogger("tyre3d")


def _produce(
    work: Workspace,
    config: ExportConfig,
    *,
    mesh: ArtifactRef,
    atlas: ArtifactRef,
    provenance: Mapping[str, Any],
) -> Record:
    """Write the GLB with its provenance, whole and in three levels of detail, and an image."""
    from tasks.atlas.record import load_atlas, texture_record
    from tasks.mesh.export import export_glb, levels_of
    from tasks.mesh.merged import load_mesh

    merged = load_mesh(work.open(mesh))
    unrolled = load_atlas(work.open(atlas)) if config.texture else None
    extras = {
        **provenance,
        "warnings": [*provenance["warnings"], *merged.warnings],
        "texture": texture_record(unrolled) if unrolled else None,
    }
    plain = export_glb(merged, extras, config, unrolled)
    levels = levels_of(plain, config)
    (work.folder / PLAIN_FILE).write_bytes(plain)
    for name, file in _LEVELS.items():
        (work.folder / file).write_bytes(levels[name].content)
    _write_preview(work.folder / PREVIEW_FILE, merged)
    bounds = (merged.vertices.min(axis=0), merged.vertices.max(axis=0))
    return {
        "levels": {name: level.figures() for name, level in levels.items()},
        "bounds_m": [[round(float(v), 6) for v in corner] for corner in bounds],
        "extras": extras,
        "figures": merged.figures,
    }


def _write_preview(path: Path, mesh: MergedMesh) -> None:
    from tasks.imaging.images import write_image
    from tasks.mesh.preview import preview

    try:
        write_image(path, preview(mesh))
    except (ArithmeticError, LookupError, ValueError) as exc:  # of an odd mesh, each time again
        _log.warning("no preview of the mesh: %s: %s", type(exc).__name__, exc)
        path.unlink(missing_ok=True)


EXPORT = Stage(StageName.EXPORT, _produce, timeout_s=1800.0)
