"""Gauge repeatability and reproducibility: how far measurements of the same thing lie apart.

Source: AIAG, Measurement Systems Analysis, 4th edition (2010), chapter III, analysis of variance of
crossed studies. Cells may have unequal numbers of films: means of cells then count alike, and the
harmonic mean of the numbers stands for their number (unweighted means).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from configs.comparison import ComparisonStage
from tasks.core.errors import InputError

_DEVIATIONS = 6.0
"""Standard deviations that a share of the tolerance counts: 99.7 % of a normal distribution."""
_CATEGORIES = 1.41
_POOLED_FROM = 0.05
"""An interaction less sure than this is pooled with repeatability, as the source advises."""


@dataclass(frozen=True)
class GaugeStudy:
    """Standard deviations in the unit of the measured values, and shares derived of them.

    Args:
        repeatability: Between films of the same tyre by the same operator.
        reproducibility: Between operators, their interaction with parts included; 0 for one.
        parts: Between parts.
        freedom: Degrees of freedom of the repeatability.
        tolerance: Full width of the tolerance.
        num_parts: How many parts there were.
        operators: Who filmed.
        measurements: How many values there were.
    """

    repeatability: float
    reproducibility: float
    parts: float
    freedom: int
    tolerance: float
    num_parts: int
    operators: tuple[str, ...]
    measurements: int

    @property
    def gauge(self) -> float:
        """Standard deviation of the whole measuring system (GRR)."""
        return math.hypot(self.repeatability, self.reproducibility)

    @property
    def share_of_tolerance(self) -> float:
        """Six standard deviations of the measuring system over the tolerance."""
        return _DEVIATIONS * self.gauge / self.tolerance

    @property
    def categories(self) -> int:
        """How many classes of parts the system tells apart (ndc)."""
        return math.floor(_CATEGORIES * self.parts / self.gauge) if self.gauge > 0 else 0

    @property
    def verdict(self) -> str:
        """``good`` below a tenth of the tolerance, ``usable`` below three, else ``unfit``."""
        share = self.share_of_tolerance
        return "good" if share < 0.1 else "usable" if share <= 0.3 else "unfit"

    def to_dict(self) -> dict[str, Any]:
        """All figures as plain JSON types."""
        return {
            **asdict(self),
            "operators": list(self.operators),
            "gauge": self.gauge,
            "share_of_tolerance": self.share_of_tolerance,
            "categories": self.categories,
            "verdict": self.verdict,
        }


def gauge_study(values: Mapping[tuple[str, str], Sequence[float]], tolerance: float) -> GaugeStudy:
    """The study of measured values.

    Args:
        values: By part and operator, the values of the repeated films.
        tolerance: Full width of the tolerance, in the values' unit.

    Raises:
        InputError: ``gauge-films`` where an operator lacks a part, or nobody repeated a film.
    """
    parts = sorted({part for part, _ in values})
    operators = sorted({operator for _, operator in values})
    lacking = [(p, o) for p in parts for o in operators if not values.get((p, o))]
    if lacking:
        part, operator = lacking[0]
        raise _refused(
            f"operator {operator!r} has no film of {part} that could be compared",
            "Every operator films every tyre",
        )
    cells = [[np.asarray(values[p, o], float) for o in operators] for p in parts]
    numbers = np.array([[len(cell) for cell in row] for row in cells], float)
    freedom = int((numbers - 1).sum())
    if freedom < 1:
        raise _refused(
            "no operator filmed a tyre twice, beside the film that the others are compared with",
            "Film each at least twice, unchanged, and once more before",
        )
    means = np.array([[cell.mean() for cell in row] for row in cells])
    within = sum(float(((cell - cell.mean()) ** 2).sum()) for row in cells for cell in row)
    films = float(1.0 / (1.0 / numbers).mean())
    repeated = within / freedom
    between = _Between.of(means, films)
    error = repeated
    if between.interaction_freedom and not _is_sure(
        between.interaction / repeated if repeated > 0 else math.inf,
        between.interaction_freedom,
        freedom,
    ):
        pooled = within + between.interaction * between.interaction_freedom
        error = repeated = pooled / (freedom + between.interaction_freedom)
        freedom += between.interaction_freedom
        interaction = 0.0
    elif between.interaction_freedom:
        error = between.interaction
        interaction = max(between.interaction - repeated, 0.0) / films
    else:
        interaction = 0.0
    of_operators = max(between.operators - error, 0.0) / (films * len(parts))
    of_parts = max(between.parts - error, 0.0) / (films * len(operators))
    return GaugeStudy(
        repeatability=math.sqrt(repeated),
        reproducibility=math.sqrt(of_operators + interaction) if len(operators) > 1 else 0.0,
        parts=math.sqrt(of_parts),
        freedom=freedom,
        tolerance=tolerance,
        num_parts=len(parts),
        operators=tuple(operators),
        measurements=int(numbers.sum()),
    )


@dataclass(frozen=True)
class _Between:
    """Mean squares between the means of cells."""

    parts: float
    operators: float
    interaction: float
    interaction_freedom: int

    @classmethod
    def of(cls, means: np.ndarray, films: float) -> _Between:
        rows, columns = means.shape
        of_parts, of_operators, all_of = means.mean(1), means.mean(0), means.mean()
        rest = means - of_parts[:, None] - of_operators[None, :] + all_of
        freedom = (rows - 1) * (columns - 1)

        def square(deviations: np.ndarray, each: float, free: int) -> float:
            return films * each * float((deviations**2).sum()) / free if free else 0.0

        return cls(
            square(of_parts - all_of, columns, rows - 1),
            square(of_operators - all_of, rows, columns - 1),
            square(rest, 1.0, freedom),
            freedom,
        )


def _is_sure(ratio: float, above: int, below: int) -> bool:
    """Whether a ratio of mean squares is beyond chance, by the F distribution."""
    from scipy.stats import f

    return bool(f.sf(ratio, above, below) < _POOLED_FROM)


def _refused(what: str, advice: str) -> InputError:
    return InputError("gauge-films", stage=ComparisonStage.COMPARE, what=what, advice=advice)
