"""A command that another process runs behaves as if it had run here: output, folder, signals."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.cli import warm_start
from flows.support.kept_server import kept_server_lock
from flows.support.own_server import prefect_home

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there is none elsewhere")

READY = """
import json, os, signal, sys, time
from flows.cli import warm_process
from flows.cli.warm_start import circumstances
def run(arguments):
    told = {"arguments": arguments[1:], "folder": os.getcwd(), "term": os.environ.get("TERM")}
    print(json.dumps({**told, "read": sys.stdin.readline()}), flush=True)
    print("said to the terminal", file=sys.stderr, flush=True)
    for _ in range(6000 if "wait" in arguments else 0):
        time.sleep(0.1)  # a signal just before it is handled after it
    if "die" in arguments:
        os.kill(os.getpid(), signal.SIGUSR1)
    if "refuse" in arguments:
        sys.exit(2)
    if "say" in arguments:
        sys.exit("no")
    return 3
from flows.cli.streams import keep_speaking
def spoken(arguments):
    keep_speaking()
    return run(arguments)
over, told = iter([False] * 600), circumstances()
with warm_process.listening() as listener:
    print("ready", flush=True)
    warm_process.serve(listener, told, spoken, lambda: next(over, True))
"""
ASK = """
import sys
from flows.cli.warm_start import hand_over
code = hand_over(sys.argv[1:])
print("refused" if code is None else "handed over", file=sys.stderr)
sys.exit(-1 if code is None else code)
"""


@pytest.fixture(autouse=True)
def _surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("PREFECT_API_URL", "")
    monkeypatch.delenv("PREFECT_API_URL")
    monkeypatch.setenv("PYTHONPATH", str(warm_start.ROOT))
    # a name longer than a socket's may be
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / ("p" * 120)))
    prefect_home().mkdir()
    monkeypatch.chdir(tmp_path)
    with kept_server_lock("http://127.0.0.1:9/api", "kind"):
        yield


def environment() -> dict[str, str]:
    """Without what pytest changes all the time."""
    return {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}


@pytest.fixture
def process() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", READY]
    with subprocess.Popen(
        command,
        text=True,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


def ask(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    """A command that asks to be run by the process that is ready."""
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    command = [sys.executable, "-c", ASK, *arguments]
    return subprocess.Popen(command, text=True, env=environment(), **{**pipes, **options})


def test_it_runs_as_if_it_were_here(
    process: subprocess.Popen[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder := tmp_path / "elsewhere").mkdir()
    monkeypatch.setenv("TERM", "another")
    out, err = (asked := ask("batch", "é\udcff", cwd=folder)).communicate("a line\n")
    told = {"arguments": ["é\udcff"], "folder": str(folder), "term": "another", "read": "a line\n"}
    assert json.loads(out) == told
    assert err == "said to the terminal\nhanded over\n"
    assert asked.returncode == 3


def test_how_it_ends_is_how_the_command_ends(process: subprocess.Popen[str]) -> None:
    for how, code in (("refuse", 2), ("say", 1), ("die", -signal.SIGUSR1)):
        asked = ask("batch", how)
        _, said = asked.communicate("\n", timeout=300)
        assert ("\nno\n" in said) is (how == "say")
        assert asked.returncode == code


def test_signals_reach_it(process: subprocess.Popen[str]) -> None:
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)):
        asked = working()
        asked.send_signal(number)
        # the output's end is that of the process at work: it does not outlive whoever asked
        asked.communicate(timeout=300)
        assert asked.returncode == code


def test_it_ends_with_one_who_is_killed_before_the_answer(
    process: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warm_start, "_BEGAN_WITH", environment())
    request = {
        "circumstances": warm_start.circumstances(),
        "arguments": ["batch", "wait"],
        "environment": environment(),
    }
    reader, writer = os.pipe()
    folder = os.open(".", os.O_PATH | os.O_DIRECTORY)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        warm_start._connect(connection)
        handed = [os.open(os.devnull, os.O_RDONLY), writer, writer, folder]
        socket.send_fds(connection, [json.dumps(request).encode()], handed)
        for number in set(handed):
            os.close(number)
        with os.fdopen(reader) as output:
            assert output.readline()  # at work, its answer on the way
            connection.close()  # unread: what the other end sees is a reset, not an end of file
            output.read()  # to its end, which is that of the process at work


def test_a_pause_is_one_of_both(process: subprocess.Popen[str]) -> None:
    asked = working()
    asked.send_signal(signal.SIGTSTP)
    assert os.WIFSTOPPED(os.waitpid(asked.pid, os.WUNTRACED)[1])
    at_work = [p for p in copies_of(process.pid) if p != process.pid]
    while "T" not in {state(pid) for pid in at_work}:  # it is told after whoever asked stops
        time.sleep(0.01)
    asked.send_signal(signal.SIGCONT)
    asked.send_signal(signal.SIGINT)
    asked.communicate(timeout=300)
    assert asked.returncode == 130


def working() -> subprocess.Popen[str]:
    """A command that is handed over and waits."""
    # a shell's background job ignores SIGINT, and so do those that it starts
    heeding = lambda: signal.signal(signal.SIGINT, signal.default_int_handler)  # noqa: E731
    asked = ask("batch", "wait", preexec_fn=heeding)
    assert asked.stdin is not None
    assert asked.stdout is not None
    asked.stdin.write("\n")
    asked.stdin.flush()
    asked.stdout.readline()
    return asked


def copies_of(pid: int) -> list[int]:
    """Processes that descend from one."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(copy for child in children for copy in copies_of(int(child)))]


