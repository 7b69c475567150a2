"""How a run's progress is counted."""

from __future__ import annotations

from configs.stages import StageName

SHARES: dict[str, float] = {
    StageName.EXTRACT: 0.08,
    StageName.INSPECT: 0.05,
    StageName.REMOVE_BACKGROUNDS: 0.14,
    StageName.ESTIMATE_POSES: 0.32,
    StageName.RECTIFY: 0.02,
    StageName.SELECT: 0.02,
    StageName.INFER: 0.16,
    StageName.MERGE: 0.14,
    StageName.JUDGE: 0.02,
    StageName.ATLAS: 0.03,
    StageName.EXPORT: 0.01,
    StageName.REPORT: 0.01,
}
"""Share of the whole that each stage takes, roughly; they run in this order."""


def share_before(stage: str) -> float:
    """The share of the whole that lies before a stage."""
    names = list(SHARES)
    return sum(SHARES[name] for name in names[: names.index(stage)])
