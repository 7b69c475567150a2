"""The evaluation as a table and a summary: medians, worst cases, shares that beat the baselines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tasks.imaging.contact_sheet import contact_sheet
from tasks.imaging.images import read_image, write_image
from tasks.mesh.merged import load_mesh
from tasks.mesh.preview import render
from tasks.storage.artifacts import Artifact


def summarise(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Medians and shares over the subjects; a failed reconstruction counts as lost everywhere.

    Args:
        results: One record a subject, as ``flows.evaluate`` makes them.
    """
    done = [r for r in results if "error" not in r]
    total = max(len(results), 1)

    def median(values: Sequence[float]) -> float:
        return float(np.median(values)) if len(values) else float("nan")

    def best_single(record: dict[str, Any]) -> float:
        return min(
            (s["aligned"]["chamfer"] for s in record["single"] if s["surface"]), default=np.inf
        )

    fused = [r["fused"]["aligned"] for r in done]
    ious = [s["volume_iou"] for r in done for s in r["single"] if "volume_iou" in s]
    return {
        "subjects": len(results),
        "failed": len(results) - len(done),
        "chamfer_median": median([f["chamfer"] for f in fused]),
        "chamfer_worst": max((f["chamfer"] for f in fused), default=float("nan")),
        "chamfer_posed_median": median([r["fused"]["posed"]["chamfer"] for r in done]),
        "f1_median": median([f["f1"] for f in fused]),
        "f2_median": median([f["f2"] for f in fused]),
        "f5_median": median([f["f5"] for f in fused]),
        "f2_worst": min((f["f2"] for f in fused), default=float("nan")),
        "normal_consistency_median": median([f["normal_consistency"] for f in fused]),
        "fused_volume_iou_median": median(
            [r["fused"]["volume_iou"] for r in done if "volume_iou" in r["fused"]]
        ),
        "single_volume_iou_median": median(ious),
        "single_chamfer_median": median(
            [s["aligned"]["chamfer"] for r in done for s in r["single"] if s["surface"]]
        ),
        "annulus_chamfer_median": median([r["annulus"]["chamfer"] for r in done]),
        "annulus_f2_median": median([r["annulus"]["f2"] for r in done]),
        "hull_chamfer_median": median([r["hull"]["aligned"]["chamfer"] for r in done]),
        "hull_f2_median": median([r["hull"]["aligned"]["f2"] for r in done]),
        "beats_annulus": sum(
            r["fused"]["aligned"]["chamfer"] < r["annulus"]["chamfer"] for r in done
        )
        / total,
        "beats_hull": sum(
            r["fused"]["aligned"]["chamfer"] < r["hull"]["aligned"]["chamfer"] for r in done
        )
        / total,
        "beats_best_single": sum(r["fused"]["aligned"]["chamfer"] < best_single(r) for r in done)
        / total,
        "silhouette_iou_median": median([r["silhouette_iou"] for r in done]),
        "rotation_deg_median": median([r["poses"]["rotation_deg"] for r in done]),
        "axle_deg_median": median([r["poses"]["axle_deg"] for r in done]),
        "seconds_median": median([r["seconds"] for r in done]),
    }


def table(results: Sequence[dict[str, Any]]) -> str:
    """A Markdown table with a line per subject."""
    lines = [
        "| subject | chamfer % | F 1 % | F 2 % | F 5 % | posed chamfer | best single | annulus "
        "| hull | volume IoU | axle ° | seconds |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for r in results:
        if "error" in r:
            lines.append(f"| {r['name']} | failed: {r['error']} |" + " |" * 10)
            continue
        fused = r["fused"]["aligned"]
        single = min(
            (s["aligned"]["chamfer"] for s in r["single"] if s["surface"]), default=float("nan")
        )
        lines.append(
            f"| {r['name']} | {fused['chamfer']:.2f} | {fused['f1']:.2f} | {fused['f2']:.2f} "
            f"| {fused['f5']:.2f} | {r['fused']['posed']['chamfer']:.2f} | {single:.2f} "
            f"| {r['annulus']['chamfer']:.2f} | {r['hull']['aligned']['chamfer']:.2f} "
            f"| {r['fused'].get('volume_iou', float('nan')):.2f} | {r['poses']['axle_deg']:.2f} "
            f"| {r['seconds']:.0f} |"
        )
    return "\n".join(lines)


def portrait(name: str, merged: Artifact, extracted: Artifact, out: Path) -> None:
    """Write ``pictures/NAME.jpg``: two frames of the video above two views of the mesh."""
    mesh = load_mesh(merged)
    frames = extracted.record["frames"]
    shown = [read_image(extracted.folder / frames[k]["file"]) for k in (0, len(frames) // 2)]
    shown += render(mesh, [(0.7, 0.4, side) for side in (1.0, -1.0)], 400)
    (out / "pictures").mkdir(parents=True, exist_ok=True)
    sheet = contact_sheet(shown, [name, "", "result", ""], columns=2)
    write_image(out / "pictures" / f"{name}.jpg", sheet)


def gallery(results: Sequence[dict[str, Any]], folder: Path) -> bool:
    """Put the pictures of the best, the median and the worst subject side by side.

    Returns:
        Whether there were pictures; then ``gallery.jpg`` is written.
    """
    done = [r for r in results if "error" not in r]
    ranked = sorted(done, key=lambda r: float(r["fused"]["aligned"]["chamfer"]))
    if not ranked:
        return False
    names = [ranked[k]["name"] for k in (0, len(ranked) // 2, -1)]
    paths = [folder / "pictures" / f"{name}.jpg" for name in names]
    portraits = [read_image(path) for path in paths if path.exists()]
    if not portraits:
        return False
    write_image(folder / "gallery.jpg", np.hstack(portraits))
    return True


def write_report(results: Sequence[dict[str, Any]], folder: Path) -> None:
    """Write ``summary.json``, ``report.md`` and ``gallery.jpg`` beside ``results.json``."""
    summary = summarise(results)
    (folder / "summary.json").write_text(json.dumps(summary, indent=1))
    rows = "\n".join(f"| {k} | {v:.3f} |" for k, v in summary.items())
    text = f"{table(results)}\n\n| figure | value |\n|---|---|\n{rows}\n"
    if gallery(results, folder):
        text += "\n![Best, median and worst](gallery.jpg)\n"
    (folder / "report.md").write_text(text)
