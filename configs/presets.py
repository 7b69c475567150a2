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


PresetName = Literal["fast", "balanced", "high"]

PRESETS: dict[PresetName, Preset] = {
    "fast": Preset(4, 128),
    "balanced": Preset(8, 256),
    "high": Preset(12, 512),
}
DEFAULT_PRESET: PresetName = "balanced"
DEFAULT_DIAMETER_MM = 720.0
DEFAULT_DEVICE: Device = "auto"
DEFAULT_MOTION: MotionHint = "auto"

BUNDLED_MODEL = "tyre-mini"
"""The reconstruction that comes with the package, on any machine."""
SEGMENTER = "tyre-segmenter"
"""The background removal that comes with the package and tells rubber from rim."""
DEFAULT_SESSION = SEGMENTER
FEATURES = "xfeat"
"""The learned image features, used where their weights were fetched."""

COMPARISON_NAME = "comparison"
"""What the files of a comparison are called where nobody says."""
CONCURRENCY = 4
"""Runs of a batch's deployment at a time where nobody says."""
