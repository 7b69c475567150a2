"""How two reconstructions are compared."""

from __future__ import annotations

from configs.comparison import COMPARED_SUFFIXES, RESULT_SUFFIXES, CompareConfig, ComparisonStage
from configs.locations import FLAT_SUFFIXES, LEVELS, VIDEO_SUFFIXES
from configs.stages import StageName
from tests.configs.sound import is_sound


def test_every_default_lies_within_its_bounds() -> None:
    is_sound(CompareConfig())


def test_its_stages_are_none_of_a_reconstruction() -> None:
    assert not set(ComparisonStage) & set(StageName)


def test_no_film_is_taken_for_a_result_and_no_file_of_both_has_one_name() -> None:
    assert not set(RESULT_SUFFIXES) & set(VIDEO_SUFFIXES)
    beside = {*(f".{level}.glb" for level in LEVELS), *FLAT_SUFFIXES}
    assert not set(COMPARED_SUFFIXES) & beside
    assert len(set(COMPARED_SUFFIXES)) == len(COMPARED_SUFFIXES)
