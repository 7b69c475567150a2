"""What a shell completes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from flows.cli.main import main

pytestmark = pytest.mark.usefixtures("own_home")


def test_a_shell_completes_commands_options_and_choices(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", "bash"]) == 0
    script = tmp_path / "tyre3d.bash"
    script.write_text(capsys.readouterr().out)
    tries = """
        source "$0"
        try() { COMP_WORDS=(tyre3d "$@"); COMP_CWORD=$#; _shtab_tyre3d; echo "${COMPREPLY[@]}"; }
        try rec; try reconstruct --pres; try reconstruct --preset ''
        touch "$1/films.csv"; cd "$1"
        try compare fil; try compare films.csv fil; try history fil; try gauge fil
    """
    told = subprocess.run(
        ["bash", "-c", tries, str(script), str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    words = ["reconstruct", "--preset", "fast", "balanced", "high"]
    assert told.stdout.split() == [*words, *["films.csv"] * 4]
