"""What is known about a generated video: cameras, lens, and the labels of its frames."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from configs.presets import Motion
from tasks.geometry.camera import Camera

_NAMES = {"environment": "place"}
"""Names in the files of truths where they differ from the fields', for files that exist."""

_FORMER_MOTIONS = {"handheld": "free"}
"""What motions were called before, for files that exist."""


@dataclass(frozen=True)
class VideoTruth:
    """What is known about a video.

    Args:
        seed: Seed of everything.
        motion: See :data:`tasks.synthetic.scenes.motion.MOTIONS`.
        environment: See :data:`tasks.synthetic.scenes.environments.ENVIRONMENTS`.
        fps: Frames per second.
        diameter: Diameter of the tyre, metres.
        width: Width of the tyre along its axle, metres.
        cameras: One per frame, in the tyre frame (for a tyre that moves: as the tyre sees them).
        lens: Radial distortion k1, k2 of the frames, as COLMAP's RADIAL; the cameras are pinholes.
        capture: What kind of film it is, see :mod:`tasks.synthetic.scenes.captures`; "" for the
            plain ones of :mod:`tasks.synthetic.scenes.video`.
    """

    seed: int
    motion: Motion
    environment: str
    fps: float
    diameter: float
    width: float
    cameras: tuple[Camera, ...]
    lens: tuple[float, float] = (0.0, 0.0)
    capture: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The truth as plain JSON types."""
        record = {**self.__dict__, "cameras": [c.to_dict() for c in self.cameras]}
        return {_NAMES.get(name, name): value for name, value in record.items()}

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> VideoTruth:
        """The inverse of :meth:`to_dict`."""
        names = {file: name for name, file in _NAMES.items()}
        fields = {names.get(name, name): value for name, value in record.items()}
        fields["motion"] = _FORMER_MOTIONS.get(record["motion"], record["motion"])
        fields["cameras"] = tuple(map(Camera.from_dict, record["cameras"]))
        k1, k2 = fields.get("lens", (0.0, 0.0))
        return cls(**{**fields, "lens": (float(k1), float(k2))})


def truth_path(video: Path) -> Path:
    """Where a video's truth lies."""
    return video.with_name(f"{video.stem}.truth.json")


def read_truth(video: Path) -> VideoTruth:
    """The truth beside a video."""
    return VideoTruth.from_dict(json.loads(truth_path(video).read_text()))


def write_truth(video: Path, truth: VideoTruth) -> None:
    """Write a truth beside its video."""
    truth_path(video).write_text(json.dumps(truth.to_dict()))


def parts_path(video: Path, frame: int) -> Path:
    """Where the labels of a frame of a video lie, if they are kept."""
    return video.with_name(f"{video.stem}.parts") / f"{frame:06d}.png"
