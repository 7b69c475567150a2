"""The change as a table for other programs."""

from __future__ import annotations

import csv
import io
import math

import numpy as np

from tasks.comparison.change import Change

COLUMNS = (
    "part",
    "arc_mm",
    "radius_mm",
    "across_mm",
    "angle_deg",
    "change_mm",
    "lod95_mm",
    "significant",
    "measured_share",
)
"""Arc lengths count from the inner face's bead, positions across from the tread's middle towards
the outer face, angles clockwise from the top as the outer face is seen; minus is material lost."""


def cells_csv(change: Change) -> str:
    """One line for each cell; what is not known is empty."""
    grid, (first, last) = change.grid, change.tread
    rows, columns = change.cells.shape
    middle = float(grid.section[first:last, 1].mean())
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    significant = change.significant
    for r, band in enumerate(np.array_split(np.arange(grid.rows), rows)):
        at = band[len(band) // 2]
        part = (
            "tread" if first <= at < last else "inner-sidewall" if at < first else "outer-sidewall"
        )
        radius, along = grid.section[band].mean(axis=0)
        for c in range(columns):
            value = float(change.cells[r, c])
            table.writerow(
                [
                    part,
                    f"{1000 * grid.arc[band].mean():.1f}",
                    f"{1000 * radius:.1f}",
                    f"{1000 * (along - middle):z.1f}",
                    f"{(c + 0.5) * 360 / columns:.1f}",
                    _mm(value),
                    _mm(float(change.cell_lod[r, c])),
                    int(significant[r, c]),
                    f"{change.cell_measured[r, c]:.2f}",
                ]
            )
    return text.getvalue()


def _mm(metres: float) -> str:
    return f"{1000 * metres:z.3f}" if math.isfinite(metres) else ""
