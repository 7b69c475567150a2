"""Commands of many parts that are stopped as processes: a sentence, whole files, and typed again.

Poses and merge are stood in for as in the tests of the flows.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from prefect.settings import get_current_settings

from flows.cli.stopping import STOPPED
from tasks.mesh.glb_reader import read_glb
from tests.conftest import write_cut_outs

pytestmark = pytest.mark.usefixtures("prefect_server")
ROOT = Path(__file__).parents[3]
PROGRAM = """
import tasks.fusion.merge
import tasks.poses.isolated_estimate
from tests.flows.test_reconstruct import fake_merge, fake_poses
tasks.fusion.merge.merge_fields = fake_merge
tasks.poses.isolated_estimate.estimate_poses = fake_poses
from flows.cli.main import run
run()
"""


def started(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """A command that runs in ``folder``, with the server of these tests."""
    environment = {
        **os.environ,
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",  # as a command sets it
        "PREFECT_API_URL": str(get_current_settings().api.url),
        "PYTHONPATH": str(ROOT),
        "TYRE3D_HOME": str(folder / "home"),
    }
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # a shell's background job ignores SIGINT, and so do those that it starts
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def all_whole(out: Path) -> set[str]:
    """The names of all files of a folder, each of which is read."""
    for path in out.iterdir():
        if path.suffix == ".json":
            json.loads(path.read_text())
        elif path.suffix == ".glb":
            read_glb(path.read_bytes())
        else:
            assert path.read_text().rstrip().endswith("</html>" if path.suffix == ".html" else "")
            assert path.suffix in (".html", ".csv", ".lock")
    return {path.name for path in out.iterdir()}


@pytest.mark.parametrize(
    ("command", "how", "at", "unmade", "record"),
    [
        (["compare", "new", "used"], signal.SIGINT, "compare", "comparison.html", "comparison"),
        pytest.param(
            *(["history", "films.csv"], signal.SIGTERM, "judge", "fl.1.html", "history"),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_what_was_stopped_goes_on_when_it_is_typed_again(
    command: list[str],
    how: signal.Signals,
    at: str,
    unmade: str,
    record: str,
    tmp_path: Path,
    tiny_model: Path,
) -> None:
    for number, name in enumerate(("new", "used")):
        write_cut_outs(tmp_path / name, range(8), mark=number)
    (tmp_path / "films.csv").write_text("tyre,film,label\nfl,new,new\nfl,used,1\n")
    typed = [*command, "--out", "out", "--model", str(tiny_model)]
    typed += ["--num-frames", "4", "--mc-resolution", "64"]
    process = started(tmp_path, *typed)
    assert process.stderr is not None
    while line := process.stderr.readline():
        if line.endswith(f" {at}\n"):
            process.send_signal(how)
            break
    said = process.stderr.read()
    process.communicate(timeout=300)
    assert said.splitlines(keepends=True)[-1] == STOPPED, said
    assert "Traceback" not in said
    assert process.returncode == 128 + how
    assert unmade not in all_whole(tmp_path / "out")

    _, said = (process := started(tmp_path, *typed)).communicate(timeout=300)
    assert process.returncode == 7, said  # compared, and not to be told: a disc is no tyre
    assert unmade in all_whole(tmp_path / "out")
    told = json.loads((tmp_path / f"out/{record}.json").read_text())
    assert {each["state"] for each in told.get("comparisons", [])} <= {"completed"}
