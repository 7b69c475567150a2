"""What a user can choose, and the defaults; imports nothing heavy, so that help is quick."""

from __future__ import annotations

from typing import Literal, NamedTuple

Device = Literal["auto", "cuda", "mps", "cpu"]
MotionHint = Literal["auto", "orbit", "spin"]
"""What moves, as a user may say it: the camera around the tyre (or a turntable), or the tyre about
its own axle before a fixed camera. ``auto`` decides by the background."""


class Preset(NamedTuple):
    """How much work a reconstruction may cost."""

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
