"""How a run's progress is counted."""

from __future__ import annotations

from configs.stages import StageName

SHARES: dict[str, float] = {
    StageName.EXTRACT: 0.01,
    StageName.INSPECT: 0.03,
    StageName.REMOVE_BACKGROUNDS: 0.03,
    StageName.ESTIMATE_POSES: 0.32,
    StageName.RECTIFY: 0.04,
    StageName.SELECT: 0.01,
    StageName.INFER: 0.03,
    StageName.MERGE: 0.26,
    StageName.JUDGE: 0.05,
    StageName.ATLAS: 0.11,
    StageName.EXPORT: 0.09,
    StageName.REPORT: 0.02,
}
"""Share of the whole that each stage takes, as the sample film's did; they run in this order."""

USUAL_S = 100.0
"""Seconds that the sample film takes on two cores: a guess where no earlier run tells."""

WAYS: dict[str, tuple[float, ...]] = {StageName.ESTIMATE_POSES: (1.0, 1.9, 1.8, 1.1)}
"""How long the ways take that a stage tries one after the other, in terms of the first: measured on
three films of 1280 x 720 (a stand, a post, a trolley), the second way with learned features."""


def share_before(stage: str) -> float:
    """The share of the whole that lies before a stage."""
    names = list(SHARES)
    return sum(SHARES[name] for name in names[: names.index(stage)])
