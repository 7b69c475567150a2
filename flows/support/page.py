"""What a person looks at after a run: the chosen frames, the mesh, figures."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from tasks.mesh.preview import GROUND, VIEWS, Picture

_TILE_PX = (200, 150)
_FIGURES = {
    "watertight": "closed (1: yes)",
    "silhouette_iou": "overlap with the frames' outlines, mean",
    "silhouette_iou_worst": "likewise, worst frame",
    "share_inferred": "share of the surface that no frame saw",
    "disagreement_median_mm": "spread between frames, median, mm",
    "width_mm": "width, mm",
    "volume_m3": "volume, m³",
}


def contact_sheet(pictures: Sequence[Picture], labels: Sequence[str], columns: int = 4) -> Picture:
    """Pictures side by side, each with its label.

    Args:
        pictures: ``(H, W, 3)`` BGR, of any sizes.
        labels: One for each.
        columns: Pictures in a row.
    """
    width, height = _TILE_PX
    rows = -(-len(pictures) // columns)
    across = min(columns, len(pictures))
    sheet = np.full((rows * height, across * width, 3), GROUND, np.uint8)
    for place, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
        scale = min((width - 4) / picture.shape[1], (height - 4) / picture.shape[0])
        size = (max(1, int(picture.shape[1] * scale)), max(1, int(picture.shape[0] * scale)))
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        top = place // columns * height + (height - size[1]) // 2
        left = place % columns * width + (width - size[0]) // 2
        sheet[top : top + size[1], left : left + size[0]] = small
        cv2.rectangle(sheet, (left, top), (left + 8 * len(label), top + 15), (255,) * 3, cv2.FILLED)
        cv2.putText(
            sheet,
            label,
            (left + 3, top + 11),
            cv2.FONT_HERSHEY_SIMPLEX,
            0.38,
            (0,) * 3,
            1,
            cv2.LINE_AA,
        )
    return sheet


def data_uri(picture: Picture, quality: int = 82) -> str:
    """The picture as a ``data:`` address, which a browser shows without asking anyone."""
    good, coded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not good:
        raise ValueError("the picture cannot be encoded")
    return "data:image/jpeg;base64," + base64.b64encode(coded.tobytes()).decode()


def summary(
    tyre: str, metadata: Mapping[str, Any], frames: Mapping[int, Picture], views: Picture
) -> str:
    """A page of Markdown with pictures.

    Args:
        tyre: Its name.
        metadata: Of the run.
        frames: The chosen frames, by index.
        views: The mesh from the sides in ``VIEWS`` (:func:`tasks.mesh.preview.preview`).
    """
    sheet = contact_sheet(list(frames.values()), [f"frame {index}" for index in frames])
    lines = [
        f"# {tyre}",
        "",
        f"![The mesh: {', '.join(VIEWS)}]({data_uri(views)})",
        "",
        f"*The mesh: {', '.join(VIEWS)}; lightened.*",
        "",
        f"![The frames given to the network]({data_uri(sheet)})",
        "",
        "*The frames given to the network.*",
        "",
        *_table(("figure", "value"), _figures(metadata)),
        "",
        *(f"- **Warning:** {text}" for text in metadata["warnings"]),
        "",
        *_table(
            ("stage", "state", "seconds"),
            [(s["stage"], s["state"], f"{s['seconds']:.2f}") for s in metadata["stages"]],
        ),
        "",
        f"GLB: `{metadata['output_path']}`",
    ]
    return "\n".join(lines)


def _figures(metadata: Mapping[str, Any]) -> list[tuple[str, str]]:
    low, high = metadata["bounds_m"]
    size = " × ".join(f"{1000 * (h - b):.0f}" for b, h in zip(low, high, strict=True))
    rows = [
        ("model", str(metadata["model"]["name"])),
        ("vertices, faces", f"{metadata['num_vertices']}, {metadata['num_faces']}"),
        ("size x, y, z, mm", size),
        ("poses", f"{metadata['poses']['method']}, {metadata['poses']['motion']}"),
    ]
    figures = metadata["figures"]
    for name, meaning in _FIGURES.items():
        if figures.get(name) is not None:
            rows.append((meaning, f"{figures[name]:.4g}"))
    return rows


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines]
