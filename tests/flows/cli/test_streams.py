"""A command goes on where whoever read its output has gone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SAY = """
import sys
from pathlib import Path
from flows.cli import commands, main
def models(options):
    for number in range(2000):
        sys.stderr.write(f"line {number}\\n"); sys.stdout.write(f"line {number}\\n")
    Path(sys.argv[-1]).write_text("done")
    return 0
commands.models = models
sys.argv[1:] = ["models", "fetch", sys.argv[-1]]
sys.exit(main.main())
"""


@pytest.mark.parametrize(
    "how", ["2>&-", ">&-", ">&- 2>&-", "| true", "2>&1 >/dev/null | true", "2>/dev/full"]
)
def test_what_nobody_reads_is_dropped(tmp_path: Path, how: str) -> None:
    marker = tmp_path / "marker"
    told = f'set -o pipefail; "{sys.executable}" -c "$SAY" {marker} {how}'
    shell = subprocess.run(["bash", "-c", told], env={**os.environ, "SAY": SAY}, timeout=300)
    assert shell.returncode == 0
    assert marker.read_text() == "done"


def test_a_full_disk_of_what_was_asked_for_is_told(tmp_path: Path) -> None:
    told = f'"{sys.executable}" -c "$SAY" {tmp_path / "marker"} >/dev/full'
    shell = subprocess.run(
        ["bash", "-c", told],
        env={**os.environ, "SAY": SAY},
        timeout=300,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert shell.returncode == 5
    assert "[disk-full] storage: no space is left for standard output" in shell.stderr


def test_files_are_not_taken_for_a_closed_terminal(tmp_path: Path) -> None:
    code = (
        "import sys; from flows.cli.streams import keep_speaking; keep_speaking(); "
        f"f = open({str(tmp_path / 'f')!r}, 'w'); assert f.fileno() > 2; sys.stderr.write('x')"
    )
    told = f'"{sys.executable}" -c "$CODE" <&- >&- 2>&-'
    shell = subprocess.run(["bash", "-c", told], env={**os.environ, "CODE": code}, timeout=300)
    assert shell.returncode == 0
    assert (tmp_path / "f").read_text() == ""
