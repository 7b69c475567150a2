"""The command line: one clear line for whatever is wrong, and nothing half-written."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest

from configs.request import ReconstructRequest
from configs.settings import Settings
from flows.cli.commands import _ready
from flows.cli.local_server import LocalServer
from flows.cli.main import main
from tasks.core.errors import InputError
from tests.conftest import write_video


@pytest.fixture(autouse=True)
def _home(own_home: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.cli.local_server.LocalServer.start", lambda _: None)


def fails(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Exit code and the one line of a command that must fail."""
    try:
        code = main(arguments)
    except SystemExit as stop:
        code = int(str(stop.code))
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("tyre3d: [")
    return code, lines[0]


def test_missing_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, line = fails(capsys, "reconstruct", str(tmp_path / "no.mp4"), "--out", str(tmp_path))
    assert code == 2
    assert "[input-missing] extract:" in line


def test_empty_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "v.mp4").touch()
    code, line = fails(
        capsys, "reconstruct", str(tmp_path / "v.mp4"), "--out", str(tmp_path / "out")
    )
    assert code == 2
    assert "[video-empty]" in line
    assert not (tmp_path / "out").exists()


def test_what_does_not_fit_a_pattern_is_told_what_is_wanted(
    tmp_path: Path, video: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("batch", str(video), "--out", str(tmp_path / "out"))
    code, line = fails(capsys, *arguments, "--deployment", "gone")
    assert code == 2
    assert "deployment: what is wanted: flow/deployment" in line
    monkeypatch.setenv("TYRE3D_S3_ENDPOINT_URL", "localhost")
    _, line = fails(capsys, *arguments)
    assert "TYRE3D_S3_ENDPOINT_URL: what is wanted: S3 service other than AWS, with http" in line
    assert "pattern" not in line


@pytest.mark.parametrize(
    ("out", "why"),
    [
        ("a-file", "{0}/a-file is no folder"),
        ("a-link/out", "{0}/a-link is a link to {0}/gone, which is not there"),
        pytest.param(
            "/proc/out",
            "no folder can be made in /proc",
            marks=pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc"),
        ),
    ],
)
def test_unwritable_output(
    out: str, why: str, tmp_path: Path, video: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a-file").write_text("a file")
    (tmp_path / "a-link").symlink_to(tmp_path / "gone")
    code, line = fails(capsys, "reconstruct", str(video), "--out", str(tmp_path / out))
    assert code == 2
    assert "[output-unwritable]" in line
    assert line.endswith(
        f"cannot be written ({why.format(tmp_path)}). Choose another folder with --out"
    )


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--preset", "quick", "[usage]"),
        ("--motion", "fly", "[usage]"),
        ("--num-frames", "many", "[usage]"),
        ("--num-frames", "0", "[bad-option]"),
        ("--mc-resolution", "9999", "[bad-option]"),
        ("--diameter-mm", "-1", "[bad-option]"),
        ("--diameter-mm", "nan", "[bad-option]"),
    ],
)
def test_bad_options(
    tmp_path: Path,
    video: Path,
    capsys: pytest.CaptureFixture[str],
    option: str,
    value: str,
    said: str,
) -> None:
    code, line = fails(
        capsys, "reconstruct", str(video), "--out", str(tmp_path / "out"), option, value
    )
    assert code == 2
    assert said in line
    assert option.strip("-").split("-")[0] in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("verdict", "code"), [("pass", 0), ("review", 0), ("fail", 7)])
def test_the_verdict_ends_what_is_printed_and_decides_the_exit_code(
    tmp_path: Path,
    video: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    verdict: str,
    code: int,
) -> None:
    reason = {"code": "axle-unsure", "level": "x", "message": "it wobbles", "advice": "Film more"}
    metadata = {
        "stages": [],
        "seconds": 1.0,
        "model": {"name": "m", "chosen_because": "requested"},
        **{"num_vertices": 1, "num_faces": 1, "num_frames": 1, "warnings": []},
        **{"output_path": "t.glb", "metadata_path": "t.json"},
        **{"verdict": verdict, "reasons": [reason], "retake": ["film the inner face"]},
    }
    monkeypatch.setattr("flows.cli.commands._ready", lambda *_: lambda *_: metadata)
    assert main(["reconstruct", str(video), "--out", str(tmp_path / "out")]) == code
    assert capsys.readouterr().out.splitlines()[-3:] == [
        f"verdict   {verdict}",
        "reason    [axle-unsure] it wobbles. Film more",
        "retake    film the inner face",
    ]


