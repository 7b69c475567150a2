"""Pieces of work on PyTorch's threads: all are done, and the threads are as they were."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from tsr.threads import for_each, small_operators

CPU = torch.device("cpu")


@pytest.fixture(autouse=True, params=[1, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_every_piece_is_done_with_one_thread(threads: int) -> None:
    done: dict[int, int] = {}
    for_each(lambda item: done.update({item: torch.get_num_threads()}), range(20), CPU)
    assert sorted(done) == list(range(20))
    assert set(done.values()) == {1}
    assert torch.get_num_threads() == threads


def test_small_operators_leave_the_threads_to_the_pieces(threads: int) -> None:
    with small_operators():
        assert torch.get_num_threads() == 1
        names: set[int] = set()

        def work(item: int) -> None:
            torch.ones(600, 600) @ torch.ones(600, 600)
            names.add(torch.get_num_threads())

        for_each(work, range(12), CPU)
        assert torch.get_num_threads() == 1
    assert names == {1}
    assert torch.get_num_threads() == threads


def test_an_error_is_raised_and_the_threads_are_as_before(threads: int) -> None:
    def work(item: int) -> None:
        if item == 5:
            raise RuntimeError("can't allocate memory")

    with pytest.raises(RuntimeError, match="allocate"), small_operators():
        for_each(work, range(20), CPU)
    assert torch.get_num_threads() == threads


def test_nothing_is_recorded_for_gradients() -> None:
    weight = torch.ones(2, requires_grad=True)
    recorded: list[bool] = []
    for_each(lambda item: recorded.append((weight * item).requires_grad), [1.0, 2.0], CPU)
    assert recorded == [False, False]
