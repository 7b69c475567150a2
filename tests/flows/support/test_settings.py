"""What is said of variables that look like settings."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from configs.settings import Settings, variables_of
from deployments.api.settings import ApiSettings
from flows.cli.commands import prepare
from flows.support.doctor import check_variables
from flows.support.settings import unknown_variables


def test_a_variable_that_is_no_setting_is_told_with_the_one_that_may_be_meant() -> None:
    environment = {
        "TYRE3D_HOME": "/srv",
        "TYRE3D_DEVICE": "cuda",
        "TYRE3D_STORAGEE": "s3://bucket",
        "TYRE3D_COLOUR": "red",
        "TYRE3D_MERGE__SMOOTHING_ROUNDS": "5",
        "TYRE3D_API_TOKENN": "x",
        "TYRE3D_TEST_SEED": "1",
        "PATH": "",
    }
    assert unknown_variables(environment) == [
        "TYRE3D_COLOUR is no setting and does nothing; docs/settings.md lists all",
        "TYRE3D_DEVICE is no setting and does nothing; is TRIPOSR_DEVICE meant?",
        "TYRE3D_STORAGEE is no setting and does nothing; is TYRE3D_STORAGE meant?",
    ]
    of_service = set(unknown_variables(environment, ApiSettings)) - set(
        unknown_variables(environment)
    )
    assert of_service == {
        "TYRE3D_API_TOKENN is no setting and does nothing; is TYRE3D_API_TOKEN meant?"
    }


def test_every_setting_is_known() -> None:
    everything = [*variables_of(Settings).values(), *variables_of(ApiSettings).values()]
    assert "TRIPOSR_DEVICE" in everything
    assert unknown_variables(dict.fromkeys(everything, "1"), ApiSettings) == []


@pytest.fixture
def logs() -> Iterator[None]:
    """Leaves the package's log as it was."""
    log = logging.getLogger("tyre3d")
    before = log.handlers[:], log.propagate, log.level
    yield
    log.handlers[:], log.propagate = before[:2]
    log.setLevel(before[2])


@pytest.mark.usefixtures("logs")
def test_commands_and_doctor_tell_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    monkeypatch.setenv("TYRE3D_DEVICE", "cuda")
    prepare(Settings(), verbose=False)
    assert "TYRE3D_DEVICE is no setting" in capsys.readouterr().err
    (check,) = check_variables({"TYRE3D_DEVICE": "cuda"})
    assert (check.level, check.advice) == ("warning", "Is TRIPOSR_DEVICE meant?")
    (check,) = check_variables({})
    assert check.level == "ok"
