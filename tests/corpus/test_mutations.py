"""Random changes of bytes end as made or with a code, never otherwise."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.corpus.case import MADE, left_behind
from tests.corpus.mutations import TARGETS, mutated, tried
from tests.support.fuzz import TIMES, tell
from tests.tasks.core.test_errors import raised_codes

NUMBER = 6


@pytest.mark.parametrize("target", TARGETS)
def test_changed_bytes_are_told_by_a_code(target: str, tmp_path: Path) -> None:
    wrong, foreseen = {}, {MADE} | (raised_codes() - {"internal", "usage"})
    for seed in range(NUMBER * TIMES):
        folder = tmp_path / str(seed)
        folder.mkdir()
        came = tried(target, seed, folder)
        if came not in foreseen or list(left_behind(folder)):
            wrong[seed] = came
        shutil.rmtree(folder)
    tell(f"random changes of the bytes of: {target}", NUMBER * TIMES, NUMBER * TIMES - len(wrong))
    assert wrong == {}


@pytest.mark.parametrize("target", ["manifest", "artifact"])
def test_what_is_stored_is_always_made_again(target: str, tmp_path: Path) -> None:
    for seed in range(100, 100 + NUMBER * TIMES):
        folder = tmp_path / str(seed)
        folder.mkdir()
        assert tried(target, seed, folder) == MADE


def test_a_seed_changes_the_same_bytes_again() -> None:
    content = bytes(range(256)) * 4
    one, other = (mutated(content, np.random.default_rng(3)) for _ in range(2))
    assert one == other != content
