"""Runs whose process was killed are ended by the next command, and no others."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.states import Cancelling, Completed, Running

from flows.support import local_runs
from flows.support.local_runs import any_noted, end_lost_runs, noted_run

ROOT = Path(__file__).parents[3]
LOCAL = "http://127.0.0.1:4200/api"
WORK = """
import sys
from uuid import UUID
from flows.support.local_runs import _note

with _note(UUID(sys.argv[1])):
    print("at work", flush=True)
    sys.stdin.read()
"""


@flow
def nothing() -> None:
    """It is never run."""


@pytest.fixture
def client(
    prefect_server: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SyncPrefectClient]:
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    with get_client(sync_client=True) as found:
        yield found


def notes(home: Path) -> list[str]:
    return sorted(path.name for path in (home / "tyre3d-runs").iterdir())


@contextlib.contextmanager
def at_work(run_id: UUID) -> Iterator[subprocess.Popen[str]]:
    """A process that has noted a run and works on it."""
    with subprocess.Popen(
        [sys.executable, "-c", WORK, str(run_id)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "at work\n"
        try:
            yield process
        finally:
            process.kill()


def state_of(client: SyncPrefectClient, run_id: UUID) -> tuple[str, str]:
    state = client.read_flow_run(run_id).state
    assert state is not None
    return state.type.value, state.message or ""


def test_a_run_whose_process_was_killed_is_ended_and_one_at_work_is_not(
    client: SyncPrefectClient, tmp_path: Path
) -> None:
    states = [Running(), Running(), Cancelling(), Completed()]
    runs = [client.create_flow_run(nothing, state=state).id for state in states]
    alive, killed, cancelled, completed = runs
    with contextlib.ExitStack() as processes:
        for run_id in runs:
            process = processes.enter_context(at_work(run_id))
            if run_id != alive:
                process.kill()
                process.wait()
        assert set(end_lost_runs()) == {killed, cancelled}
        assert notes(tmp_path) == [str(alive)]
        assert state_of(client, alive)[0] == "RUNNING"
        crashed, why = state_of(client, killed)
        assert (crashed, "process was killed" in why) == ("CRASHED", True)
        assert state_of(client, cancelled)[0] == "CANCELLED"
        assert state_of(client, completed) == ("COMPLETED", "")
    assert end_lost_runs() == [alive], "once it is killed, too"
    assert end_lost_runs() == notes(tmp_path) == []


def test_runs_of_other_hosts_and_other_files_are_left_alone(
    client: SyncPrefectClient, tmp_path: Path
) -> None:
    run_id = client.create_flow_run(nothing, state=Running()).id
    folder = tmp_path / "tyre3d-runs"
    folder.mkdir()
    (folder / str(run_id)).write_text(f"not-{socket.gethostname()}")
    (folder / "notes.txt").write_text(socket.gethostname())
    (folder / str(uuid4())).touch()  # begun this very moment
    before = notes(tmp_path)
    assert end_lost_runs() == []
    assert notes(tmp_path) == before
    assert state_of(client, run_id)[0] == "RUNNING"
    (folder / str(uuid4())).write_text(socket.gethostname())  # of a run that was deleted
    assert end_lost_runs() == []
    assert notes(tmp_path) == before


def test_a_server_that_is_away_costs_no_command_and_no_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    assert end_lost_runs() == [], "nothing was ever noted"
    (tmp_path / "tyre3d-runs").mkdir()
    note = tmp_path / "tyre3d-runs" / str(uuid4())
    note.write_text(socket.gethostname())

    def fail(*_: object) -> bool:
        raise RuntimeError("503")

    monkeypatch.setattr(local_runs, "_end", fail)
    assert end_lost_runs() == []
    assert note.exists()


@pytest.mark.parametrize(("url", "noted"), [(LOCAL, True), ("https://prefect.example/api", False)])
def test_a_run_is_noted_while_it_goes_on_where_the_server_is_this_machines(
    url: str,
    noted: bool,
    client: SyncPrefectClient,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", url)
    seen = []

    @flow
    def fails() -> None:
        with noted_run():
            seen.append(any_noted())
            assert end_lost_runs() == []
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011  raised above
        fails()
    assert seen == [noted]
    assert not any_noted()
    with noted_run():  # of no run
        assert not any_noted()
