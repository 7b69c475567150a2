"""What a machine has left: its disks, and its GPUs where it has any.

Workers and the API tell it to Prefect's server as events: the figures of all machines are then in
one place, and an automation can tell a person of a disk that fills up.
"""

from __future__ import annotations

import logging
import shutil
import socket
import subprocess
import uuid
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from configs.settings import Settings

MACHINE = "tyre3d.machine"
DISK_LOW = "tyre3d.disk.low"
EVERY_S = 300.0
"""How often a machine tells of itself."""
_GPU = ("index", "name", "utilization.gpu", "memory.used", "memory.total")
_TIMEOUT_S = 20.0
_MIB = 2**20
_log = logging.getLogger("tyre3d.machine")


def locations_of(settings: Settings) -> dict[str, Path]:
    """The folders in which this machine writes artifacts and scratch files, by name."""
    locations = {"home": settings.home}
    if "://" not in settings.storage_root:
        locations["artifacts"] = Path(settings.storage_root)
    return locations


def disks(folders: Mapping[str, Path]) -> dict[str, dict[str, int]]:
    """``free`` and ``total`` bytes of the disks of some folders, by name.

    A folder that is not there, such as a share that is not mounted, is left out.
    """
    found = {}
    for name, folder in folders.items():
        try:
            usage = shutil.disk_usage(folder)
        except OSError:
            continue
        found[name] = {"free": usage.free, "total": usage.total}
    return found


def gpus() -> list[dict[str, Any]]:
    """Every GPU, by ``index`` and ``name``.

    As far as its driver tells them with ``used``, the share of the last moment in which it worked,
    and ``memory_used`` and ``memory``, bytes.

    Empty where there is none, or where NVIDIA's ``nvidia-smi`` does not answer.
    """
    command = ["nvidia-smi", f"--query-gpu={','.join(_GPU)}", "--format=csv,noheader,nounits"]
    try:
        output = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True
        ).stdout
    except (OSError, ValueError, subprocess.SubprocessError):
        return []
    rows = [[field.strip() for field in line.split(",")] for line in output.splitlines()]
    return [_gpu(*row) for row in rows if len(row) == len(_GPU)]


def _gpu(index: str, name: str, used: str, memory_used: str, memory: str) -> dict[str, Any]:
    known: dict[str, Any] = {"index": index, "name": name}
    figures = {"used": (used, 0.01), "memory_used": (memory_used, _MIB), "memory": (memory, _MIB)}
    for field, (text, unit) in figures.items():
        if text.isdecimal():  # a GPU that is shared out tells "[N/A]"
            known[field] = int(text) * unit
    return known


def events(folders: Mapping[str, Path], low_bytes: float, now: datetime) -> list[dict[str, Any]]:
    """What Prefect's server is told of this machine, as its API takes it.

    Args:
        folders: Folders whose disks are looked at, by name.
        low_bytes: A disk with less free is told of by an event of its own, at every look.
        now: The time on that server's clock: what it is told of another time, it overlooks.
    """
    machine, found = socket.gethostname(), disks(folders)
    about = {"machine": machine, "disks": found, "gpus": gpus()}
    records = [_event(MACHINE, machine, machine, about, now)]
    for name, disk in found.items():
        if disk["free"] < low_bytes:
            free = f"{disk['free'] / 1e9:.1f} of {disk['total'] / 1e9:.1f} GB are free"
            what = f"{machine}, {name} ({folders[name]}): {free}"
            _log.warning("a disk fills up: %s", what)
            records.append(_event(DISK_LOW, f"{machine}.{name}", what, disk, now))
    return records


def _event(
    name: str, of: str, words: str, payload: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    return {
        "id": str(uuid.uuid4()),
        "occurred": now.isoformat(),
        "event": name,
        "resource": {"prefect.resource.id": f"{name}.{of}", "prefect.resource.name": words},
        "payload": dict(payload),
    }
