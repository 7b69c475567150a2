"""Comparisons of tyres' later films with their first: what became of each, and what they tell."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from configs.comparison import ComparisonStage
from tasks.comparison.gauge import GaugeStudy, gauge_study
from tasks.core.errors import InputError
from tasks.core.failures import why_of


@dataclass(frozen=True)
class Comparison:
    """What became of one comparison.

    Args:
        name: What its files are called.
        tyre: Which tyre.
        label: Which of its films.
        film: Where that lies.
        operator: Who filmed it; empty where nobody said.
        state: Whether there is a comparison.
        verdict: The comparison's verdict.
        reasons: Codes of its reasons.
        zones: The tread's zones, as the comparison's record has them.
        findings: Its findings, likewise.
        error: Why there is none: code, stage and message.
        seconds: How long it took.
        flow_run_id: The run that made it.
        sentences: The reasons in words; records of earlier releases have none.
        against: Label of the film that it is compared with; likewise.
        sha256: Digests of that film and of this one, once they are compared; likewise.
    """

    name: str
    tyre: str
    label: str
    film: str
    operator: str = ""
    state: Literal["pending", "completed", "failed"] = "pending"
    verdict: str = ""
    reasons: list[str] = field(default_factory=list)
    zones: list[dict[str, Any]] = field(default_factory=list)
    findings: list[dict[str, Any]] = field(default_factory=list)
    error: dict[str, str] | None = None
    seconds: float = 0.0
    flow_run_id: str = ""
    sentences: list[str] = field(default_factory=list)
    against: str = ""
    sha256: list[str] = field(default_factory=list)

    @property
    def outcome(self) -> str:
        """The verdict, or the state of what has none."""
        return self.verdict if self.state == "completed" else self.state

    @property
    def why(self) -> tuple[str, ...]:
        """Why there is no comparison, or what speaks against it."""
        return why_of(self.error, self.reasons, self.sentences)

    @property
    def is_compared(self) -> bool:
        """Whether its figures may be used."""
        return self.state == "completed" and self.verdict != "cannot compare"


_COLUMNS = (
    *("tyre", "label", "operator", "verdict", "zone"),
    *("mean_change_mm", "lod95_mm", "significant", "coverage"),
)


def zones_csv(comparisons: Sequence[Comparison]) -> bytes:
    """All zones of all comparisons, a line each."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(_COLUMNS)
    for each in comparisons:
        for zone in each.zones:
            of_zone = (zone["name"], *(zone[column] for column in _COLUMNS[5:]))
            table.writerow((each.tyre, each.label, each.operator, each.verdict, *of_zone))
    return text.getvalue().encode()


def gauge_of(comparisons: Sequence[Comparison], tolerance_mm: float) -> GaugeStudy:
    """The gauge study of comparisons: a part is a zone of a tyre, a value its mean change.

    Args:
        comparisons: Those of films that show each tyre unchanged; what tells nothing does not
            count.
        tolerance_mm: Full width of the tolerance of a zone's change.

    Raises:
        InputError: ``gauge-films``.
    """
    compared = [each for each in comparisons if each.is_compared]
    _check_once(compared)
    values: Mapping[tuple[str, str], list[float]] = defaultdict(list)
    for each in compared:
        for zone in each.zones:
            if zone["mean_change_mm"] is not None:
                part = f"{each.tyre}, {zone['name']}"
                values[part, each.operator].append(zone["mean_change_mm"])
    return gauge_study(values, tolerance_mm)


def _check_once(compared: Sequence[Comparison]) -> None:
    """Make sure that no film counts twice, for it repeats nothing: the result would be too small.

    Raises:
        InputError: ``gauge-films``.
    """
    digests: dict[str, str] = {}
    for each in compared:
        if each.sha256:
            digests[f"{each.tyre}.{each.against}"], digests[each.name] = each.sha256
    by_digest: dict[str, str] = {}
    for name, digest in digests.items():
        same = by_digest.setdefault(digest, name)
        if same != name:
            raise InputError(
                "gauge-films",
                stage=ComparisonStage.COMPARE,
                what=f"{same} and {name} are the same film",
                advice="List each film once, and film a tyre again for each repetition",
            )
