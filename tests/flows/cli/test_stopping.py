"""A command says that it was stopped, and ends, whatever it is doing."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from flows.cli import commands, main, parser, stopping
from tasks.core.errors import ResourceError
from tasks.core.failures import Failure

WAIT = """
import sys, time
from flows.cli import commands, main, stopping
def models(options):
    sys.stdout.write("working\\n"); sys.stdout.flush()
    time.sleep(600)
commands.models = models
sys.argv[1:] = ["models", "list"]
sys.exit(main.main())
"""


def started(program: str, *arguments: str) -> subprocess.Popen[str]:
    """A process that can be interrupted.

    A shell's background job ignores SIGINT, and so do those that it starts.
    """
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def working(program: str, *arguments: str) -> subprocess.Popen[str]:
    """A process that has said that it works."""
    process = started(program, *arguments)
    assert process.stdout is not None
    assert process.stdout.readline() == "working\n"
    return process


@pytest.mark.parametrize(("how", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_command_that_is_stopped_says_so(how: signal.Signals, code: int) -> None:
    process = working(WAIT)
    time.sleep(0.1)
    process.send_signal(how)
    _, said = process.communicate(timeout=300)
    assert process.returncode == code
    assert said == "tyre3d: stopped; what is finished is kept, run again to go on\n"


def test_it_says_so_as_json_where_it_was_asked_for() -> None:
    process = working(WAIT.replace('"list"]', '"list", "--json"]'))
    process.send_signal(signal.SIGTERM)
    told, _ = process.communicate(timeout=300)
    known = Failure("cancelled", "", stopping.STOPPED.removeprefix("tyre3d: ").strip())
    expected = {"error": {**known.to_dict(), "retryable": known.retryable, "exit_code": 143}}
    assert json.loads(told) == expected


@pytest.mark.parametrize("where", [(parser, "build_parser"), (commands, "models")])
@pytest.mark.parametrize(
    ("raised", "received", "code"),
    [
        (KeyboardInterrupt(), [], 130),
        (stopping.Terminated(), [], 143),
        # a library's clean-up fails
        (ValueError("Task run is not set"), [signal.SIGTERM, signal.SIGTERM], 143),
        (ResourceError("server-away", stage="a", what="b", advice="c"), [signal.SIGINT], 130),
    ],
)
def test_stopped_at_any_moment_it_says_so(
    raised: BaseException,
    received: list[int],
    code: int,
    where: tuple[object, str],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def stop(*_: object) -> None:
        raise raised

    monkeypatch.setattr(stopping, "received", received)
    monkeypatch.setattr(stopping, "_unsaid", [stopping.STOPPED])
    monkeypatch.setattr(*where, stop)
    assert main.main(["models", "list"]) == code
    assert capfd.readouterr().err == stopping.STOPPED


STARTING = """
import os, sys
from flows.cli.main import run
number, left = int(sys.argv.pop(1)), int(sys.argv.pop(1))
class Stop:
    def find_spec(self, *_):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), number)
sys.meta_path.insert(0, Stop())
run()
"""


@pytest.mark.parametrize("imports", [1, 3, 10, 30, 100])
@pytest.mark.parametrize(("how", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_stopped_at_any_import_it_says_so(how: signal.Signals, code: int, imports: int) -> None:
    process = started(STARTING, str(int(how)), str(imports), "config", "show")
    assert process.communicate(timeout=300) == ("", stopping.STOPPED)
    assert process.returncode == code


LOST = """
import os, signal, sys, weakref
from flows.cli import commands, main
class Thing:
    pass
def models(options):
    one = Thing()
    other = weakref.ref(one, lambda _: os.kill(os.getpid(), int(sys.argv[-1])))
    del one
    signal.pause()
commands.models = models
number = sys.argv[1]
sys.argv[1:] = ["models", "fetch", number]
sys.exit(main.main())
"""


@pytest.mark.parametrize(("how", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_what_a_callback_swallows_stops_it_all_the_same(how: signal.Signals, code: int) -> None:
    process = started(LOST, str(int(how)))
    assert process.communicate(timeout=300)[1] == stopping.STOPPED
    assert process.returncode == code


OF_PREFECT = """
from prefect.exceptions import TerminationSignal
def raises(number, _):
    raise TerminationSignal(signal=number)
signal.signal(signal.SIGTERM, raises)
"""


def test_so_does_what_prefects_handler_raised() -> None:
    """While a run is at work, SIGTERM is Prefect's to handle."""
    inside = textwrap.indent(OF_PREFECT, "    ")
    process = started(LOST.replace("    one = Thing()", f"{inside}\n    one = Thing()"), "15")
    assert process.communicate(timeout=300)[1] == stopping.STOPPED
    assert process.returncode == 143


BROKEN_OFF = """
import io, os, signal, sys
from flows.cli import commands, main, streams
class Written(io.FileIO):
    def write(self, content):
        done = super().write(content)
        signal.raise_signal(signal.SIGTERM)
        return done
streams._Forgiving.__bases__ = (Written,)
def models(options):
    sys.stderr.write("a line\\n")
commands.models = models
sys.argv[1:] = ["models", "list"]
main.end(main.main())
"""


def test_a_line_in_which_it_is_stopped_is_said_once() -> None:
    said = started(BROKEN_OFF).communicate(timeout=300)[1]
    assert said == f"a line\n{stopping.STOPPED}"


DEAF = """
import signal, sys, time
from flows.cli import batch_command, main, stopping
def batch(options):
    for number in (signal.SIGINT, signal.SIGTERM):  # as a library may
        signal.signal(number, lambda *_: None)
    sys.stdout.write("working\\n"); sys.stdout.flush()
    time.sleep(600)
batch_command.batch = batch
stopping.GRACE_S = float(sys.argv[1])
sys.argv[1:] = ["batch", "nothing", "--out", "nowhere"]
sys.exit(main.main())
"""


@pytest.mark.parametrize(
    ("how", "again", "grace_s", "code"),
    [
        (signal.SIGTERM, False, 0.1, 143),
        (signal.SIGINT, False, 0.1, 130),
        (signal.SIGINT, True, 600, 130),
    ],
)
def test_what_does_not_end_by_itself_is_ended(
    how: signal.Signals, again: bool, grace_s: float, code: int
) -> None:
    process = working(DEAF, str(grace_s))
    process.send_signal(how)
    while again and process.poll() is None:  # a signal that is pending already is not sent twice
        process.send_signal(how)
        time.sleep(0.1)
    assert process.communicate(timeout=300)[1] == stopping.STOPPED
    assert process.returncode == code


class Told(Exception):
    """An error that says which signal it was raised for, as Prefect's does."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.signal = number


@pytest.mark.parametrize(
    ("error", "received", "number"),
    [
        (KeyboardInterrupt(), [], signal.SIGINT),
        (stopping.Terminated(), [], signal.SIGTERM),
        (Told(signal.SIGTERM), [], signal.SIGTERM),
        (Told(signal.SIGUSR1), [], None),
        (ValueError("signal"), [], None),
        (ValueError("a clean-up failed"), [signal.SIGINT, signal.SIGTERM], signal.SIGINT),
    ],
)
def test_which_signal_an_error_comes_from(
    error: BaseException,
    received: list[int],
    number: int | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stopping, "received", received)
    assert stopping.number_of(error) == number


def test_it_is_said_once_however_often(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stopping, "_unsaid", [stopping.STOPPED])
    stopping.say(signal.SIGINT)
    stopping.say(signal.SIGINT)
    assert capfd.readouterr().err == stopping.STOPPED
