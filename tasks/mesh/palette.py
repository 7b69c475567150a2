"""The colours that stand for provenance and disagreement, in images and in the viewer."""

from __future__ import annotations

from typing import Any

PALETTE: dict[str, Any] = {
    "body": "#8d9299",
    "inferred": "#e8853d",
    "seen": ["#d5e4f2", "#9ecae1", "#4a98c9", "#1c5f9e", "#08306b"],
    "spread": ["#2c7bb6", "#7fb8d4", "#f7f3c9", "#f2a65a", "#c42b2b"],
}
"""A surface without colours; what no frame saw; by number of frames; by disagreement."""
