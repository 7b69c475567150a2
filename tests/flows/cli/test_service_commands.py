"""The commands of an operator say where they work when that is not where they were told."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flows.cli import commands, local_server, service_commands
from flows.cli.main import main
from flows.cli.server_process import free_port
from flows.support import drain
from tasks.core.errors import ResourceError

STOPPED = ResourceError("server-start", stage="start", what="far enough", advice="Stop")
NEXT_STEP = {
    "ui": ("flows.cli.service_commands.own_password", ["ui"]),
    "worker": ("flows.cli.service_commands.use_own_password", ["worker", "cpu"]),
    "reconstruct": ("tasks.storage.inputs.check_name", ["reconstruct", "a.mp4", "--out", "."]),
}
"""What a command does once it is prepared, and how it is called."""


def _stop(*_: object) -> None:
    raise STOPPED


@pytest.fixture(autouse=True)
def _surroundings(own_home: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "readonly"))
    # root may write wherever the rights of a folder forbid it
    monkeypatch.setattr(commands, "can_write", lambda folder: "readonly" not in folder.parts)


@pytest.mark.parametrize("command", NEXT_STEP)
def test_a_command_says_that_it_works_in_another_folder(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    step, arguments = NEXT_STEP[command]
    monkeypatch.setattr(step, _stop)
    assert main(arguments) == STOPPED.exit_code
    moved, stopped = capsys.readouterr().err.splitlines()
    assert "far enough" in stopped
    assert moved == (
        f"Prefect's folder {tmp_path / 'readonly'} cannot be written: runs are recorded in "
        f"{tmp_path / 'home/prefect'} (to choose another folder, set PREFECT_HOME)"
    )


def test_where_our_own_folder_cannot_be_written_there_is_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TYRE3D_HOME", str(tmp_path / "readonly"))
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "readonly/prefect"))
    assert main(["ui"]) == 6
    (line,) = capsys.readouterr().err.splitlines()
    assert "cannot be written. Let this user write there, or name another folder" in line


@pytest.mark.parametrize("words", [["reconstruct"], ["ui"]])
def test_where_no_folder_can_be_written_that_is_what_is_said(
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Not that runs are recorded there, nor how Prefect's server fails for it."""
    monkeypatch.setenv("TYRE3D_HOME", str(tmp_path / "home/readonly"))
    monkeypatch.setattr(local_server, "can_write", lambda folder: "readonly" not in folder.parts)
    film = Path(__file__).parents[2] / "data" / "sample_tyre.mp4"
    assert main(words if words == ["ui"] else [*words, str(film), "--out", str(tmp_path)]) == 6
    moved, failed = capsys.readouterr().err.splitlines()
    ours = tmp_path / "home/readonly/prefect"
    assert moved == (
        f"Prefect's folder {tmp_path / 'readonly'} cannot be written, and neither can {ours}"
    )
    assert f"[server-start] start: {ours} cannot be written" in failed
    assert "set TYRE3D_HOME to another folder" in failed


UI = """
import os, pathlib, subprocess, sys
from flows.cli import service_commands
from flows.support.database import what_is_wrong
from flows.support.own_server import prefect_home

def become(program, command):
    # on a terminal Prefect would ask which of its profiles to change before it starts
    assert command[1:6] == ["-m", "flows.cli.prefect_process", "--no-prompt", "server", "start"]
    print((prefect_home() / "prefect.db").exists(), repr(what_is_wrong(prefect_home())))
    print(os.environ["PREFECT_SERVER_UI_STATIC_DIRECTORY"])
    sys.exit(0)

service_commands.os.execv = become
service_commands.subprocess.Popen = lambda *a, **k: None
from flows.cli.main import main
main(["ui", "--port", sys.argv[1]])
"""


def test_the_ui_of_a_new_home_finds_its_database(tmp_path: Path) -> None:
    with free_port() as port:
        number = str(port.getsockname()[1])
    told = subprocess.run(
        [sys.executable, "-c", UI, number],
        env={
            **{k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")},
            "PREFECT_HOME": str(tmp_path / "prefect"),
            "TYRE3D_HOME": str(tmp_path / "home"),
            "PYTHONPATH": str(Path(__file__).parents[3]),
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert told.stderr == (
        f"Prefect's UI, in some seconds: http://127.0.0.1:{number}\n"
        f"It asks once for a password: the whole line that this shows: cat {tmp_path}/prefect/"
        "tyre3d-auth\n"
    )
    # its pages, too, lie there: the installation may be another user's, or read-only
    assert told.stdout.split() == ["True", "''", str(tmp_path / "prefect/ui")]


SERVER = """
import sys
import prefect.cli._server_utils
prefect.cli._server_utils.uvicorn.run = lambda **_: None  # far enough
from flows.cli import prefect_process
prefect_process.any_noted = lambda: True
prefect_process.end_lost_runs = lambda within_s: print("lost runs are ended", flush=True)
prefect_process.main()
"""


def test_prefects_server_says_nothing_that_our_users_should_not_do(tmp_path: Path) -> None:
    """Its banner advised to set PREFECT_API_URL, and did not tell of the password."""
    with free_port() as port:
        address = ["--host", "127.0.0.1", "--port", str(port.getsockname()[1])]
    told = subprocess.run(
        [sys.executable, "-c", SERVER, "--no-prompt", "server", "start", *address],
        env={
            **{k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")},
            "PREFECT_HOME": str(tmp_path / "prefect"),
            "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(tmp_path / "ui"),
            "PYTHONPATH": str(Path(__file__).parents[3]),
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    ended, said = told.stdout.split("\n", 1)
    assert ended == "lost runs are ended"
    assert (said + told.stderr).split("\n\n\n") == ["Ctrl-C ends it.", "Server stopped!\n"]


@pytest.mark.filterwarnings("ignore:Type 'DrainingWorker'")
@pytest.mark.parametrize(
    ("said", "of_pool", "limit"),
    [([], 20, 20), ([], None, 1), ([], 0, 1), (["--limit", "3"], 20, 3)],
)
def test_a_worker_takes_as_many_runs_as_its_pool_unless_told(
    said: list[str],
    of_pool: int | None,
    limit: int,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """A unit of systemd names its pool alone, and one batch would have all others wait."""
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    monkeypatch.setattr(service_commands, "check_server", lambda: None)
    monkeypatch.setattr(drain, "check_pool", lambda _: of_pool)
    limits = []

    async def serve(pool: str, limit: int, *_: object, **__: object) -> int:
        limits.append(limit)
        return 0

    monkeypatch.setattr("flows.support.worker.serve", serve)
    assert main(["worker", "batch", *said]) == 0
    assert limits == [limit]
