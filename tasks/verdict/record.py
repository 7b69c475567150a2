"""What is said of a film and of its mesh: reasons with levels, and the verdict that follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

VerdictName = Literal["pass", "review", "fail"]
Level = Literal["review", "fail"]
FIRST_WORD = "First word on the film"
"""Description of the Prefect artifact, by which the API finds it among a run's tables."""

_RANK: dict[VerdictName, int] = {"pass": 0, "review": 1, "fail": 2}


@dataclass(frozen=True)
class Reason:
    """One thing that speaks against a film or a mesh.

    Args:
        code: Stable identifier, such as ``"axle-unsure"``.
        level: ``review``: a person should look; ``fail``: the mesh must not be used.
        message: What was found, in a sentence with its figure.
        advice: What the photographer can do about it.
    """

    code: str
    level: Level
    message: str
    advice: str


def verdict_of(reasons: Sequence[Reason]) -> VerdictName:
    """The worst level of the reasons; ``pass`` without any."""
    return max((r.level for r in reasons), key=_RANK.__getitem__, default="pass")


@dataclass(frozen=True)
class Judgement:
    """What is said of a mesh, or of a film before there is one.

    Args:
        reasons: The worst first.
        evidence: The figures that were looked at, by name; units are in the names.
        retake: What to film again, one sentence each.
    """

    reasons: tuple[Reason, ...]
    evidence: Mapping[str, float] = field(default_factory=dict)
    retake: tuple[str, ...] = ()

    @property
    def verdict(self) -> VerdictName:
        """``pass``, ``review`` or ``fail``."""
        return verdict_of(self.reasons)

    def to_dict(self) -> dict[str, Any]:
        """The judgement as plain JSON types."""
        return {
            "verdict": self.verdict,
            "reasons": [asdict(reason) for reason in self.reasons],
            "evidence": dict(self.evidence),
            "retake": list(self.retake),
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Judgement:
        """The inverse of :meth:`to_dict`."""
        return cls(
            tuple(Reason(**reason) for reason in record["reasons"]),
            record["evidence"],
            tuple(record["retake"]),
        )


def worst_first(reasons: Sequence[Reason]) -> tuple[Reason, ...]:
    """The reasons ordered by level, otherwise as they came."""
    return tuple(sorted(reasons, key=lambda r: -_RANK[r.level]))
