"""Stage *extract*: candidate frames of the video."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from configs.stages import ExtractConfig, StageName
from tasks.stages.stage import Record, Stage, Workspace
from tasks.storage.inputs import input_digest


@dataclass(frozen=True)
class Source:
    """A video or a folder of images on this machine, with the digest of its content."""

    path: Path
    digest: str

    @classmethod
    def of(cls, path: Path) -> Source:
        """The source at ``path``; reads all of it for its digest."""
        return cls(path, input_digest(path))


def _produce(work: Workspace, config: ExtractConfig, *, source: Source) -> Record:
    """Extract the candidate frames."""
    from tasks.video.extraction import extract_frames

    return extract_frames(source.path, work.folder, config).record()


EXTRACT = Stage(StageName.EXTRACT, _produce, retries=2)
