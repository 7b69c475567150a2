"""Every setting is an option, and what a flow passes on is what it was given."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from configs.options import options_of
from configs.training import FuseConfig, LoopConfig, TrainConfig
from tasks.core.errors import InputError
from tasks.training import command
from tasks.training.command import train_from_command
from tasks.training.fusion import __main__ as fusion
from tasks.training.loop import Trainer
from tasks.training.reconstruction import __main__ as reconstruction


class Parsed(Exception):
    """Ends the command before it trains."""

    def __init__(self, config: LoopConfig, options: argparse.Namespace) -> None:
        super().__init__()
        self.config, self.options = config, options


def stop(config: LoopConfig, options: argparse.Namespace) -> Trainer:
    raise Parsed(config, options)


def parsed(
    main: object, monkeypatch: pytest.MonkeyPatch, *words: str
) -> tuple[LoopConfig, argparse.Namespace]:
    """What a command makes of its arguments."""

    def parse_only(parser: argparse.ArgumentParser, kind: type[LoopConfig], build: object) -> None:
        train_from_command(parser, kind, stop)

    monkeypatch.setattr(sys, "argv", ["train", *words])
    for module in (fusion, reconstruction):
        monkeypatch.setattr(module, "train_from_command", parse_only)
    monkeypatch.setattr(command.torch, "set_num_threads", lambda count: None)
    with pytest.raises(Parsed) as caught:
        main()  # type: ignore[operator]
    return caught.value.config, caught.value.options


def test_the_documented_command_lines_work(monkeypatch: pytest.MonkeyPatch) -> None:
    words = "--data d --run r --minutes 19.82 --device cuda --compiled true --batch 256"
    words += " --learning-rate 1.5e-3 --decay-share 0.5 --average 0.999 --validate-s 60"
    words += " --checkpoint-s 150"
    config, options = parsed(reconstruction.main, monkeypatch, *words.split())
    assert config == TrainConfig(
        minutes=19.82,
        device="cuda",
        compiled=True,
        batch=256,
        learning_rate=1.5e-3,
        decay_share=0.5,
        average=0.999,
        validate_s=60,
        checkpoint_s=150,
    )
    assert (options.data, options.run, options.start_from) == (Path("d"), Path("r"), None)
    assert options.model.is_file()
    words = (
        "d --run r --minutes 9.7 --device cuda --batch 4 --angles 128 --average 0.999 --save-s 20"
    )
    config, options = parsed(fusion.main, monkeypatch, *words.split())
    assert config == FuseConfig(
        minutes=9.7, device="cuda", batch=4, angles=128, average=0.999, checkpoint_s=20
    )
    assert (options.data, options.run) == (Path("d"), Path("r"))


@pytest.mark.parametrize(
    "config",
    [TrainConfig(), TrainConfig(steps=7, compiled=True, seed=3, batch=4), FuseConfig(minutes=0.5)],
)
def test_options_of_a_configuration_give_it_back(
    config: TrainConfig | FuseConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = ["d"] if isinstance(config, FuseConfig) else ["--data", "d"]
    main = fusion.main if isinstance(config, FuseConfig) else reconstruction.main
    found, _ = parsed(main, monkeypatch, *own, "--run", "r", *options_of(config))
    assert found == config


def test_a_setting_out_of_bounds_is_refused_by_its_option(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["train", "d", "--run", "r", "--steps", "0"])
    with pytest.raises(SystemExit) as caught:
        fusion.main()
    assert caught.value.code == InputError.exit_code
    assert "--steps: Input should be greater than or equal to 1" in capsys.readouterr().err
    with pytest.raises(ValidationError):
        FuseConfig(steps=0)


def test_data_that_cannot_be_used_end_the_command_with_their_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["train", str(tmp_path), "--run", str(tmp_path / "run")])
    with pytest.raises(SystemExit) as caught:
        fusion.main()
    assert caught.value.code == InputError.exit_code
    assert "[training-no-data]" in capsys.readouterr().err
