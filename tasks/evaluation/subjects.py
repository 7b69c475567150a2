"""Subjects of an evaluation: what they are, and their videos."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from configs.evaluation import EvaluationRequest
from configs.presets import Motion
from tasks.synthetic.scenes.truth import read_truth, truth_path
from tasks.synthetic.scenes.video import make_orbit_video
from tasks.synthetic.tyres.imported_wheels import ImportedWheel, from_file
from tasks.synthetic.tyres.spec import TEST_SEEDS, VALIDATION_SEEDS
from tasks.synthetic.tyres.tyre import Tyre, build_tyre, sample_spec

FIRST_WHEEL = 5000
"""Number of the test seed that films the first imported wheel."""


@dataclass(frozen=True)
class Subject:
    """An object with known geometry.

    Args:
        name: Name of its video, mesh and scores.
        seed: Seed of its video and, without a file, of its geometry.
        file: GLB of a wheel; None for a generated tyre.
    """

    name: str
    seed: int
    file: Path | None = None

    def build(self) -> Tyre | ImportedWheel:
        """Its geometry."""
        if self.file is None:
            return build_tyre(sample_spec(self.seed))
        return from_file(self.file)


def subjects_of(request: EvaluationRequest) -> list[Subject]:
    """The subjects of a request: the wheels of a folder, or seeds of a split."""
    if request.wheels is not None:
        files = sorted(request.wheels.glob("*.glb"))
        return [Subject(f.stem, TEST_SEEDS[FIRST_WHEEL + n], f) for n, f in enumerate(files)]
    seeds = TEST_SEEDS if request.split == "test" else VALIDATION_SEEDS
    chosen = seeds[request.first : request.first + request.count]
    return [Subject(f"{request.split}-{seed}", seed) for seed in chosen]


def film(subject: Subject, folder: Path, *, num_frames: int, motion: Motion) -> Path:
    """The video of a subject with its truth beside it; one that exists is taken as it is.

    Args:
        subject: The object to film.
        folder: Folder of the videos.
        num_frames: Number of frames.
        motion: Motion of the camera or the wheel.

    Returns:
        ``NAME.mp4`` in the folder.
    """
    video = folder / f"{subject.name}.mp4"
    if truth_path(video).exists():
        known = read_truth(video)
        if (known.seed, known.motion, len(known.cameras)) == (subject.seed, motion, num_frames):
            return video
    folder.mkdir(parents=True, exist_ok=True)
    scratch = folder / f".{subject.name}.part.mp4"
    make_orbit_video(
        subject.seed, scratch, num_frames=num_frames, motion=motion, wheel=subject.build()
    )
    truth_path(video).unlink(missing_ok=True)  # never one video beside the truth of another
    scratch.replace(video)
    truth_path(scratch).replace(truth_path(video))
    return video
