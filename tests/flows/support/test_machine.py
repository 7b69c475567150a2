"""What a machine tells of itself: disks, GPUs where there are any, and disks that fill up."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from configs.settings import Settings
from flows.support.machine import DISK_LOW, MACHINE, disks, events, gpus, locations_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of programs, with nothing in it yet."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("echo '0, NVIDIA H200, 40, 1024, 143771'", [(0.4, 2**30, 143771 * 2**20)]),
        (
            "echo '0, A, 0, 1, 2'; echo '1, B, 100, 3, 4'",
            [(0, 2**20, 2**21), (1, 3 * 2**20, 2**22)],
        ),
        ("echo '0, NVIDIA A100 MIG, [N/A], [N/A], 40536'", [(None, None, 40536 * 2**20)]),
        ("echo 'No devices were found'; exit 6", []),
        ("echo 'NVIDIA-SMI has failed because it could not talk to the driver'", []),
        ("printf '\\377'", []),
        ("", []),
        (None, []),
    ],
)
def test_gpus_are_told_where_there_are_any(
    says: Path, script: str | None, expected: list[tuple[float | None, ...]]
) -> None:
    if script is not None:
        program = says / "nvidia-smi"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    fields = ("used", "memory_used", "memory")
    assert [tuple(gpu.get(field) for field in fields) for gpu in gpus()] == expected


def test_a_disk_that_fills_up_is_told_at_every_look(
    says: Path, caplog: pytest.LogCaptureFixture
) -> None:
    places = {"home": says, "a share that is not mounted": says / "gone"}
    (told,) = events(places, 0.0, NOW)
    assert told["event"] == MACHINE
    (home,) = (found := told["payload"]["disks"]).values()
    assert set(found) == {"home"}
    assert home["total"] == disks(places)["home"]["total"]
    assert 0 < home["free"] < home["total"]  # others write to that disk meanwhile
    assert told["occurred"] == "2026-01-01T00:00:00+00:00"
    assert not caplog.messages
    _, low = events(places, 1e20, NOW)
    assert low["event"] == DISK_LOW
    assert low["resource"]["prefect.resource.id"].endswith(".home")
    assert "GB are free" in low["resource"]["prefect.resource.name"]
    assert "a disk fills up" in caplog.text


def test_a_worker_looks_where_it_writes(tmp_path: Path) -> None:
    settings = Settings.model_validate({"home": tmp_path})
    assert locations_of(settings) == {"home": tmp_path, "artifacts": tmp_path / "artifacts"}
    settings = Settings.model_validate({"home": tmp_path, "storage": "s3://bucket/artifacts"})
    assert locations_of(settings) == {"home": tmp_path}
