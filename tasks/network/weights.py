"""Find and check weights."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from configs.locations import own_path
from configs.presets import BUNDLED_MODEL, FEATURES
from configs.registry import BUNDLED, MODELS, ModelEntry
from tasks.core.digests import sha256_of
from tasks.core.errors import ModelError
from tasks.storage.partial_files import part_of
from tsr.hub import CONFIG_NAME

_STAGE = "models"
_WEIGHT_NAMES = ("model.safetensors", "model.ckpt")
_SUMS = "SHA256SUMS"
FUSER = "fuser.safetensors"
"""The network that fuses this model's fields; a model without one is fused by hand-set weights."""


@dataclass(frozen=True)
class WeightsFile:
    """A file of weights with its sha256."""

    path: Path
    digest: str


@dataclass(frozen=True)
class BackgroundWeights:
    """The weights of a background session, looked for only when a frame needs them.

    Args:
        session: Its name.
        models_dir: Folder of the fetched weights.
    """

    session: str
    models_dir: Path

    @property
    def digest(self) -> str:
        """The digest that is stated for them; empty where the registry does not list them."""
        entry = MODELS.get(self.session)
        if entry is None or entry.kind != "background":
            return ""
        return stated_digest(entry)

    def path(self) -> Path | None:
        """The checked file; None for sessions that the registry does not list.

        Raises:
            ModelError: If it is not here or its digest is wrong.
        """
        return background_weights(self.session, self.models_dir)


@dataclass(frozen=True)
class ChosenModel:
    """The reconstruction model of a run.

    Args:
        name: Registered name, or the folder's.
        folder: Holds the configuration and the weights.
        weight_name: File of the weights.
        digest: sha256 over configuration and weights.
        reason: Why this one.
        fuser: The weights of its fusing network; None if it has none.
    """

    name: str
    folder: Path
    weight_name: str
    digest: str
    reason: str
    fuser: WeightsFile | None = None


def choose_model(requested: str | None, models_dir: Path) -> ChosenModel:
    """The requested model, or the best one whose weights are here.

    Args:
        requested: A registered name, a folder, or None.
        models_dir: Folder of fetched weights, and of the cached digests of large files.

    Raises:
        ModelError: If it is unknown, missing, or its digest is wrong.
    """
    if requested is None:
        folder = find_folder(MODELS["triposr"], models_dir)
        if folder is not None:
            return _checked("triposr", folder, models_dir, "its weights are here")
        mini = find_folder(MODELS[BUNDLED_MODEL], models_dir)
        if mini is not None:
            reason = "bundled; the weights of triposr are not here"
            return _checked(BUNDLED_MODEL, mini, models_dir, reason)
        raise _missing(BUNDLED_MODEL)
    entry = MODELS.get(requested)
    if entry is not None and entry.kind == "reconstruction":
        folder = find_folder(entry, models_dir)
        if folder is None:
            raise _missing(requested)
        return _checked(requested, folder, models_dir, "requested")
    path = own_path(requested)
    if path.is_dir():
        return _checked(path.name, path, models_dir, "requested")
    known = ", ".join(e.name for e in MODELS.values() if e.kind == "reconstruction")
    raise ModelError(
        "unknown-model",
        stage=_STAGE,
        what=f"{requested!r} is neither a known model ({known}) nor a folder",
        advice=f"Give one of these names, or a folder with {CONFIG_NAME} and {_WEIGHT_NAMES[0]}",
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
        if all((folder / name).is_file() for name in (CONFIG_NAME, entry.weights.file)):
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
    """The file of a background session; None for sessions that the registry does not list.

    Raises:
        ModelError: If it is not here or its digest is wrong.
    """
    entry = MODELS.get(name)
    if entry is None or entry.kind != "background":
        return None
    path = find_background(entry, models_dir)
    if path is None:
        raise _missing(name)
    _check(path, entry.weights.algorithm, stated_digest(entry), name)
    return path


def stated_digest(entry: ModelEntry) -> str:
    """The digest of an entry's weights, from the registry or the ``SHA256SUMS`` beside them."""
    return _expected(entry, BUNDLED / entry.name, entry.weights.file)


def find_background(entry: ModelEntry, models_dir: Path) -> Path | None:
    """The file of a background session: bundled, ours, or one that rembg fetched before."""
    name, file = entry.name, entry.weights.file
    if not entry.weights.fetched:
        bundled = BUNDLED / name / file
        return bundled if bundled.is_file() else None
    homes = [Path(h).expanduser() for h in (os.environ.get("U2NET_HOME"), "~/.u2net") if h]
    paths = [models_dir / "u2net" / file, *(home / file for home in homes)]
    paths += [Path.home() / ".rembg" / "models" / name / file]
    return next((p for p in paths if p.is_file()), None)


def feature_weights(models_dir: Path) -> WeightsFile | None:
    """The checked weights of the learned image features; None if they were not fetched.

    Raises:
        ModelError: If their digest is wrong.
    """
    entry = MODELS[FEATURES]
    path = find_features(entry, models_dir)
    if path is None:
        return None
    _check(path, entry.weights.algorithm, entry.weights.digest, entry.name)
    return WeightsFile(path, entry.weights.digest)


def find_features(entry: ModelEntry, models_dir: Path) -> Path | None:
    """The fetched file of image features, None if it is not here."""
    path = models_dir / entry.name / entry.weights.file
    return path if path.is_file() else None


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
    if not names or not (folder / CONFIG_NAME).is_file():
        raise ModelError(
            "model-missing",
            stage=_STAGE,
            what=f"{folder} holds no model",
            advice=f"It must hold {CONFIG_NAME} and {' or '.join(_WEIGHT_NAMES)}",
        )
    weights = folder / names[0]
    digest = remembered_sha256(weights, models_dir / "digests.json")
    expected = _expected(entry, folder, weights.name)
    if expected and digest != expected:
        raise wrong_digest(weights, name)
    both = hashlib.sha256(f"{sha256_of(folder / CONFIG_NAME)} {digest}".encode()).hexdigest()
    return ChosenModel(name, folder, weights.name, both, reason, _fuser_of(name, folder))


def _fuser_of(name: str, folder: Path) -> WeightsFile | None:
    path = folder / FUSER
    stated = _expected(None, folder, FUSER)
    digest = sha256_of(path) if path.is_file() else ""
    if stated and digest != stated:
        raise wrong_digest(path, name)
    return WeightsFile(path, digest) if digest else None


def _expected(entry: ModelEntry | None, folder: Path, file: str) -> str:
    """The digest that a weights file must have; empty where nobody states one."""
    if entry is not None and entry.weights.digest and entry.weights.file == file:
        return entry.weights.digest
    sums = folder / _SUMS
    if sums.is_file():
        for line in sums.read_text(encoding="utf-8-sig").splitlines():
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
    except (OSError, ValueError, TypeError, RecursionError):
        known = {}
    if name in known:
        return str(known[name])
    digest = sha256_of(path)
    try:
        with part_of(memory) as part:
            part.write_text(json.dumps({**known, name: digest}))
            part.replace(memory)
    except OSError:
        return digest
    return digest
