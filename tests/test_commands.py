"""Every command of the documents' shell blocks, typed into a terminal as it stands.

The terminal has network, ``/srv`` and processes of its own, so that ports and places are those that
the documents name. What ends at once is typed among the default tests; what makes meshes, serves or
works is typed by one test of minutes, document after document, as a reader would. The few that need
a machine to themselves or a cluster are listed, with the reason.
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from configs.settings import Settings, default_home
from configs.stages import ExportConfig
from tasks.mesh.export import export_glb
from tasks.storage.results import PAGE_MARK, write_result
from tests.test_documents import DOCUMENTS, ROOT

NOT_TYPED = {
    r"sudo (useradd|install -d -(o tyre3d|m 750)|cp|systemctl)": "changes users and services",
    r"as_tyre3d": "is done as the user that systemd's units have",
    r"kubectl ": "needs a cluster: its files have tests of their own",
    r"(sudo -u postgres psql|pg_dump|pg_restore|export PREFECT_API_DATABASE)": "needs Postgres",
    r"rm ~/.prefect/": "the server is stopped for it",
    r"make test\b": "these tests",
    r"make deploy ALERT=": "needs a Slack",
    r"TYRE3D_TEST_S3_ENDPOINT=": "needs another S3 service",
    r"python -m tasks\.|for core in|python - <<|cp work/fusion/": "trains a network for hours",
}
HOLDING = {
    r"tyre3d ui": "http://127.0.0.1:4200/api/health",
    r"tyre3d worker": "",
    r"make api": "http://127.0.0.1:8000/health",
    r"tyre3d view .*--serve": "http://127.0.0.1:8000/",
    r"python3 -m http.server": "http://127.0.0.1:8000/",
}
"""Commands that go on until they are stopped, and where they answer."""
AT_ONCE = (
    r"(\S*/)?tyre3d (view out/\S+$|info|render .*png|config|doctor|prune)|python -m deployments"
)
"""Commands that end within seconds, of a result that is there."""
MADE = (0, 7)
"""Exit codes of commands that made what was asked for, whatever its verdict."""
OPERATIONS = "docs/operations.md"
LOCKS = ("requirements.lock", "requirements-dev.lock")
CODES = {"tyre3d doctor": (0, 1), "tyre3d models fetch": (0, 3)}
"""Where the exit code tells of the machine, and of its network."""


def commands_of(document: str) -> list[str]:
    """The commands of a document's shell blocks, those of several lines as one."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / document).read_text(), re.DOTALL)
    found: list[str] = []
    for line in "".join(blocks).splitlines(keepends=True):
        if found and not _is_whole(found[-1]):
            found[-1] += line
        else:
            found.append(line)
    plain = (re.sub(r"(?m)(^|\s+)# .*", "", each).strip() for each in found)
    return [command for command in plain if command]


def _is_whole(command: str) -> bool:
    if "<<'END'" in command:
        return command.endswith("\nEND\n")
    if command.startswith("for "):
        return bool(re.search(r"(?m)^done", command))
    quotes = re.sub(r" #.*", "", command).count("'") - command.count("\\'")
    return not command.endswith("\\\n") and quotes % 2 == 0


ALL = [(document, command) for document in DOCUMENTS for command in commands_of(document)]


def is_typed(command: str) -> bool:
    return not any(re.match(pattern, command) for pattern in NOT_TYPED)


def ends_at_once(command: str) -> bool:
    return re.match(AT_ONCE, command) is not None


