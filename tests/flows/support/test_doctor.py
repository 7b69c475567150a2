"""What an installation lacks is found, and the advice leads out of it."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from configs.registry import MODELS
from configs.settings import Settings
from flows.cli import main as command_line
from flows.support import doctor, own_server
from flows.support.doctor import Check
from tasks.core.errors import ResourceError, StorageError


def levels(checks: Iterator[Check]) -> dict[str, str]:
    return {check.name: check.level for check in checks}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.model_validate({"home": tmp_path / "home"})


def test_every_look_is_taken_whatever_the_others_meet(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Settings) -> Iterator[Check]:
        raise StorageError("disk-full", stage="storage", what="no space", advice="Free some")
        yield

    def broken(_: Settings) -> Iterator[Check]:
        raise ZeroDivisionError
        yield

    def server() -> Iterator[Check]:
        yield Check("server", "ok", "http://there/api")
        raise ResourceError("server-away", stage="start", what="it is away", advice="Start it")

    monkeypatch.setattr(doctor, "check_storage", full)
    monkeypatch.setattr(doctor, "check_device", broken)
    checks = {check.name: check for check in doctor.examine(settings, server)}
    assert checks["storage"] == Check("storage", "problem", "[disk-full] no space", "Free some")
    assert checks["device"].level == "problem"
    assert checks["server"] == Check("server", "problem", "[server-away] it is away", "Start it")
    assert checks["python"].level == "ok"


def test_missing_weights_are_a_problem_and_the_advice_fetches_them(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("U2NET_HOME", "HF_HOME"):
        monkeypatch.setenv(name, str(settings.home / "nothing"))
    monkeypatch.setattr(doctor, "DEFAULT_SESSION", "u2netp")  # which is not bundled
    found = {c.name: c for c in doctor.examine(settings, lambda: iter(()))}
    assert found["model"].level == "ok"  # the bundled one
    assert found["weights"].level == "problem"
    assert found["weights"].found.startswith("[model-missing]")
    name = found["weights"].advice.rpartition(" ")[2]
    assert name in MODELS


def test_a_storage_is_written_read_and_left_as_it_was(settings: Settings, tmp_path: Path) -> None:
    assert set(levels(doctor.check_storage(settings)).values()) == {"ok"}
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_a_storage_that_forgets_is_a_problem(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgetful = SimpleNamespace(write=lambda _: None, get=lambda _: b"", delete=lambda _: None)
    monkeypatch.setattr("tasks.storage.open.open_storage", lambda *_: forgetful)
    assert set(levels(doctor.check_storage(settings)).values()) == {"problem"}


@pytest.mark.parametrize(
    ("free", "level"), [(1e9, "problem"), (5e9, "warning"), (50e9, "ok")], ids=str
)
def test_space_on_disks(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, free: float, level: str
) -> None:
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    assert {check.level for check in doctor.check_disks(settings)} == {level}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, ["ok"]),
        ({"HTTPS_PROXY": "http://proxy:3128"}, ["ok"]),
        ({"HTTPS_PROXY": "proxy:3128"}, ["problem"]),
        (
            {"http_proxy": "http://p:1", "PREFECT_API_URL": "http://near:4200/api"},
            ["ok", "warning"],
        ),
        (
            {
                "http_proxy": "http://p:1",
                "PREFECT_API_URL": "http://a.near:4200/api",
                "no_proxy": "x,.near",
            },
            ["ok"],
        ),
    ],
)
def test_proxies(
    environment: dict[str, str], expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_listens", lambda _: True)
    assert [check.level for check in doctor.check_proxies(environment)] == expected


def test_a_proxy_that_is_dead_is_told_without_its_password() -> None:
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        port = proxy.getsockname()[1]
        assert doctor._listens(f"http://127.0.0.1:{port}")
    (check,) = doctor.check_proxies({"ALL_PROXY": f"http://me:secret@127.0.0.1:{port}"})
    assert check.level == "warning"
    assert check.found == f"ALL_PROXY: nothing answers at http://127.0.0.1:{port}"


def test_packages_that_differ_from_the_lock_are_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = ["torch==2.0", 'pytest==1; extra == "dev"', "numpy", "gone==3"]
    monkeypatch.setattr(doctor, "requires", lambda _: wanted)
    monkeypatch.setattr(doctor, "_version", lambda name: None if name == "gone" else "2.0+cpu")
    assert levels(doctor.check_versions())["packages"] == "problem"
    monkeypatch.setattr(doctor, "requires", lambda _: wanted[:3])
    assert levels(doctor.check_versions())["packages"] == "ok"


def test_pools_without_workers() -> None:
    assert doctor._of_workers("cpu", []).level == "problem"
    assert doctor._of_workers("gpu", []).level == "warning"
    assert doctor._of_workers("cpu", [object()]).level == "ok"


@pytest.mark.parametrize("level", ["ok", "warning", "problem"])
def test_the_exit_code_and_the_words_for_programs(
    level: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TYRE3D_HOME", str(tmp_path))
    found = [Check("disk", level, "9 GB are free", "Free some")]
    monkeypatch.setattr(doctor, "examine", lambda *_: found)
    code = 1 if level == "problem" else 0
    assert command_line.main(["doctor", "--json"]) == code
    told = json.loads(capsys.readouterr().out)
    assert told["healthy"] is (code == 0)
    assert told["checks"] == [found[0].to_dict()]
    assert command_line.main(["doctor"]) == code
    assert "-> Free some" in capsys.readouterr().out


def test_a_server_of_ours_that_ended_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its address stays behind, and nobody set the variable that they were told to unset."""
    for name in ("PREFECT_API_URL", "PREFECT_API_AUTH_STRING", "PREFECT_PROFILES_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with own_server.server_lock("http://127.0.0.1:9/api"):
        pass
    (check,) = doctor.check_server()
    assert (check.level, check.name) == ("warning", "server")
    assert "commands start one of their own" in check.found
    assert "PREFECT_API_URL" not in os.environ
