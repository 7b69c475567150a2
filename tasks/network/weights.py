"""Find, check and load weights."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from configs.registry import BUNDLED, MODELS, ModelEntry
from tasks.core.errors import ModelError, ResourceError
from tasks.storage.artifacts import sha256_of

if TYPE_CHECKING:
    from tsr.system import TSR

_STAGE = "models"
_CONFIG = "config.yaml"
_WEIGHT_NAMES = ("model.safetensors", "model.ckpt")
_SUMS = "SHA256SUMS"
FUSER = "fuser.safetensors"
"""The network that fuses this model's fields; a model without one is fused by hand-set weights."""


@dataclass(frozen=True)
class ChosenModel:
    """The reconstruction model of a run.

    Args:
        name: Registered name, or the folder's.
        folder: Holds the configuration and the weights.
        weight_name: File of the weights.
        digest: sha256 over configuration and weights.
        reason: Why this one.
        fuser_digest: sha256 of its fusing network, empty if it has none.
    """

    name: str
    folder: Path
    weight_name: str
    digest: str
    reason: str
    fuser_digest: str = ""

    @property
    def merge_digest(self) -> str:
        """Digest of all weights that the merge depends on."""
        return f"{self.digest}+{self.fuser_digest}" if self.fuser_digest else self.digest


def choose_model(asked: str | None, models_dir: Path) -> ChosenModel:
    """The model that a user asked for, or the best whose weights are here.

    Args:
        asked: A registered name, a folder, or None.
        models_dir: Folder of fetched weights; the digests of large files are remembered there.

    Raises:
        ModelError: If it is unknown, missing, or its digest is wrong.
    """
    if asked is None:
        folder = find_folder(MODELS["triposr"], models_dir)
        if folder is not None:
            return _checked("triposr", folder, models_dir, "its weights are here")
        mini = find_folder(MODELS["tyre-mini"], models_dir)
        if mini is not None:
            reason = "bundled; the weights of triposr are not here"
            return _checked("tyre-mini", mini, models_dir, reason)
        raise _missing("tyre-mini")
    entry = MODELS.get(asked)
    if entry is not None and entry.kind == "reconstruction":
        folder = find_folder(entry, models_dir)
        if folder is None:
            raise _missing(asked)
        return _checked(asked, folder, models_dir, "asked for")
    path = Path(asked).expanduser()
    if path.is_dir():
        return _checked(path.name, path, models_dir, "asked for")
    known = ", ".join(e.name for e in MODELS.values() if e.kind == "reconstruction")
    raise ModelError(
        "unknown-model",
        stage=_STAGE,
        what=f"{asked!r} is neither a known model ({known}) nor a folder",
        advice=f"Give one of these names, or a folder with {_CONFIG} and {_WEIGHT_NAMES[0]}",
    )


def _missing(name: str) -> ModelError:
    return ModelError(
        "model-missing",
        stage=_STAGE,
        what=f"the weights of {name} are not here",
        advice=f"Run: tyre3d models fetch {name}",
    )


def find_folder(entry: ModelEntry, models_dir: Path) -> Path | None:
    """The folder that holds a registered reconstruction model, None if it is not here."""
    folders = [models_dir / entry.name, BUNDLED / entry.name]
    cached = _hub_folder(entry)
    if cached is not None:
        folders.append(cached)
    for folder in folders:
        if all((folder / name).is_file() for name in (_CONFIG, entry.weights.file)):
            return folder
    return None


def _hub_folder(entry: ModelEntry) -> Path | None:
    """Where the hub's own cache keeps a model, without importing its client."""
    if entry.hub is None:
        return None
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface").expanduser()
    cache = Path(os.environ.get("HF_HUB_CACHE") or home / "hub").expanduser()
    repository = f"models--{entry.hub.hub_id.replace('/', '--')}"
    return cache / repository / "snapshots" / entry.hub.revision


def background_weights(name: str, models_dir: Path) -> Path | None:
    """The ONNX file of a background session; None for sessions that the registry does not list.

    Raises:
        ModelError: If it is not here or its digest is wrong.
    """
    entry = MODELS.get(name)
    if entry is None or entry.kind != "background":
        return None
    path = find_background(entry, models_dir)
    if path is None:
        raise _missing(name)
    _check(path, entry.weights.algorithm, entry.weights.digest, name)
    return path


def background_digest(name: str) -> str:
    """The digest that the registry states for a background session; empty where it states none."""
    entry = MODELS.get(name)
    return entry.weights.digest if entry is not None and entry.kind == "background" else ""


def find_background(entry: ModelEntry, models_dir: Path) -> Path | None:
    """The file of a background session: ours, or one that rembg fetched before."""
    name, file = entry.name, entry.weights.file
    homes = [Path(h).expanduser() for h in (os.environ.get("U2NET_HOME"), "~/.u2net") if h]
    paths = [models_dir / "u2net" / file, *(home / file for home in homes)]
    paths += [Path.home() / ".rembg" / "models" / name / file]
    return next((p for p in paths if p.is_file()), None)


def _check(path: Path, algorithm: str, digest: str, name: str) -> None:
    if algorithm == "md5":
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "md5").hexdigest()
    else:
        found = sha256_of(path)
    if found != digest:
        raise wrong_digest(path, name)


