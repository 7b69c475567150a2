"""A command goes on where whoever read its output has gone, and says so when it is stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows.cli import commands, main, stopping
from tasks.core.errors import ResourceError

SAY = """
import sys, time
from pathlib import Path
from flows.cli import commands, main, stopping
def models(options):
    for number in range(2000):
        sys.stderr.write(f"line {number}\\n"); sys.stdout.write(f"line {number}\\n")
    Path(sys.argv[-1]).write_text("done")
    return 0
commands.models = models
sys.argv[1:] = ["models", "fetch", sys.argv[-1]]
sys.exit(main.main())
"""
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


@pytest.mark.parametrize("how", ["2>&-", ">&-", ">&- 2>&-", "| true", "2>&1 >/dev/null | true"])
def test_what_nobody_reads_is_dropped(tmp_path: Path, how: str) -> None:
    marker = tmp_path / "marker"
    told = f'set -o pipefail; "{sys.executable}" -c "$SAY" {marker} {how}'
    shell = subprocess.run(["bash", "-c", told], env={**os.environ, "SAY": SAY}, timeout=300)
    assert shell.returncode == 0
    assert marker.read_text() == "done"


def test_files_are_not_taken_for_a_closed_terminal(tmp_path: Path) -> None:
    code = (
        "import sys; from flows.cli.streams import keep_speaking; keep_speaking(); "
        f"f = open({str(tmp_path / 'f')!r}, 'w'); assert f.fileno() > 2; sys.stderr.write('x')"
    )
    told = f'"{sys.executable}" -c "$CODE" <&- >&- 2>&-'
    shell = subprocess.run(["bash", "-c", told], env={**os.environ, "CODE": code}, timeout=300)
    assert shell.returncode == 0
    assert (tmp_path / "f").read_text() == ""


def working(program: str, *arguments: str) -> subprocess.Popen[str]:
    """A process that has said that it works, and can be interrupted.

    A shell's background job ignores SIGINT, and so do those that it starts.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
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


@pytest.mark.parametrize("where", [(main, "build_parser"), (commands, "models")])
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
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stop(*_: object) -> None:
        raise raised

    monkeypatch.setattr(stopping, "received", received)
    monkeypatch.setattr(*where, stop)
    assert main.main(["models", "list"]) == code
    assert capsys.readouterr().err == stopping.STOPPED


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
