"""Subjects of an evaluation: what they are, and their videos."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from configs.evaluation import EvaluationRequest, Kind
from configs.presets import Motion
from tasks.synthetic.scenes.capture_film import make_capture_video
from tasks.synthetic.scenes.captures import WALKS, Capture
from tasks.synthetic.scenes.truth import parts_path, read_truth, truth_path
from tasks.synthetic.scenes.video import make_orbit_video
from tasks.synthetic.tyres.imported_wheels import ImportedWheel, from_file
from tasks.synthetic.tyres.spec import TEST_SEEDS, VALIDATION_SEEDS
from tasks.synthetic.tyres.tyre import Tyre, build_tyre, sample_spec

FIRST_WHEEL = 5000
"""Number of the test seed that films the first imported wheel."""

_CAPTURES: dict[Kind, tuple[Capture, ...]] = {
    "hard": WALKS,
    "spin": ("spin", "spin-hand"),
    "turntable": ("turntable",),
    "one-face": ("one-face",),
}
"""Captures of a kind, which seeds take in turn; easy films are plain ones."""

_SIZES = ((1280, 720), (1280, 720), (720, 1280))
"""Sizes of captures, which seeds take in turn, pixels."""


@dataclass(frozen=True)
class Subject:
    """An object with known geometry and how it is filmed.

    Args:
        name: Name of its video, mesh and scores.
        seed: Seed of its video and, without a file, of its geometry.
        kind: How it is filmed.
        file: GLB of a wheel; None for a generated tyre.
    """

    name: str
    seed: int
    kind: Kind = "easy"
    file: Path | None = None

    def build(self) -> Tyre | ImportedWheel:
        """Its geometry."""
        if self.file is None:
            return build_tyre(sample_spec(self.seed))
        return from_file(self.file)

    @property
    def capture(self) -> Capture | None:
        """The capture that films it; None for a plain film."""
        captures = _CAPTURES.get(self.kind)
        return None if captures is None else captures[self.seed % len(captures)]


def subjects_of(request: EvaluationRequest) -> list[Subject]:
    """The subjects of a request: the wheels of a folder, or seeds of a split, in every kind."""
    if request.wheels is not None:
        files = sorted(request.wheels.glob("*.glb"))
        objects: list[tuple[str, int, Path | None]] = [
            (f.stem, TEST_SEEDS[FIRST_WHEEL + n], f) for n, f in enumerate(files)
        ]
    else:
        seeds = TEST_SEEDS if request.split == "test" else VALIDATION_SEEDS
        chosen = seeds[request.first : request.first + request.count]
        objects = [(f"{request.split}-{seed}", seed, None) for seed in chosen]
    return [
        Subject(f"{name}-{kind}", seed, kind, file)
        for kind in request.kinds
        for name, seed, file in objects
    ]


def film(subject: Subject, folder: Path, *, num_frames: int, motion: Motion) -> Path:
    """The video of a subject with its truth beside it; one that exists is taken as it is.

    Args:
        subject: The object to film.
        folder: Folder of the videos.
        num_frames: Number of frames.
        motion: Motion of the camera or the wheel in an easy film.

    Returns:
        ``NAME.mp4`` in the folder.
    """
    video, capture = folder / f"{subject.name}.mp4", subject.capture
    if truth_path(video).exists():
        known = read_truth(video)
        found = (known.seed, known.capture or known.motion, len(known.cameras))
        if found == (subject.seed, capture or motion, num_frames):
            return video
    folder.mkdir(parents=True, exist_ok=True)
    scratch = folder / f".{subject.name}.part.mp4"
    wheel = subject.build()
    if capture is None:
        make_orbit_video(subject.seed, scratch, num_frames=num_frames, motion=motion, wheel=wheel)
    else:
        size = _SIZES[subject.seed % len(_SIZES)]
        make_capture_video(
            subject.seed, scratch, capture, num_frames=num_frames, size=size, wheel=wheel
        )
    publish(scratch, video)
    return video


def publish(scratch: Path, video: Path) -> None:
    """Put a film where it belongs, its truth last: never one film beside the truth of another."""
    truth_path(video).unlink(missing_ok=True)
    labels, old = parts_path(scratch, 0).parent, parts_path(video, 0).parent
    shutil.rmtree(old, ignore_errors=True)
    if labels.exists():
        labels.replace(old)
    scratch.replace(video)
    truth_path(scratch).replace(truth_path(video))
