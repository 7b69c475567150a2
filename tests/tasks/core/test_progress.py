"""Reports reach whoever listens, also around others, and nobody else."""

from __future__ import annotations

import contextvars
import threading

import pytest

from tasks.core.progress import listening, report

Step = tuple[str, int, int]


def test_all_who_listen_are_told_the_outer_ones_first() -> None:
    told: list[tuple[str, Step]] = []
    with listening(lambda *step: told.append(("outer", step))):
        report("merge", 1, 3)
        with listening(lambda *step: told.append(("inner", step))), listening(None):
            report("merge", 2, 3)
        report("merge", 3, 3)
    report("merge", 4, 3)
    assert told == [
        ("outer", ("merge", 1, 3)),
        ("outer", ("merge", 2, 3)),
        ("inner", ("merge", 2, 3)),
        ("outer", ("merge", 3, 3)),
    ]


def test_who_fails_leaves_no_listener_behind() -> None:
    told: list[Step] = []
    with pytest.raises(KeyError), listening(lambda *step: told.append(step)):
        raise KeyError
    report("merge", 1, 1)
    assert told == []


def test_runs_in_threads_of_their_own_do_not_hear_of_each_other() -> None:
    told: list[Step] = []
    with listening(lambda *step: told.append(step)):
        alone = threading.Thread(target=report, args=("infer", 1, 2))
        along = threading.Thread(
            target=contextvars.copy_context().run, args=(report, "merge", 1, 2)
        )
        for thread in (alone, along):
            thread.start()
            thread.join()
    assert told == [("merge", 1, 2)]
