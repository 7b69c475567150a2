"""What a case is, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from configs.settings import Settings
from configs.stages import ExtractConfig
from deployments.api.errors import ApiError
from tasks.core.errors import Tyre3dError
from tasks.stages.extract_frames import EXTRACT, Source
from tasks.storage.artifacts import Artifact, ArtifactStore, open_store
from tasks.storage.inputs import local_input

MADE = "made"
"""What is expected of what is sound, or is healed."""
REFUSED = "refused"
"""What is expected where a request or a setting is not valid."""


@dataclass(frozen=True)
class Case:
    """Something that is not as it should be.

    Args:
        kind: What it is a fault of.
        name: What is wrong.
        expected: ``made``, ``refused`` or error codes, of which one must come.
        run: Does it in an empty folder of its own.
        slow: Whether the default tests leave it out.
    """

    kind: str
    name: str
    expected: tuple[str, ...]
    run: Callable[[Path], Any]
    slow: bool = False

    def __str__(self) -> str:
        return f"{self.kind}-{self.name}".replace(" ", "-")


def outcome(run: Callable[[Path], Any], folder: Path) -> str:
    """What came of it: ``made``, ``refused``, a code, or ``fault`` with what nobody foresaw."""
    try:
        run(folder)
    except (Tyre3dError, ApiError) as exc:
        return exc.code
    except ValidationError:
        return REFUSED
    except Exception as exc:  # noqa: BLE001  whatever it is, it is the finding
        return f"fault: {type(exc).__name__}: {exc}"
    return MADE


def store_in(folder: Path) -> ArtifactStore:
    """An empty store on the disk."""
    return open_store(Settings.model_validate({"home": folder / "home"}))


def extract(source: Path, folder: Path) -> Artifact:
    """The first stage, as a run begins."""
    settings = Settings.model_validate({"home": folder / "home"})
    store = open_store(settings)
    with local_input(source, settings) as path:
        found, config = Source.of(path), ExtractConfig()
        key = EXTRACT.key(config, source=found)
        made = EXTRACT.make(store, key, "cpu", config, {"source": found})
    return store.open(made)


def left_behind(folder: Path) -> Iterator[Path]:
    """Files that a run left where it worked."""
    yield from (p for p in (folder / "home" / "scratch").rglob("*") if p.is_file())