def test_unknown_model(tmp_path: Path, video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, line = fails(
        capsys, "reconstruct", str(video), "--out", str(tmp_path / "out"), "--model", "nosuch"
    )
    assert code == 3
    assert "[unknown-model]" in line


def test_missing_background_weights(
    tmp_path: Path,
    video: Path,
    tiny_model: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    arguments = ("reconstruct", str(video), "--out", str(tmp_path), "--model", str(tiny_model))
    code, line = fails(capsys, *arguments, "--session", "u2net")
    assert code == 3
    assert "tyre3d models fetch u2net" in line


def test_text_is_refused_before_anything_runs(
    tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "v.mp4").write_text("text\n" * 1000)
    out = tmp_path / "out"
    arguments = ("reconstruct", str(tmp_path / "v.mp4"), "--out", str(out), "--session", "x")
    code, line = fails(capsys, *arguments, "--model", str(tiny_model))
    assert code == 2
    assert "[video-unreadable]" in line
    assert list(out.iterdir()) == []


def test_bad_settings(
    tmp_path: Path,
    video: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TYRE3D_S3_ATTEMPTS", "lots")
    code, line = fails(capsys, "reconstruct", str(video), "--out", str(tmp_path))
    assert code == 2
    assert "[bad-setting] start: TYRE3D_S3_ATTEMPTS: " in line


def test_models_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in ("tyre-mini", "triposr", "u2netp", "birefnet-general"))


def test_models_fetch_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    code, line = fails(capsys, "models", "fetch", "nosuch")
    assert code == 3
    assert "[unknown-model]" in line


def test_a_crash_is_one_line_unless_verbose(
    tmp_path: Path,
    video: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def boom(*_: object) -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr("tasks.storage.inputs.check_input", boom)
    code, line = fails(capsys, "reconstruct", str(video), "--out", str(tmp_path))
    assert code == 1
    assert "[internal] ZeroDivisionError" in line
    assert main(["reconstruct", str(video), "--out", str(tmp_path), "--verbose"]) == 1
    assert "Traceback" in capsys.readouterr().err


class _Waited:
    """Stands for the server."""

    def wait(self) -> None:
        pytest.fail("the film was not looked at with the bounds that were set")


def test_a_film_is_looked_at_with_the_bounds_that_were_set(tmp_path: Path, video: Path) -> None:
    request = ReconstructRequest.model_validate(
        {
            "input": video,
            "glb_path": tmp_path / "a.glb",
            "parameters": {"extract": {"max_source_px": 10}},
        }
    )
    with pytest.raises(InputError, match="frame-too-large"):
        _ready(request, Settings(), cast(LocalServer, _Waited()))


@pytest.mark.parametrize(("number", "code"), [(errno.EROFS, 5), (errno.ENOSPC, 5), (errno.EIO, 1)])
def test_a_disk_that_takes_nothing_is_no_fault_of_ours(
    tmp_path: Path,
    video: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    code: int,
) -> None:
    """Wherever it is met: folders of Prefect's, too, lie on disks that may not be written."""

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number), "/read/only")

    monkeypatch.setattr("tasks.storage.inputs.check_input", refuse)
    ended, line = fails(capsys, "reconstruct", str(video), "--out", str(tmp_path))
    assert ended == code, line
    assert ("fault of Tyre3D" in line) == (code == 1)
    assert "/read/only" in line


@pytest.mark.slow
def test_the_whole_command_in_another_process(tmp_path: Path, tiny_model: Path) -> None:
    """A real local server, a real failure inside the flow: one line, exit code, no leftovers.

    Our sentence stands once, and alone: what Prefect logs of the run is for its UI.
    """
    write_video(tmp_path / "v.mp4", 2)
    environment = {
        **os.environ,
        "TYRE3D_HOME": str(tmp_path / "home"),
        "PREFECT_HOME": str(tmp_path / "prefect"),
    }
    command = [sys.executable, "-m", "flows.cli", "reconstruct", str(tmp_path / "v.mp4")]
    command += ["--out", str(tmp_path / "out"), "--model", str(tiny_model), "--session", "x"]
    answer = subprocess.run(
        command,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert answer.returncode == 2, answer.stderr
    model, progress, failed = answer.stderr.splitlines()
    assert model.startswith("model ")
    assert progress.endswith(" s  extract")
    assert failed.startswith("tyre3d: [too-few-frames] extract:")
    assert answer.stdout == ""
    assert list((tmp_path / "out").iterdir()) == []
