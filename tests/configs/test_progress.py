"""Shares of a run's progress."""

from __future__ import annotations

import itertools

import pytest

from configs.progress import SHARES, WAYS, share_before
from configs.stages import StageName


def test_every_stage_has_its_share_in_order_and_all_are_the_whole() -> None:
    assert list(SHARES) == list(StageName)
    assert sum(SHARES.values()) == pytest.approx(1.0)
    assert min(SHARES.values()) > 0


def test_what_lies_before_a_stage_ends_where_the_one_before_it_ends() -> None:
    assert share_before(StageName.EXTRACT) == 0
    for one, following in itertools.pairwise(StageName):
        assert share_before(following) == pytest.approx(share_before(one) + SHARES[one])
    assert share_before(StageName.REPORT) == pytest.approx(1 - SHARES[StageName.REPORT])


def test_the_first_way_is_what_others_are_counted_in() -> None:
    assert set(WAYS) <= set(StageName)
    assert all(ways[0] == 1.0 for ways in WAYS.values())
