"""A function in a process of its own: what native code does there, it does not do to the caller.

Libraries end their process where a disk is full, are ended where memory is, and handle signals
that others count on. Arguments, progress and results travel through pipes, so that nothing of them
needs a disk. ``python -m tasks.core.isolated_call`` is the process.
"""

from __future__ import annotations

import collections
import contextlib
import importlib
import os
import pickle
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from typing import IO, Any, ParamSpec, TypeVar, cast

from tasks.core.errors import ResourceError, StorageError, Tyre3dError, says_disk_full
from tasks.core.processes import start_child
from tasks.core.progress import listening, report

_P = ParamSpec("_P")
_T = TypeVar("_T")
_LAST_LINES = 40


def call_isolated(
    stage: str, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs
) -> _T:
    """What a function returns, called in a process of its own.

    Args:
        stage: Stage of the pipeline, for errors.
        function: A function of a module, which is imported there; the module of a function that
            imports a library in its body does not bring that library here.
        args: Its arguments, which are pickled.
        kwargs: Likewise.

    Raises:
        Tyre3dError: As the function raised it; ``disk-full``, ``out-of-memory`` or ``crashed``
            where its process died.
        RuntimeError: With the words of any other error.
    """
    ours_in, theirs_out = os.pipe()
    theirs_in, ours_out = os.pipe()
    try:
        child = start_child(
            __name__,
            str(theirs_in),
            str(theirs_out),
            pass_fds=(theirs_in, theirs_out),
            stderr=subprocess.PIPE,
        )
    finally:
        os.close(theirs_in)
        os.close(theirs_out)
    lines: collections.deque[str] = collections.deque(maxlen=_LAST_LINES)
    listener = threading.Thread(target=_listen, args=(child.stderr, lines), daemon=True)
    listener.start()
    call = (function.__module__, function.__qualname__, args, kwargs)
    try:
        with contextlib.suppress(BrokenPipeError), os.fdopen(ours_out, "wb") as sent:
            pickle.dump(call, sent)
        with os.fdopen(ours_in, "rb") as answers:
            kind, value = _answer(answers)
        code = child.wait()
    finally:
        child.kill()
        child.wait()
        listener.join()
        for pipe in (child.stdin, child.stderr):
            if pipe is not None:
                pipe.close()
    if kind == "result":
        return cast(_T, value)
    if kind == "error" and isinstance(value, Tyre3dError):
        raise value
    message = str(value) if kind == "error" else "\n".join(lines)
    raise _failure(stage, message, code if kind != "error" else 0)


def _answer(answers: IO[bytes]) -> tuple[str, Any]:
    """The last answer of the process, whose progress is reported; none if it died."""
    while True:
        try:
            kind, *value = pickle.load(answers)
        except (EOFError, pickle.UnpicklingError):
            return "died", None
        if kind != "progress":
            return kind, value[0]
        report(*value)


def _listen(stream: IO[bytes], lines: collections.deque[str]) -> None:
    for line in stream:
        lines.append(line.decode(errors="replace").rstrip())


def _failure(stage: str, message: str, code: int) -> Exception:
    """The error of a process that ended without a result.

    Args:
        stage: Stage of the pipeline.
        message: Its last words.
        code: Its exit code, negative for a signal; 0 if it told of an error.
    """
    if says_disk_full(message):
        return StorageError(
            "disk-full",
            stage=stage,
            what="no space is left for intermediate files",
            advice="Free some space, or set TYRE3D_STORAGE or TYRE3D_HOME to a larger disk",
        )
    if code == -signal.SIGKILL:
        return ResourceError(
            "out-of-memory",
            stage=stage,
            what="the process of this stage was killed, as a system without memory does",
            advice="Give it more memory, or let fewer runs work at a time",
        )
    if code == 0:
        return RuntimeError(message)
    why = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    last = message.strip().splitlines()[-1:] or ["it said nothing"]
    return ResourceError(
        "crashed",
        stage=stage,
        what=f"the process of this stage died ({why}: {last[0]})",
        advice="Run again",
    )


def main() -> None:
    """Call what is asked for, and answer."""
    request, answering = (int(text) for text in sys.argv[1:3])
    with os.fdopen(answering, "wb") as answers:

        def send(*answer: Any) -> None:
            pickle.dump(answer, answers)
            answers.flush()

        try:
            with os.fdopen(request, "rb") as sent:
                module, name, args, kwargs = pickle.load(sent)
            function = getattr(importlib.import_module(module), name)
            with listening(lambda *steps: send("progress", *steps)):
                value = function(*args, **kwargs)
            send("result", value)
        except Tyre3dError as exc:
            send("error", exc)
        except Exception as exc:  # noqa: BLE001  told to the caller, whatever it is
            traceback.print_exc()
            send("error", f"{type(exc).__name__}: {exc}")
    # not by way of what libraries do at the end of a process
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
