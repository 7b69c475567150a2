"""Every case of the corpus comes out as it says; ``make fuzz`` runs the slow ones, too."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.corpus.all import CASES
from tests.corpus.case import Case, left_behind, outcome
from tests.support.fuzz import TIMES, tell

RUN = [case for case in CASES if TIMES > 1 or not case.slow]


@pytest.mark.parametrize("case", RUN, ids=str)
def test_a_case_comes_out_as_it_says(case: Case, tmp_path: Path) -> None:
    came = outcome(case.run, tmp_path)
    tell(case.kind, 1, came in case.expected)
    assert came in case.expected
    assert list(left_behind(tmp_path)) == []


def test_there_are_enough_cases_of_every_kind_and_none_twice() -> None:
    assert len(CASES) >= 120
    assert max(Counter(map(str, CASES)).values()) == 1