def wrong_digest(path: Path, name: str) -> ModelError:
    """The error for weights that are not what the registry says."""
    return ModelError(
        "weights-digest",
        stage=_STAGE,
        what=f"{path} is damaged or not the published file: its digest is wrong",
        advice=f"Delete it and run: tyre3d models fetch {name}",
    )


def _checked(name: str, folder: Path, models_dir: Path, reason: str) -> ChosenModel:
    entry = MODELS.get(name)
    names = [n for n in _WEIGHT_NAMES if (folder / n).is_file()]
    if not names or not (folder / _CONFIG).is_file():
        raise ModelError(
            "model-missing",
            stage=_STAGE,
            what=f"{folder} holds no model",
            advice=f"It must hold {_CONFIG} and {' or '.join(_WEIGHT_NAMES)}",
        )
    weights = folder / names[0]
    digest = remembered_sha256(weights, models_dir / "digests.json")
    expected = _expected(entry, folder, weights.name)
    if expected and digest != expected:
        raise wrong_digest(weights, name)
    both = hashlib.sha256(f"{sha256_of(folder / _CONFIG)} {digest}".encode()).hexdigest()
    fuser = folder / FUSER
    fuser_digest = sha256_of(fuser) if fuser.is_file() else ""
    stated = _expected(None, folder, FUSER)
    if stated and fuser_digest != stated:
        raise wrong_digest(fuser, name)
    return ChosenModel(name, folder, weights.name, both, reason, fuser_digest)


def _expected(entry: ModelEntry | None, folder: Path, file: str) -> str:
    """The digest that a weights file must have; empty where nobody states one."""
    if entry is not None and entry.weights.digest and entry.weights.file == file:
        return entry.weights.digest
    sums = folder / _SUMS
    if sums.is_file():
        for line in sums.read_text().splitlines():
            digest, _, name = line.partition(" ")
            if name.strip().removeprefix("*") == file:
                return digest
    return ""


def state_digest(weights: Path) -> None:
    """Write down the sha256 of a weights file in the ``SHA256SUMS`` beside it."""
    sums = weights.with_name(_SUMS)
    lines = sums.read_text().splitlines() if sums.is_file() else []
    others = [line for line in lines if line.split()[-1].removeprefix("*") != weights.name]
    sums.write_text("\n".join([*others, f"{sha256_of(weights)}  {weights.name}"]) + "\n")


def remembered_sha256(path: Path, memory: Path) -> str:
    """The sha256 of a large file, remembered under its size and time of change."""
    stat = path.stat()
    name = f"{path.absolute()}|{stat.st_size}|{stat.st_mtime_ns}|{stat.st_ino}"
    try:
        known = dict(json.loads(memory.read_text()))
    except (OSError, ValueError):
        known = {}
    if name in known:
        return str(known[name])
    digest = sha256_of(path)
    try:
        memory.parent.mkdir(parents=True, exist_ok=True)
        part = memory.with_name(f".{memory.name}.{os.getpid()}.part")
        part.write_text(json.dumps({**known, name: digest}))
        part.replace(memory)
    except OSError:
        return digest
    return digest


def pick_device(asked: str, override: str | None = None) -> str:
    """The device to compute on.

    Args:
        asked: ``auto``, ``cuda``, ``mps`` or ``cpu``.
        override: Of ``TRIPOSR_DEVICE``; counts where ``asked`` is ``auto``.

    Raises:
        ResourceError: If a device was asked for that is not there.
    """
    import torch

    wanted = override if asked == "auto" and override else asked
    there = {"cpu": True, "cuda": torch.cuda.is_available()}
    there["mps"] = torch.backends.mps.is_available()
    if wanted == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if there[name])
    if not there.get(wanted.split(":")[0], False):
        raise ResourceError(
            "device-missing",
            stage=_STAGE,
            what=f"there is no device {wanted!r} here",
            advice="Use --device auto (or unset TRIPOSR_DEVICE)",
        )
    return wanted


@functools.lru_cache(maxsize=2)
def load_model(folder: Path, weight_name: str, digest: str, device: str) -> TSR:
    """A model, loaded once per process for each digest and device.

    Args:
        folder: Holds configuration and weights.
        weight_name: File of the weights.
        digest: Of :class:`ChosenModel`; tells changed weights apart.
        device: From :func:`pick_device`.

    Raises:
        ModelError: If the files do not make a model.
    """
    from tsr.errors import TSRError
    from tsr.system import TSR

    try:
        model = TSR.from_pretrained(str(folder), config_name=_CONFIG, weight_name=weight_name)
    except TSRError as exc:
        raise ModelError(
            "model-unreadable",
            stage=_STAGE,
            what=f"{folder} cannot be loaded: {exc}",
            advice="Fetch or write the model again",
        ) from exc
    return model.to(device)


@contextlib.contextmanager
def enough_memory(stage: str, device: str) -> Iterator[None]:
    """Translate a lack of memory in the network, once, at this boundary.

    Raises:
        ResourceError: ``out-of-memory``.
    """
    from tsr.memory import is_shortage

    try:
        yield
    except Exception as exc:
        if not is_shortage(exc):
            raise
        raise ResourceError(
            "out-of-memory",
            stage=stage,
            what=f"the network does not fit into the memory of {device}",
            advice="Use --device cpu, a smaller --mc-resolution, or close other programs",
        ) from exc