class Terminal:
    """A shell that is typed into.

    Args:
        folder: Where it is.
        apart: Whether it has a network and a ``/srv`` of its own.
        variables: Environment variables.
    """

    def __init__(self, folder: Path, *, apart: bool, **variables: str) -> None:
        self.folder = folder
        bin_ = folder / ".venv/bin"
        bin_.mkdir(parents=True)
        for name, module in (("tyre3d", " -m flows.cli"), ("python", "")):
            (bin_ / name).write_text(f'#!/bin/sh\nexec "{sys.executable}"{module} "$@"\n')
            (bin_ / name).chmod(0o755)
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT", "TYRE3D"))}
        environment = {
            **kept,
            "PATH": f"{bin_}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "HOME": str(folder),
            "USER": "root",
            "BROWSER": "true",
            "TYRE3D_HOME": str(folder / "home"),
            "DO_NOT_TRACK": "1",
            **variables,
        }
        own = ["--user", "--map-root-user", "--net", "--mount", "--pid", "--fork"]
        shell = ["unshare", *own, "--mount-proc", "--kill-child", "bash"]
        self._process = subprocess.Popen(
            shell if apart else ["bash"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        if apart:
            code, said = self.type("ip link set lo up && mount -t tmpfs tmpfs /srv")
            if code != 0:
                self.close()
                pytest.skip(f"no network of its own is to be had here: {said}")
            self.type('set -m; sudo() { "$@"; }')

    def type(self, command: str) -> tuple[int, str]:
        """Exit code of a command, and what it said."""
        pipe, read = self._process.stdin, self._process.stdout
        assert pipe is not None
        assert read is not None
        pipe.write(f"{command}\necho $'\\n'::$?::\n")
        pipe.flush()
        said = ""
        while not (ended := re.search(r"\n::(\d+)::\n\Z", said)):
            line = read.readline()
            assert line, said
            said += line
        return int(ended[1]), said[: ended.start()]

    def hold(self, command: str, address: str) -> None:
        """Have a command go on, once it answers; what it says goes into a file."""
        self.type(f"{command} > held.log 2>&1 < /dev/null &")
        while address and self.type(f"curl -sf -o /dev/null {address}")[0]:
            assert self.type("jobs -r")[1].strip(), (self.folder / "held.log").read_text()
            time.sleep(1)

    def release(self) -> None:
        """End what is held, the last first: workers before the server that they need."""
        self.type("for job in $(jobs -p | tac); do kill -- -$job; wait $job; done")

    def close(self) -> None:
        """End it, and all that it began."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()


@pytest.fixture(scope="module")
def beside_a_result(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """A terminal in a folder where a run was."""
    from tests.flows.cli.test_result_commands import PROVENANCE
    from tests.tasks.mesh.test_export import torus

    folder = tmp_path_factory.mktemp("reader")
    glb = export_glb(torus(), PROVENANCE, ExportConfig())
    page = PAGE_MARK.decode() + '0">\n<p>the page</p>'
    beside = {".preview.glb": glb, ".medium.glb": glb}
    write_result(folder / "out/my_tyre.glb", glb, {"metadata_path": ""}, Settings(), page, beside)
    terminal = Terminal(folder, apart=False)
    yield terminal
    terminal.close()


def test_every_command_is_typed_or_has_a_reason() -> None:
    for pattern in (*NOT_TYPED, *HOLDING):
        assert any(re.match(pattern, command) for _, command in ALL), f"needless: {pattern}"
    first = {re.sub(r"\S*/", "", command.split()[0]) for _, command in ALL if is_typed(command)}
    assert first <= {"tyre3d", "make", "python", "python3", "cp", "curl", "export", "sudo"} | {
        word for word in first if re.match(r"(auth|id|run)=|sqlite3", word)
    }


@pytest.mark.parametrize(
    "command", dict.fromkeys(c for _, c in ALL if is_typed(c) and ends_at_once(c))
)
def test_what_ends_at_once(command: str, beside_a_result: Terminal) -> None:
    code, said = beside_a_result.type(command)
    assert code in CODES.get(command, (0,)), said
    assert "Traceback" not in said


class Taken(Exception):
    """A parser has taken its arguments."""


@pytest.mark.parametrize(
    "command",
    [
        *dict.fromkeys(c for _, c in ALL if re.match(r"python -m tasks\.", c)),
        "python -m deployments.deploy --alert slack-webhook/on-call",  # of make deploy ALERT=...
    ],
)
def test_what_takes_hours_or_others_takes_its_options(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = shlex.split(command.replace("\\\n", " "), comments=True)
    parse: Any = argparse.ArgumentParser.parse_args

    def taken(self: argparse.ArgumentParser, *arguments: Any) -> None:
        parse(self, *arguments)
        raise Taken

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", taken)
    monkeypatch.setattr(sys, "argv", [word for word in words[2:] if word != "&"])
    module = importlib.import_module(words[2])
    if hasattr(module, "__path__"):
        module = importlib.import_module(f"{words[2]}.__main__")
    with pytest.raises(Taken):
        module.main()


SAMPLE = ROOT / "tests/data/sample_tyre.mp4"
FILMS = ("my_tyre", "new", "used", "videos/one", "more/tyre", "films/fl_new", "films/fl_1")
DOCUMENTS_TYPED = ("README.md", "docs/tutorial.md", "docs/compare.md", "docs/web.md", OPERATIONS)
BEFORE = {
    "docs/compare.md": [
        f"tyre3d reconstruct {side}.mp4 --out out --diameter-mm 680" for side in ("new", "used")
    ],
    OPERATIONS: [
        "install -D my_tyre.mp4 /srv/tyre3d/incoming/a.mp4 && cp my_tyre.mp4 /srv/a.mp4",
        "export PREFECT_API_URL=http://127.0.0.1:4200/api",
    ],
}
"""What a document takes for granted."""


@pytest.mark.services
@pytest.mark.slow
def test_everything_else_as_a_reader_types_it(tmp_path: Path) -> None:
    """Minutes: the sample film stands for every film, so that most stages are made once."""
    for name in FILMS:
        (path := tmp_path / f"{name}.mp4").parent.mkdir(exist_ok=True)
        shutil.copy(SAMPLE, path)
    (tmp_path / "films.csv").write_text(
        "tyre,film,label,operator\nfl,new.mp4,new,\nfl,used.mp4,1,a\nfl,my_tyre.mp4,2,a\n"
    )
    for name in ("tests/data/sample_tyre.mp4", "Makefile", "pyproject.toml", *LOCKS):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "home").mkdir()
    if (models := default_home() / "models").exists():
        (tmp_path / "home/models").symlink_to(models)
    s3 = {"ENDPOINT_URL": "http://127.0.0.1:5000", "REGION": "us-east-1"}
    s3 |= {"ACCESS_KEY": "key", "SECRET_KEY": "very-secret"}
    variables = {f"TYRE3D_S3_{name}": value for name, value in s3.items()}
    terminal = Terminal(tmp_path, apart=True, **variables)
    (tmp_path / ".venv/.ready").touch()
    try:
        terminal.hold("python -m moto.server -p 5000", "http://127.0.0.1:5000")
        terminal.type("disown -a")  # held for all documents, not for the first alone
        filled = terminal.type(f"python -c {shlex.quote(FILL)}")
        assert filled[0] == 0, filled
        for document in DOCUMENTS_TYPED:
            for command in [*BEFORE.get(document, []), *filter(is_typed, commands_of(document))]:
                _type(terminal, command)
            if document == OPERATIONS:  # the API's job
                waited = "until test -f /srv/tyre3d/meshes/a.glb; do sleep 1; done"
                assert terminal.type(f"timeout 900 bash -c '{waited}'")[0] == 0
            terminal.release()
        for name in ("out/sample_tyre.glb", "my_tyre.mp4", "out/history.html", "meshes/batch.html"):
            assert (tmp_path / name).stat().st_size > 0
    finally:
        terminal.close()


FILL = f"""
import boto3
client = boto3.client("s3", endpoint_url="http://127.0.0.1:5000", region_name="us-east-1",
                      aws_access_key_id="key", aws_secret_access_key="very-secret")
client.create_bucket(Bucket="bucket")
client.upload_file({str(SAMPLE)!r}, "bucket", "uploads/sent.mp4")
"""
"""Fills a bucket."""


def _type(terminal: Terminal, command: str) -> None:
    for pattern, address in HOLDING.items():
        if re.match(rf"(\S*/)?{pattern}", command):
            terminal.hold(command, address)
            return
    code, said = terminal.type(command)
    assert code in CODES.get(command, MADE), f"{command}\n{said}"
    assert "Traceback" not in said, f"{command}\n{said}"
