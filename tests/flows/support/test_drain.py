"""Pools that are not there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import pytest
from prefect.exceptions import ObjectNotFound

from flows.support import drain
from flows.support.drain import check_pool, drain_pool, resume_pool
from tasks.core.errors import InputError


class Client:
    """A client of a server that has no pools."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def read_work_pool(self, *_: object) -> None:
        raise ObjectNotFound(ValueError("404"))

    update_work_pool = read_work_pool


@pytest.mark.parametrize("act", [check_pool, resume_pool, lambda pool: drain_pool(pool, 1.0)])
def test_a_pool_that_is_not_there_is_told_and_not_made(
    act: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drain, "get_client", lambda **_: Client())
    with pytest.raises(InputError, match=r"unknown-pool.*no pool gpuu"):
        act("gpuu")
