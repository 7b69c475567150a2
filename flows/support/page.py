"""What a person looks at after a run: the chosen frames, the mesh, figures."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from configs.locations import printable
from tasks.core.phrasing import in_seconds

_FIGURES = {
    "watertight": "closed (1: yes)",
    "silhouette_iou": "overlap with the frames' outlines, mean",
    "silhouette_iou_worst": "likewise, worst frame",
    "share_inferred": "share of the surface that no frame saw",
    "disagreement_median_mm": "spread between frames, median, mm",
    "width_mm": "width, mm",
    "volume_m3": "volume, m³",
}


def escaped(text: str) -> str:
    """A text of others, which Markdown shows as it is: no links, images or tags come of it."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", printable(text))


def summary(
    tyre: str,
    metadata: Mapping[str, Any],
    content: Mapping[str, Any],
    links: Mapping[str, str],
) -> str:
    """A page of Markdown with images.

    Args:
        tyre: Its name.
        metadata: Metadata of the run.
        content: What the report shows beside them; its images are shown here, too.
        links: Web addresses, by what lies there.
    """
    reasons = metadata["reasons"]
    lines = [
        f"# {escaped(tyre)}",
        "",
        f"**Verdict: {metadata['verdict']}**",
        "",
        *(
            f"- {escaped(r['message'])} (`{r['code']}`, {r['level']}). {escaped(r['advice'])}"
            for r in reasons
        ),
        "",
        *(f"- **Retake:** {escaped(line)}" for line in metadata["retake"]),
        "",
        " · ".join(f"[{label}]({address})" for label, address in links.items()),
        "",
        *_images(content),
        *table(("figure", "value"), _figures(metadata)),
        "",
        *(f"- **Warning:** {escaped(text)}" for text in metadata["warnings"]),
        "",
        *table(
            ("stage", "state", "seconds", "seconds when made"),
            [
                (s["stage"], s["state"], in_seconds(s["seconds"]), in_seconds(s["made_s"]))
                for s in metadata["stages"]
            ],
        ),
        "",
        f"GLB: {escaped(metadata['output_path'])}",
        "",
        *_opened_by(metadata, links),
    ]
    return "\n".join(lines)


def _opened_by(metadata: Mapping[str, Any], links: Mapping[str, str]) -> list[str]:
    """How the report is opened where no link leads to it."""
    report = metadata.get("report_path")
    if not report or "report" in links:
        return []
    return [f"Report: {escaped(report)} (on that machine: tyre3d view, and this path)"]


def _images(content: Mapping[str, Any]) -> list[str]:
    lines = []
    if address := content.get("picture"):
        lines += [f"![The mesh]({address})", "", "*The mesh from three sides; lightened.*", ""]
    chosen = [frame for frame in content.get("frames", ()) if frame["kind"] == "chosen"]
    if chosen:
        shown = [f"![Frame {frame['index']}]({frame['picture']})" for frame in chosen]
        strip = table([""] * len(shown), [shown])  # one row: it is scrolled through
        lines += [*strip, "", "*The frames given to the network.*", ""]
    return lines


def _figures(metadata: Mapping[str, Any]) -> list[tuple[str, str]]:
    low, high = metadata["bounds_m"]
    size = " × ".join(f"{1000 * (h - b):.0f}" for b, h in zip(low, high, strict=True))
    rows = [
        ("model", escaped(str(metadata["model"]["name"]))),
        ("vertices, faces", f"{metadata['num_vertices']}, {metadata['num_faces']}"),
        ("size x, y, z, mm", size),
        ("poses", f"{metadata['poses']['method']}, {metadata['poses']['motion']}"),
    ]
    figures = metadata["figures"]
    for name, meaning in _FIGURES.items():
        if figures.get(name) is not None:
            rows.append((meaning, f"{figures[name]:.4g}"))
    return rows


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table in Markdown.

    Args:
        head: Titles of the columns.
        rows: Their cells, as Markdown.
    """
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines]
