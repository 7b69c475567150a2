"""Standard output and error that nobody may read, or keep: what cannot be said is dropped."""

from __future__ import annotations

import io
import os
import sys
from typing import Any, BinaryIO, cast

_STANDARD = (0, 1, 2)
_ERROR = 2


class _Forgiving(io.FileIO):
    """A file whose reader may leave, and which takes all that it is given."""

    def write(self, content: Any) -> int:
        """Write; what nobody reads any more counts as written, and what no log takes.

        Raises:
            OSError: Standard output, which is what was asked for, cannot be written.
        """
        left = memoryview(content)
        try:
            while left:
                left = left[super().write(left) :]
        except BrokenPipeError:
            pass
        except OSError as exc:  # of a full disk of logs no work should end
            if self.fileno() != _ERROR:
                raise OSError(exc.errno, exc.strerror, "standard output") from exc
        return len(content)


def keep_speaking() -> None:
    """Let work go on where standard output or error are closed, or their reader leaves.

    A closed descriptor is opened on the null device first: the next file that is opened would
    otherwise take its number, and be written to as if it were the terminal.
    """
    for number in _STANDARD:
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    sys.stdout, sys.stderr = _stream(1), _stream(2)


def _stream(number: int) -> io.TextIOWrapper:
    raw = _Forgiving(number, "w", closefd=False)
    # a buffer between them would repeat what it was just writing when a signal broke it off
    return io.TextIOWrapper(
        cast(BinaryIO, raw),
        encoding="utf-8",
        errors="backslashreplace",
        line_buffering=number == _ERROR or raw.isatty(),
        write_through=number == _ERROR,
    )
