"""Bytes changed at random in films, pictures, models and manifests: none may do more than fail."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.corpus import films, folders, models, stores
from tests.corpus.case import outcome
from tests.corpus.seeds import CONTAINERS, film, picture

Mutate = Callable[[bytes], bytes]


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """The content with one to eight changes: bits, bytes, runs, cuts, copies."""
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 9))):
        if not data:
            break
        at = int(rng.integers(len(data)))
        length = int(min(len(data) - at, rng.geometric(0.05)))
        kind = int(rng.integers(7))
        noise = rng.integers(0, 256, length, np.uint8).tobytes()
        if kind == 0:
            data[at] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            data[at : at + length] = noise
        elif kind == 2:
            data[at : at + length] = bytes(length)
        elif kind == 3:
            data[at : at + length] = b"\xff" * length
        elif kind == 4:
            del data[at : at + length]
        elif kind == 5:
            data[at:at] = data[at : at + length]
        else:
            del data[at:]
    return bytes(data)


def _film(suffix: str) -> Callable[[Mutate, Path], object]:
    return lambda change, folder: films._written(f"film.{suffix}", change(film(suffix)), folder)


def _pictures(suffix: str) -> Callable[[Mutate, Path], object]:
    def run(change: Mutate, folder: Path) -> object:
        files = {f"{n}{suffix}": change(picture(suffix, n)) for n in range(4)}
        return folders.extract(folders._filled(files, folder), folder)

    return run


def _config(change: Mutate, folder: Path) -> object:
    def changed(model: Path) -> object:
        path = model / "config.yaml"
        return path.write_bytes(change(path.read_bytes()))

    return models._loaded(changed, folder)


TARGETS: dict[str, Callable[[Mutate, Path], object]] = {
    **{suffix: _film(suffix) for suffix in CONTAINERS},
    "png": _pictures(".png"),
    "jpg": _pictures(".jpg"),
    "configuration": _config,
    "weights": lambda change, folder: models._loaded(models._weights(change), folder),
    "manifest": lambda change, folder: stores._healed(stores._manifest(change), folder),
    "artifact": lambda change, folder: stores._healed(
        stores._file(lambda path: path.write_bytes(change(path.read_bytes()))), folder
    ),
}
"""By name: what is done with a seed whose bytes are changed, in an empty folder."""


def tried(target: str, seed: int, folder: Path) -> str:
    """What came of one mutation."""
    rng = np.random.default_rng([seed, list(TARGETS).index(target)])
    return outcome(lambda place: TARGETS[target](lambda c: mutated(c, rng), place), folder)
