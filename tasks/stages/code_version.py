"""Which source and which libraries a result depends on, read from the imports."""

from __future__ import annotations

import ast
import functools
import hashlib
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("tasks", "tsr")
"""Packages whose source counts; ``configs`` holds values alone, which are part of the key."""

INFRASTRUCTURE = (
    "tasks.core.isolated_call",
    "tasks.core.digests",
    "tasks.core.errors",
    "tasks.core.failures",
    "tasks.core.processes",
    "tasks.core.progress",
    "tasks.network.fetch",
    "tasks.stages.code_version",
    "tasks.stages.stage",
    "tasks.storage.artifacts",
    "tasks.storage.base",
    "tasks.storage.local",
    "tasks.storage.open",
    "tasks.storage.partial_files",
    "tasks.storage.prune",
    "tasks.storage.read_cache",
    "tasks.storage.results",
    "tasks.storage.s3",
    "tasks.storage.scratch",
    "tsr.errors",
    "tsr.hub",
)
"""Modules that move bytes, report progress or raise errors: no content comes from them.
All others count that a stage imports, at the top or in a function, itself or by way of others."""

EVERY_STAGE = ("tasks.core.repeatable",)
"""Modules that count for all: a stage begins with them."""

DISTRIBUTIONS = {
    "PIL": "pillow",
    "cv2": "opencv-python-headless",
    "skimage": "scikit-image",
    "yaml": "pyyaml",
}
"""Under which names libraries are installed that are imported by another."""


@functools.cache
def code_version(module: str, root: Path = ROOT) -> str:
    """The digest of a module's source and of all that it imports.

    Of this project the source counts, of libraries the version: another release of one may give
    other bytes.

    Args:
        module: Full name of the module.
        root: Folder that holds the packages.

    Returns:
        16 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for name, path in sorted(dependencies(module, root).items()):
        digest.update(f"{name}\0".encode() + path.read_bytes() + b"\0")
    for library, version in libraries(module, root).items():
        digest.update(f"{library}=={version}\0".encode())
    return digest.hexdigest()[:16]


def libraries(module: str, root: Path = ROOT) -> dict[str, str]:
    """The installed versions of the libraries that a module's results depend on.

    Args:
        module: Full name of the module.
        root: Folder that holds the packages.

    Returns:
        Versions by the libraries' import names, in order; ``absent`` for what is not installed.
    """
    imported = {
        name.partition(".")[0]
        for path in dependencies(module, root).values()
        for name in source_imports(path)
    }
    third_party = imported - {*PACKAGES, "configs"} - sys.stdlib_module_names
    return {name: _installed(name) for name in sorted(third_party)}


@functools.cache
def _installed(library: str) -> str:
    try:
        return metadata.version(DISTRIBUTIONS.get(library, library))
    except metadata.PackageNotFoundError:
        return "absent"


def dependencies(module: str, root: Path = ROOT) -> dict[str, Path]:
    """The source files that a module's results depend on, by the modules' names.

    Args:
        module: Full name of the module.
        root: Folder that holds the packages.

    Raises:
        ValueError: There is no such module.
    """
    path = _source(module, root)
    if path is None:
        raise ValueError(f"module {module} has no source below {root}")
    begun_with = {name: source for name in EVERY_STAGE if (source := _source(name, root))}
    found = {module: path, **begun_with}
    waiting = list(found)
    while waiting:
        for name in source_imports(found[waiting.pop()]):
            source = _source(name, root)
            if source is not None and name not in found and _counts(name):
                found[name] = source
                waiting.append(name)
    return found


def _counts(name: str) -> bool:
    ours = name.split(".")[0] in PACKAGES
    return ours and not any(name == i or name.startswith(f"{i}.") for i in INFRASTRUCTURE)


@functools.lru_cache(maxsize=8192)
def _source(name: str, root: Path) -> Path | None:
    base = root.joinpath(*name.split("."))
    candidates = (base.with_suffix(".py"), base / "__init__.py")
    return next((path for path in candidates if path.is_file()), None)


@functools.lru_cache(maxsize=512)
def source_imports(path: Path) -> tuple[str, ...]:
    """Names that a file imports and that may be modules, except for type checking only."""
    return tuple(_imported(_parsed(path.read_bytes())))


def _parsed(source: bytes) -> ast.Module:
    """The syntax tree of a file, whatever other threads parse meanwhile.

    CPython 3.11 counts the depth of all threads' trees together and raises SystemError where the
    sums differ (python/cpython issue 106905); on its own the file is parsed.
    """
    for _ in range(_PARSINGS - 1):
        with suppress(SystemError):
            return ast.parse(source)
    return ast.parse(source)


def _imported(tree: ast.AST) -> Iterator[str]:
    """What statements import: looking through expressions as well takes ten times as long."""
    for block in _BLOCKS:
        for node in getattr(tree, block, ()):
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                continue
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module
                yield from (f"{node.module}.{alias.name}" for alias in node.names)
            else:
                yield from _imported(node)


_PARSINGS = 10
"""Times that a file is parsed at most."""

_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
"""Where statements hold statements."""
