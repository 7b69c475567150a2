"""Stage *compare*: what changed between two reconstructions of one tyre."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

import numpy as np

from configs.comparison import CompareConfig, ComparisonStage
from tasks.atlas.record import load_atlas
from tasks.comparison.compare import compare_scans, comparison_record
from tasks.comparison.deviation import deviation_glb
from tasks.comparison.scan import Scan, scan_of
from tasks.comparison.table import cells_csv
from tasks.core.errors import ReconstructionError
from tasks.matting.quality import Masks
from tasks.mesh.glb_reader import read_glb
from tasks.mesh.levels_of_detail import level_glb
from tasks.mesh.merged import load_mesh
from tasks.poses.record import PoseEstimate
from tasks.report.comparison_content import comparison_content, rendering_of
from tasks.stages.stage import Record, Stage, Workspace
from tasks.storage.artifacts import ArtifactRef
from tasks.video.frames import Frames

CHANGE_FILE, MAPS_FILE, CELLS_FILE = "change.glb", "maps.npz", "cells.csv"
CONTENT_FILE, PREVIEW_FILE = "content.json", "preview.glb"


@dataclass(frozen=True)
class Reconstructed:
    """Artifacts of a finished reconstruction.

    Args:
        views: Its rectified frames and masks.
        poses: Its cameras.
        mesh: Its merged mesh.
        atlas: Its atlas.
    """

    views: ArtifactRef
    poses: ArtifactRef
    mesh: ArtifactRef
    atlas: ArtifactRef

    @property
    def digest(self) -> str:
        """Digest of all of them."""
        parts = (self.views, self.poses, self.mesh, self.atlas)
        return hashlib.sha256("".join(p.sha256 for p in parts).encode()).hexdigest()


def _produce(
    work: Workspace,
    config: CompareConfig,
    *,
    new: Reconstructed,
    damaged: Reconstructed,
    usable: bool,
) -> Record:
    """Compare, and write maps, tables, the mesh that shows the change, and the page's content."""
    first, second = _scan(work, new, "new"), _scan(work, damaged, "damaged")
    comparison = compare_scans(first, second, config, usable=usable)
    record = comparison_record(comparison)
    change = comparison.change
    glb = deviation_glb(first, change, record)
    (work.folder / CHANGE_FILE).write_bytes(glb)
    shown = read_glb(glb)
    preview = level_glb(shown, config.preview_bytes, compressed=False)
    (work.folder / PREVIEW_FILE).write_bytes(preview.content)
    (work.folder / CELLS_FILE).write_text(cells_csv(change))
    np.savez(
        work.folder / MAPS_FILE,
        fine=change.fine.astype(np.float32),
        measured=change.measured,
        cells=change.cells.astype(np.float32),
        cell_lod=change.cell_lod.astype(np.float32),
        cell_measured=change.cell_measured.astype(np.float32),
        section=change.grid.section,
        round_new=comparison.round_new.height,
        round_damaged=comparison.round_other.height,
    )
    content = {**comparison_content(comparison), "picture": rendering_of(shown)}
    (work.folder / CONTENT_FILE).write_text(json.dumps(content))
    return record


def _scan(work: Workspace, side: Reconstructed, name: str) -> Scan:
    views = work.open(side.views)
    alphas = Masks.read(views).paths()
    scan = scan_of(
        load_mesh(work.open(side.mesh)),
        load_atlas(work.open(side.atlas)),
        PoseEstimate.read(work.open(side.poses)).cameras,
        Frames.read(views).paths(alphas),
        alphas,
    )
    if scan is None:
        raise ReconstructionError(
            "not-round",
            stage=ComparisonStage.COMPARE,
            what=f"the mesh of the {name} tyre does not turn with an axle",
            advice="Look at its report, and film the tyre again as it says",
        )
    return scan


COMPARE = Stage(ComparisonStage.COMPARE, _produce, timeout_s=1800.0)
