"""The evaluation as tables and a summary: medians and worst cases of kinds of film side by side."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tasks.imaging.contact_sheet import contact_sheet
from tasks.imaging.images import read_image, write_image
from tasks.mesh.merged import load_mesh
from tasks.mesh.preview import render
from tasks.storage.artifacts import Artifact
from tasks.surface.robust import finite_median


def summarise(results: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Medians, worst cases and shares over films of one kind; a failed one counts as lost.

    Args:
        results: One record a subject, as ``flows.evaluate`` makes them. Baselines count where
            they were scored.
    """
    done = [r for r in results if "error" not in r]
    figures: dict[str, float] = {"films": len(results), "failed": len(results) - len(done)}
    for name, path in _MEDIANS.items():
        figures[name] = finite_median([_at(r, path) for r in done])
    figures["chamfer_worst"] = _worst(done, ("fused", "aligned", "chamfer"), max)
    figures["f2_worst"] = _worst(done, ("fused", "aligned", "f2"), min)
    figures["mask_iou_worst"] = _worst(done, ("masks", "iou"), min)
    figures["axle_deg_worst"] = _worst(done, ("poses", "axle_deg"), max)
    widths = [_at(r, ("fused", "width_percent")) for r in done]
    figures["width_error_percent"] = finite_median([abs(w) for w in widths])
    for verdict in ("pass", "review", "fail"):
        figures[f"verdict_{verdict}"] = sum(r.get("verdict") == verdict for r in done)
    figures["passed_beyond_2.5_percent"] = sum(
        r.get("verdict") == "pass" and r["fused"]["aligned"]["chamfer"] > 2.5 for r in done
    )
    return {**figures, **_against_baselines(results)}


_MEDIANS: dict[str, tuple[str, ...]] = {
    "mask_iou": ("masks", "iou"),
    "mask_precision": ("masks", "precision"),
    "mask_recall": ("masks", "recall"),
    "openings_kept_open": ("masks", "openings"),
    "rim_boundary_percent": ("masks", "boundary"),
    "posed_share": ("poses", "share"),
    "rotation_deg": ("poses", "rotation_deg"),
    "axle_deg": ("poses", "axle_deg"),
    "focal_percent": ("poses", "focal_percent"),
    "chamfer": ("fused", "aligned", "chamfer"),
    "chamfer_posed": ("fused", "posed", "chamfer"),
    "f1": ("fused", "aligned", "f1"),
    "f2": ("fused", "aligned", "f2"),
    "f5": ("fused", "aligned", "f5"),
    "normal_consistency": ("fused", "aligned", "normal_consistency"),
    "volume_iou": ("fused", "volume_iou"),
    "seen_share": ("seen_share",),
    "chamfer_seen_side": ("fused", "seen_side", "chamfer"),
    "f2_seen_side": ("fused", "seen_side", "f2"),
    "silhouette_iou": ("silhouette_iou",),
    "psnr_vertices": ("appearance", "vertices"),
    "psnr_texture": ("appearance", "texture"),
    "psnr_vertices_gain": ("appearance", "vertices_gain"),
    "psnr_texture_gain": ("appearance", "texture_gain"),
    "seconds": ("seconds",),
}
"""Figures of which the median over the films is told, and where a film's record has them."""


def _against_baselines(results: Sequence[dict[str, Any]]) -> dict[str, float]:
    """The baselines' scores and how often they are beaten, where they were scored."""
    scored = [r for r in results if "single" in r]
    if not scored:
        return {}
    total = len(results)

    def beats(other: Callable[[dict[str, Any]], float]) -> float:
        return float(sum(r["fused"]["aligned"]["chamfer"] < other(r) for r in scored) / total)

    singles = [s for r in scored for s in r["single"]]
    return {
        "single_volume_iou": finite_median([s["volume_iou"] for s in singles if "volume_iou" in s]),
        "single_chamfer": finite_median([s["aligned"]["chamfer"] for s in singles if s["surface"]]),
        "annulus_chamfer": finite_median([r["annulus"]["chamfer"] for r in scored]),
        "annulus_f2": finite_median([r["annulus"]["f2"] for r in scored]),
        "hull_chamfer": finite_median([r["hull"]["aligned"]["chamfer"] for r in scored]),
        "hull_f2": finite_median([r["hull"]["aligned"]["f2"] for r in scored]),
        "beats_annulus": beats(lambda r: float(r["annulus"]["chamfer"])),
        "beats_hull": beats(lambda r: float(r["hull"]["aligned"]["chamfer"])),
        "beats_best_single": beats(_best_single),
    }


