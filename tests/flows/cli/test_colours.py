"""Colours are for terminals that have them, of people who want them."""

from __future__ import annotations

import io

import pytest

from flows.cli.colours import painted
from tests.flows.cli.terminal import Terminal


def test_colours_are_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert painted("fail", "red", Terminal()) == "\x1b[31mfail\x1b[0m"
    assert painted("fail", "red", io.StringIO()) == "fail"
    monkeypatch.setenv("NO_COLOR", "1")
    assert painted("fail", "red", Terminal()) == "fail"
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert painted("fail", "red", Terminal()) == "fail"
