"""Errors of the pipeline.

Tyre3dError
├── InputError          what the user gave cannot be used (exit code 2, no retry)
├── ModelError          weights missing, damaged or unknown (exit code 3, no retry)
├── ReconstructionError the data do not suffice for a mesh (exit code 4, no retry)
├── StorageError        local disk or S3 (exit code 5, a retry may help)
└── ResourceError       memory, device (exit code 6, a retry may help)

Each error names the stage, the input, what was wrong and what to do, and has a stable code.
"""

from __future__ import annotations


class Tyre3dError(Exception):
    """Base of all errors that a user may see as one line.

    Args:
        code: Stable identifier, such as ``"video-empty"``.
        stage: Stage of the pipeline, such as ``"extract"``.
        what: What was wrong, with the name of the input.
        advice: What to do about it.
    """

    exit_code = 1
    retryable = False

    def __init__(self, code: str, *, stage: str, what: str, advice: str) -> None:
        super().__init__(f"[{code}] {stage}: {what}. {advice}")
        self.code = code
        self.stage = stage
        self.what = what
        self.advice = advice

    def __reduce__(self) -> tuple[object, ...]:
        """Keep the fields when the error crosses a process boundary."""
        return (_rebuild, (type(self), self.code, self.stage, self.what, self.advice))


def _rebuild(kind: type[Tyre3dError], code: str, stage: str, what: str, advice: str) -> Tyre3dError:
    return kind(code, stage=stage, what=what, advice=advice)


class InputError(Tyre3dError):
    """The user's input cannot be used."""

    exit_code = 2


class ModelError(Tyre3dError):
    """Weights are missing, damaged or unknown."""

    exit_code = 3


class ReconstructionError(Tyre3dError):
    """The data do not suffice for a mesh."""

    exit_code = 4


class StorageError(Tyre3dError):
    """Reading or writing artifacts failed."""

    exit_code = 5
    retryable = True


class ResourceError(Tyre3dError):
    """Memory or a device ran out."""

    exit_code = 6
    retryable = True
