"""Colours of a terminal; a file or a pipe gets none."""

from __future__ import annotations

import os
from typing import IO, Literal

Colour = Literal["red", "green", "yellow", "bold"]
_CODES: dict[str, str] = {"red": "31", "green": "32", "yellow": "33", "bold": "1"}
OF_VERDICT: dict[str, Colour] = {"pass": "green", "review": "yellow", "fail": "red"}


def shows_colours(stream: IO[str]) -> bool:
    """Whether colours are wanted there: on a terminal that has them, unless ``NO_COLOR`` is set."""
    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    return stream.isatty() and not plain


def painted(text: str, colour: Colour, stream: IO[str]) -> str:
    """A text in a colour, where ``stream`` shows any."""
    return f"\x1b[{_CODES[colour]}m{text}\x1b[0m" if shows_colours(stream) else text
