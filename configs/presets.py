"""What a user can choose, and the defaults; imports nothing heavy, so that help is quick."""

from __future__ import annotations

from typing import Literal, NamedTuple

Device = Literal["auto", "cuda", "mps", "cpu"]
Motion = Literal["orbit", "turntable", "spin", "free"]
"""What moves while a tyre is filmed: the camera round a standing tyre; the tyre on a turning plate,
or about its own axle, before a camera at rest; the camera on a path of any kind."""
MotionHint = Literal["auto", Motion]
"""What moves, as a user may say it. ``auto`` decides by the background and by what fits."""


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
DEFAULT_SESSION = "tyre-segmenter"
FEATURES = "xfeat"
"""The learned image features, used where their weights were fetched."""
