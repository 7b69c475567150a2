"""Presets: how much work a reconstruction may cost."""

from __future__ import annotations

from typing import NamedTuple


class Preset(NamedTuple):
    """What a preset fixes."""

    num_frames: int
    mc_resolution: int


PRESETS: dict[str, Preset] = {
    "fast": Preset(4, 128),
    "balanced": Preset(8, 256),
    "high": Preset(12, 512),
}
DEFAULT_PRESET = "balanced"
DEFAULT_DIAMETER_MM = 720.0
DEFAULT_SESSION = "u2netp"
