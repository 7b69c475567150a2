"""A device that is full: once with half, then a clear error."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from tsr.errors import OutOfMemoryError, TSRError
from tsr.memory import halve_once, is_shortage

SHORTAGES = [
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory"),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 5 bytes"),
]


def fits(most: int, error: Exception) -> tuple[Callable[[int], str], list[int]]:
    """Work for which no more than a size fits, and the sizes that it was tried with."""
    tried: list[int] = []

    def work(size: int) -> str:
        tried.append(size)
        if size > most:
            raise error
        return f"done with {size}"

    return work, tried


@pytest.mark.parametrize("error", SHORTAGES, ids=lambda e: type(e).__name__)
def test_half_is_tried_once_and_then_it_is_said(error: Exception) -> None:
    for most, result, sizes in (
        (9, "done with 9", [9]),
        (5, "done with 4", [9, 4]),
        (4, "done with 4", [9, 4]),
    ):
        work, tried = fits(most, error)
        assert halve_once(work, 9, "points") == result
        assert tried == sizes
    work, tried = fits(3, error)
    with pytest.raises(OutOfMemoryError, match="with 9 and with 4 points at once") as caught:
        halve_once(work, 9, "points")
    assert caught.value.__cause__ is error
    assert tried == [9, 4]


def test_one_is_the_least() -> None:
    work, tried = fits(0, MemoryError())
    with pytest.raises(OutOfMemoryError, match="with 1 and with 1 images"):
        halve_once(work, 1, "images")
    assert tried == [1, 1]


@pytest.mark.parametrize("error", [RuntimeError("shapes do not fit"), TSRError("x"), KeyError(3)])
def test_other_errors_are_not_tried_again_nor_renamed(error: Exception) -> None:
    work, tried = fits(0, error)
    with pytest.raises(type(error)) as caught:
        halve_once(work, 8, "points")
    assert caught.value is error
    assert tried == [8]
    assert not is_shortage(error)


def test_an_error_of_another_kind_with_half_keeps_its_name() -> None:
    answers = [MemoryError(), RuntimeError("shapes do not fit")]

    def work(size: int) -> None:
        raise answers.pop(0)

    with pytest.raises(RuntimeError, match="shapes do not fit"):
        halve_once(work, 8, "points")


def test_a_shortage_is_known_also_where_it_was_translated() -> None:
    assert is_shortage(OutOfMemoryError("the device ran out of memory"))
    assert all(map(is_shortage, SHORTAGES))
