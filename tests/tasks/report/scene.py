"""A report on a drum that was filmed from known cameras, and the metadata that go with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from configs.stages import ExportConfig, JudgeConfig, ReportConfig
from tasks.geometry.camera import Camera
from tasks.matting.quality import Mask, Masks
from tasks.mesh.export import export_glb
from tasks.mesh.glb_reader import read_glb
from tasks.mesh.levels_of_detail import Level, level_glb
from tasks.mesh.preview import preview
from tasks.report.content import gather_content, images_of
from tasks.report.page import report_page
from tasks.selection.choose import Selection, Verdict
from tasks.selection.scores import Scores
from tasks.video.frames import Candidate, Frames
from tests.tasks.verdict.scene import drum, estimate, film, orbit

COUNT = 12
CHOSEN, HELD_OUT, REFUSED = (0, 3, 6), (1,), 5


def cameras() -> list[Camera]:
    """Three quarters of the way round, so that there is a gap."""
    return orbit(COUNT, arc_deg=270.0)


def selection() -> Selection:
    """Three taken, one kept aside, one refused for its mask, the others not needed."""
    verdicts = []
    for index in range(COUNT):
        taken, held, refused = index in CHOSEN, index in HELD_OUT, index == REFUSED
        reason = "sharpest of 4" if taken else "kept" if held else "no <tyre> & more"
        scores = None if refused else Scores(1.0 + index, 100.0, 0.0)
        verdicts.append(Verdict(index, scores, 1.0, 0.0, 0.0, taken, reason, held))
    return Selection(tuple(verdicts))


def content_of(folder: Path) -> dict[str, Any]:
    """What the report on the drum shows."""
    mesh, poses = drum(seen_above=-0.05), estimate(cameras())
    photos, alphas = film(mesh, cameras(), folder)
    frames = Frames(
        folder,
        tuple(
            Candidate(i, path.name, 0.1 * i, 320, 240, str(10 * i)) for i, path in photos.items()
        ),
    )
    masks = tuple(
        Mask(i, p.name, None, 0.2, False, 1, 1.0, 1.0, 1.0, False, "gone" * (i == REFUSED))
        for i, p in alphas.items()
    )
    config, gap_deg = ReportConfig(), JudgeConfig().gap_deg
    content = gather_content(
        frames, Masks(folder, masks), poses, selection(), mesh.from_world, config, gap_deg
    )
    return content | images_of(preview(mesh), config)


def glb() -> bytes:
    """The drum's GLB."""
    return export_glb(drum(seen_above=-0.05), {"verdict": "review"}, ExportConfig())


def metadata_of(name: str, made: Level, verdict: str = "review") -> dict[str, Any]:
    """What lies beside the GLB, with every key that a run writes."""
    return {
        "output_path": f"/out/{name}.glb",
        "metadata_path": f"/out/{name}.json",
        "glb_sha256": "ab" * 32,
        "run_id": "a-run",
        "num_vertices": 4000,
        "num_faces": 8000,
        "bounds_m": [[-0.36, -0.36, -0.13], [0.36, 0.36, 0.13]],
        "figures": {"watertight": 1.0, "silhouette_iou": None, "novel": 0.5},
        "num_frames": 3,
        "device": "cpu",
        "preset": "fast",
        "model": {"name": "tiny", "sha256": "cd" * 32, "chosen_because": "requested"},
        "input": {"name": f"{name}.mp4", "sha256": "ef" * 32},
        "parameters": {"judge": JudgeConfig().model_dump(mode="json"), "select": {"n": 3}},
        "code": {"tyre3d": "0.1.0", "stages": {"extract": "0123"}},
        "poses": {"method": "sfm", "motion": "orbit"},
        "scale": {"nominal_diameter_mm": 720.0},
        "warnings": ["mind <b>this</b>"],
        "verdict": verdict,
        "reasons": [
            {
                "code": "arc-short",
                "level": "review",
                "message": "only about 270° were filmed",
                "advice": "Walk once round the tyre",
            }
        ],
        "evidence": {"seen_arc_deg": 248.0, "tread_seen": 0.5, "silhouette_iou": 0.99},
        "retake": ["film again between 245° and 360°: the tread"],
        "stages": [
            {
                "stage": "extract",
                "state": "Completed",
                "seconds": 2.0,
                "cached": False,
                "made_s": 1.9,
            }
        ],
        "seconds": 2.0,
        "made_at": "2026-01-01T00:00:00+00:00",
        "python": "3.11.0",
        "levels": {"preview": made.figures()},
    }


def report_of(
    folder: Path,
    name: str,
    max_bytes: int = 120_000,
    fuller: bytes | None = None,
    stages: Sequence[Mapping[str, Any]] = (),
) -> str:
    """The page of the report on the drum, which may have a fuller level than its preview."""
    made = level_glb(read_glb(glb()), max_bytes, compressed=True)
    metadata, levels = metadata_of(name, made), {"preview": made.content}
    if stages:
        metadata["stages"] = list(stages)
    if fuller is not None:
        metadata["levels"]["medium"] = made.figures()
        levels = {"medium": fuller, **levels}
    return report_page(name, metadata, content_of(folder), levels)