def state(pid: int) -> str:
    """One letter, from ``/proc``."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.mark.parametrize("what", ["environment", "priority", "umask", "limit", "home"])
def test_in_other_circumstances_a_command_runs_by_itself(
    process: subprocess.Popen[str], what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change() -> None:
        if what == "priority":
            os.nice(1)
        if what == "umask":
            os.umask(0o037)
        if what == "limit":
            resource.setrlimit(resource.RLIMIT_AS, (1 << 40, 1 << 40))

    if what == "environment":
        monkeypatch.setenv("OMP_NUM_THREADS", "7")
    if what == "home":
        (prefect_home() / "profiles.toml").write_text("")
    asked = ask("batch", preexec_fn=change)
    _, err = asked.communicate("\n", timeout=300)
    assert err == "refused\n"
    assert process.wait(timeout=300) == 0  # another one may be started


@pytest.mark.parametrize(
    ("arguments", "files", "variables"),
    [
        (["batch", "--verbose"], {}, {}),
        (["batch"], {"prefect.toml": ""}, {}),
        (["batch"], {".env": "PREFECT_HOME=/tmp"}, {}),
        (["batch"], {}, {"PREFECT_API_URL": "http://127.0.0.1:4200/api"}),
    ],
)
def test_what_needs_other_settings_is_not_handed_over(
    arguments: list[str],
    files: dict[str, str],
    variables: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, text in files.items():
        Path(name).write_text(text)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert not warm_start._can_be_handed_over(arguments)
    assert warm_start._can_be_handed_over(["batch"]) is not bool(files or variables)


def test_a_changed_source_is_another_circumstance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in warm_start._PACKAGES:
        (tmp_path / package).mkdir()
    source = tmp_path / "tasks" / "one.py"
    source.write_text("")
    monkeypatch.setattr(warm_start, "ROOT", tmp_path)
    before = warm_start.circumstances()
    assert warm_start.circumstances() == before
    os.utime(source, (1, 1))
    assert warm_start.circumstances() != before


def test_without_a_server_none_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm_start, "kept_server", lambda: None)
    assert warm_start.hand_over(["batch"]) is None


def test_where_none_is_ready_nothing_is_lost() -> None:
    _, err = ask("batch").communicate(timeout=300)
    assert err == "refused\n"
