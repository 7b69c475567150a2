"""Parameters of stages from file, environment and command line: checked, counted, shown."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from configs.parameters import all_names
from flows.cli.main import main


@pytest.fixture(autouse=True)
def _surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TYRE3D_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TYRE3D_S3_SECRET_KEY", "sesame")
    log = logging.getLogger("tyre3d")
    monkeypatch.setattr(log, "handlers", [])
    monkeypatch.setattr(log, "propagate", True)


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, tuple[object, str]]:
    assert main(["config", "show", "--json", *words]) == 0
    told = json.loads(capsys.readouterr().out)
    return {name: (entry["value"], entry["origin"]) for name, entry in told.items()}


def test_the_later_place_counts_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "merge.smoothing_rounds"
    assert shown(capsys)[name] == (3, "default")
    path = tmp_path / "home/config.toml"
    path.parent.mkdir()
    path.write_text("[merge]\nsmoothing_rounds = 4\ncolour_frames = 2\n")
    assert shown(capsys)[name] == (4, str(path))
    other = tmp_path / "other.toml"
    other.write_text("[merge]\nsmoothing_rounds = 5\n")
    monkeypatch.setenv("TYRE3D_CONFIG", str(other))
    told = shown(capsys)
    assert told[name] == (5, str(other))
    assert told["merge.colour_frames"] == (3, "default"), "one file counts, not two"
    assert shown(capsys, "--config", str(path))[name] == (4, str(path))
    monkeypatch.setenv("TYRE3D_MERGE__SMOOTHING_ROUNDS", "6")
    assert shown(capsys)[name] == (6, "TYRE3D_MERGE__SMOOTHING_ROUNDS")
    assert shown(capsys, "--set", f"{name}=7")[name] == (7, "--set")


def test_options_and_presets_are_named_and_secrets_are_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = shown(capsys, "--preset", "high", "--diameter-mm", "680", "--num-frames", "9")
    assert told["merge.mc_resolution"] == (512, "--preset high")
    assert told["select.num_frames"] == (9, "--num-frames")
    assert told["merge.diameter_mm"] == (680, "--diameter-mm")
    assert told["s3_secret_key"] == ("(set)", "TYRE3D_S3_SECRET_KEY")
    assert set(all_names()) < set(told)
    assert main(["config", "show"]) == 0
    assert "sesame" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("merge.smoothing=5", "the nearest is smoothing_rounds"),
        ("merg.smoothing_rounds=5", "the nearest is merge"),
        ("merge.smoothing_rounds=500", "less than or equal to 50"),
        ("merge.smoothing_rounds=many", "valid integer"),
        ("merge.overlap_power=NaN", "finite"),
        ("judge.silhouette_iou.review=1e999", "finite"),
        ("judge.silhouette_iou=0.5", "Limits"),
        ("merge.weighted.nothing=1", "no such parameter"),
        ("merge.mc_resolution=64", "set by the option --mc-resolution"),
        ("merge.smoothing_rounds", "give a stage, a field and a value"),
        ("smoothing_rounds=5", "give a stage, a field and a value"),
    ],
)
def test_what_cannot_be_set_is_told_before_anything_runs(
    words: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in (["config", "show"], ["reconstruct", str(tmp_path), "--out", str(tmp_path)]):
        assert main([*command, "--set", words]) == 2
        line = capsys.readouterr().err
        assert line.startswith("tyre3d: [bad-option] start: ")
        assert said in line
        assert line.endswith(". All parameters are listed by: tyre3d config show\n")
        assert line.count("\n") == 1


@pytest.mark.parametrize("text", ["[merge", "merge = 5", "[merge]\nsmoothing = 1", "\x00"])
def test_a_file_that_cannot_be_used_is_told(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "c.toml"
    path.write_text(text)
    assert main(["config", "show", "--config", str(path)]) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert "c.toml" in line or "merge.smoothing" in line
    assert main(["config", "show", "--config", str(tmp_path / "none.toml")]) == 2
    assert "none.toml" in capsys.readouterr().err


def test_a_variable_that_names_nothing_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TYRE3D_MERGE__SMOOTHING", "5")
    assert main(["config", "show"]) == 2
    line = capsys.readouterr().err
    assert "TYRE3D_MERGE__SMOOTHING: there is no such setting" in line
    assert "TYRE3D_MERGE__SMOOTHING_ROUNDS" in line


def test_an_address_of_no_known_kind_is_told_before_a_run_needs_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TYRE3D_STORAGE", "ftp://host/tyres")
    assert main(["config", "show"]) == 5
    line = capsys.readouterr().err
    assert line.startswith("tyre3d: [storage-address] storage: ftp://host/tyres cannot be used")