def _best_single(record: dict[str, Any]) -> float:
    """Chamfer distance of the single view that scores best."""
    found = [s["aligned"]["chamfer"] for s in record.get("single", []) if s["surface"]]
    return float(min(found, default=np.inf))


def over_easy(results: Sequence[dict[str, Any]], kind: str) -> float:
    """Median over the tyres of a kind's Chamfer distance over that of the same tyre's easy film.

    Args:
        results: Records of all kinds.
        kind: The kind.
    """
    chamfer = {
        (r["kind"], r["seed"]): r["fused"]["aligned"]["chamfer"]
        for r in results
        if "error" not in r
    }
    easy = {seed: value for (k, seed), value in chamfer.items() if k == "easy"}
    ratios = [v / easy[seed] for (k, seed), v in chamfer.items() if k == kind and seed in easy]
    return finite_median(ratios)


def _at(record: Any, path: tuple[str, ...]) -> float:
    """A figure within a record, NaN where it has none."""
    for name in path:
        record = record.get(name) if isinstance(record, dict) else None
    return float("nan") if record is None else float(record)


def _worst(
    done: Sequence[dict[str, Any]],
    path: tuple[str, ...],
    pick: Callable[[list[float]], float],
) -> float:
    known = [v for v in (_at(r, path) for r in done) if not np.isnan(v)]
    return pick(known) if known else float("nan")


def table(results: Sequence[dict[str, Any]]) -> str:
    """A Markdown table with a line per film."""
    columns = [*_COLUMNS, "verdict", "reasons"]
    lines = [f"| film | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for r in results:
        name = f"{r['name']} ({r['capture']})" if r["capture"] != r["kind"] else r["name"]
        if "error" in r:
            lines.append(f"| {name} | failed: {r['error']} |" + " |" * (len(columns) - 1))
            continue
        cells = [_cell(_at(r, path), digits) for path, digits in _COLUMNS.values()]
        words = [r.get("verdict") or "–", ", ".join(r.get("reasons", []))]
        lines.append(f"| {name} | {' | '.join([*cells, *words])} |")
    return "\n".join(lines)


_COLUMNS: dict[str, tuple[tuple[str, ...], int]] = {
    "mask IoU": (("masks", "iou"), 3),
    "worst": (("masks", "iou_worst"), 3),
    "openings": (("masks", "openings"), 2),
    "rim boundary %": (("masks", "boundary"), 2),
    "posed": (("poses", "share"), 2),
    "rotation °": (("poses", "rotation_deg"), 2),
    "axle °": (("poses", "axle_deg"), 2),
    "focal %": (("poses", "focal_percent"), 1),
    "Chamfer %": (("fused", "aligned", "chamfer"), 2),
    "F 2 %": (("fused", "aligned", "f2"), 2),
    "seen side Chamfer %": (("fused", "seen_side", "chamfer"), 2),
    "F 2 % there": (("fused", "seen_side", "f2"), 2),
    "width %": (("fused", "width_percent"), 1),
    "PSNR dB": (("appearance", "texture"), 1),
    "seconds": (("seconds",), 0),
}
"""Columns of the table: where a film's record has the figure, and its decimals."""


def _cell(value: float, digits: int) -> str:
    return "–" if np.isnan(value) else f"{value:.{digits}f}"


def side_by_side(summaries: Mapping[str, Mapping[str, float]]) -> str:
    """A Markdown table with a line per figure and a column per kind of film."""
    names = list(dict.fromkeys(name for figures in summaries.values() for name in figures))
    lines = [f"| figure | {' | '.join(summaries)} |", "|---" * (len(summaries) + 1) + "|"]
    for name in names:
        cells = [_cell(f.get(name, float("nan")), 3) for f in summaries.values()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
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
    """Put the images of the best, the median and the worst subject side by side.

    Returns:
        Whether there were images; then ``gallery.jpg`` is written.
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
    kinds = list(dict.fromkeys(r["kind"] for r in results))
    summaries = {}
    for kind in kinds:
        summaries[kind] = summarise([r for r in results if r["kind"] == kind])
        summaries[kind]["chamfer_over_easy"] = over_easy(results, kind)
    (folder / "summary.json").write_text(json.dumps(summaries, indent=1))
    text = side_by_side(summaries)
    for kind in kinds:
        text += f"\n\n## {kind}\n\n{table([r for r in results if r['kind'] == kind])}"
    if gallery(results, folder):
        text += "\n\n![Best, median and worst](gallery.jpg)"
    (folder / "report.md").write_text(text + "\n")
