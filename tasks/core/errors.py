"""Errors of the pipeline.

Tyre3dError
├── InputError          what the user gave cannot be used (exit code 2)
├── ModelError          weights missing, damaged or unknown (exit code 3)
├── ReconstructionError the data do not suffice for a mesh (exit code 4)
├── StorageError        local disk or S3 (exit code 5)
└── ResourceError       memory, device, time (exit code 6)

Each error names the stage, the input, what was wrong and what to do, and has a stable code. Whether
a retry can help follows from the code alone, so that it is the same where the error was raised, in
another process, and in a state message that Prefect kept. So does the kind of error.
"""

from __future__ import annotations

from typing import ClassVar

TRANSIENT_CODES = frozenset(
    {
        "artifact-damaged",  # the next run notices it and makes the artifact again
        "crashed",  # the process died; another one may live
        "out-of-memory",  # others may have released theirs
        "server-away",
        "server-lost",
        "server-start",
        "storage-failed",  # an S3 that was away, a disk that stumbled
    }
)
"""Codes of failures that the same run may not meet another time; all others are permanent."""


_FULL_DISK = (
    "database or disk is full",
    "no space left on device",
    "disk quota exceeded",
    "no registered database factory succeeded",  # COLMAP, where its file cannot even be begun
)
"""What libraries say of a full disk, in lower case."""


def says_disk_full(text: str) -> bool:
    """Whether the words of an error are those of a full disk."""
    return any(words in text.lower() for words in _FULL_DISK)


def is_transient(code: str) -> bool:
    """Whether the same run can succeed another time; an unknown code is permanent."""
    return code in TRANSIENT_CODES


class Tyre3dError(Exception):
    """Base of all errors that a user may see as one line.

    Args:
        code: Stable identifier, such as ``"video-empty"``.
        stage: Stage of the pipeline, such as ``"extract"``.
        what: What was wrong, with the name of the input.
        advice: What to do about it.
    """

    exit_code = 1
    codes: ClassVar[frozenset[str]] = frozenset()
    """The codes of this kind of error, each of one kind only."""

    def __init__(self, code: str, *, stage: str, what: str, advice: str) -> None:
        super().__init__(f"[{code}] {stage}: {what}. {advice}")
        self.code = code
        self.stage = stage
        self.what = what
        self.advice = advice

    @property
    def retryable(self) -> bool:
        """Whether a retry can help."""
        return is_transient(self.code)

    def __reduce__(self) -> tuple[object, ...]:
        """Keep the fields when the error crosses a process boundary."""
        return (_rebuild, (type(self), self.code, self.stage, self.what, self.advice))


def _rebuild(kind: type[Tyre3dError], code: str, stage: str, what: str, advice: str) -> Tyre3dError:
    return kind(code, stage=stage, what=what, advice=advice)


class InputError(Tyre3dError):
    """The user's input cannot be used."""

    exit_code = 2
    codes = frozenset(
        {
            "artifacts-missing",
            "bad-option",
            "bad-setting",
            "batch-address",
            "batch-empty",
            "batch-prefix",
            "batch-running",
            "films-names",
            "films-single",
            "films-table",
            "folder-no-images",
            "frame-too-large",
            "frame-too-small",
            "gauge-films",
            "glb-unreadable",
            "image-unreadable",
            "input-missing",
            "input-name",
            "input-unreadable",
            "no-tyre",
            "not-deployed",
            "output-foreign",
            "output-unwritable",
            "result-incomplete",
            "result-missing",
            "server-running",
            "too-few-frames",
            "training-no-data",
            "training-old-checkpoint",
            "training-old-data",
            "training-other-network",
            "training-refused",
            "unknown-pool",
            "video-damaged",
            "video-empty",
            "video-no-picture",
            "video-too-long",
            "video-truncated",
            "video-unreadable",
        }
    )


class ModelError(Tyre3dError):
    """Weights are missing, damaged or unknown."""

    exit_code = 3
    codes = frozenset(
        {
            "model-differs",
            "model-missing",
            "model-unreachable",
            "model-unreadable",
            "release-differs",
            "unknown-model",
            "unknown-session",
            "weights-digest",
            "weights-unreadable",
        }
    )


class ReconstructionError(Tyre3dError):
    """The data do not suffice for a mesh."""

    exit_code = 4
    codes = frozenset(
        {
            "glb-broken",
            "glb-too-large",
            "merge-empty",
            "merge-no-pose",
            "mesh-broken",
            "mesh-empty",
            "no-good-frame",
            "not-round",
            "poses-failed",
            "poses-no-tyre",
        }
    )


class StorageError(Tyre3dError):
    """Reading or writing artifacts failed."""

    exit_code = 5
    codes = frozenset(
        {
            "artifact-damaged",
            "disk-full",
            "storage-address",
            "storage-denied",
            "storage-failed",
            "storage-key",
            "storage-missing",
            "storage-not-shared",
            "storage-path",
        }
    )


class ResourceError(Tyre3dError):
    """Memory or a device ran out."""

    exit_code = 6
    codes = frozenset(
        {
            "crashed",
            "device-missing",
            "no-server",
            "out-of-memory",
            "port-taken",
            "server-away",
            "server-denied",
            "server-lost",
            "server-start",
            "too-slow",
        }
    )


_KINDS = (InputError, ModelError, ReconstructionError, StorageError, ResourceError)


def kind_of(code: str) -> type[Tyre3dError]:
    """The kind of error that a code stands for; the base of all for ``internal`` and the like."""
    return next((kind for kind in _KINDS if code in kind.codes), Tyre3dError)
