"""Candidate frames, as they lie in an artifact: what every later stage reads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tasks.storage.artifacts import Artifact


@dataclass(frozen=True)
class Candidate:
    """One candidate frame.

    Args:
        index: Its number among the candidates, from 0.
        file: Its file in the artifact.
        time_s: Its time in the video; for folders the index.
        width, height: In pixels, as written.
        source: Number of the frame in the video, or the name of the image.
        has_alpha: Whether it brought its own transparency.
    """

    index: int
    file: str
    time_s: float
    width: int
    height: int
    source: str
    has_alpha: bool = False


@dataclass(frozen=True)
class Frames:
    """The candidate frames of a video, as they lie in an artifact.

    Args:
        folder: The artifact's folder.
        candidates: In order.
        warnings: What of the input is not among them though it should be.
        fov_deg: Field of view of the longest side in degrees, where the input tells it.
    """

    folder: Path
    candidates: tuple[Candidate, ...]
    warnings: tuple[str, ...] = ()
    fov_deg: float | None = None

    @classmethod
    def read(cls, artifact: Artifact) -> Frames:
        """The frames that an artifact holds."""
        record = artifact.record
        entries = tuple(Candidate(**entry) for entry in record["frames"])
        return cls(artifact.folder, entries, tuple(record["warnings"]), record["fov_deg"])

    def record(self) -> dict[str, Any]:
        """What the artifact's record says, as plain JSON types."""
        frames = [asdict(candidate) for candidate in self.candidates]
        return {"frames": frames, "warnings": list(self.warnings), "fov_deg": self.fov_deg}

    def path(self, index: int) -> Path:
        """The image file of a candidate."""
        return self.folder / self.candidates[index].file

    def paths(self, indices: Iterable[int]) -> dict[int, Path]:
        """The image files of candidates, by index."""
        return {index: self.path(index) for index in indices}

    def times_s(self, indices: Iterable[int]) -> dict[int, float]:
        """The times of candidates in seconds, by index."""
        return {index: self.candidates[index].time_s for index in indices}


def evenly(length: int, count: int) -> list[int]:
    """At most ``count`` of ``length`` positions, evenly spread, in order, without repeats."""
    if length <= count:
        return list(range(length))
    return [int((i + 0.5) * length / count) for i in range(count)]
