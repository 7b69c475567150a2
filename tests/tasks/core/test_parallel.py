"""Work in threads: the order of the items, the first error, and the same arithmetic everywhere."""

from __future__ import annotations

import threading

import cv2
import numpy as np
import pytest

from tasks.core.parallel import in_threads


def test_results_come_in_the_order_of_the_items() -> None:
    first_is_done = threading.Event()

    def work(number: int) -> int:
        if number == 1:
            first_is_done.set()
        if number == 0:  # ends after the second began, if there are two threads
            first_is_done.wait(0.2)
        return number * number

    assert list(in_threads(work, range(30))) == [n * n for n in range(30)]
    assert list(in_threads(work, [])) == []


def test_the_first_error_in_the_order_is_raised() -> None:
    def work(number: int) -> int:
        if number in (3, 5):
            raise ValueError(str(number))
        return number

    results = in_threads(work, range(8))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="3"):
        next(results)


def test_arithmetic_in_a_thread_is_that_of_the_stage() -> None:
    noise = np.random.default_rng(0).normal(size=(400, 300)).astype(np.float32)

    def blurred(_: int) -> tuple[bool, bytes]:
        return cv2.ipp.useIPP(), cv2.GaussianBlur(noise, (0, 0), 2.3).tobytes()

    found = set(in_threads(blurred, range(6)))
    assert len(found) == 1
    assert not next(iter(found))[0]
