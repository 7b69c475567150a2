"""The command ``tyre3d config``: what counts, and where each value comes from."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from configs.parameters import (
    CONFIGS,
    OPTIONS,
    Setting,
    from_environment,
    from_file,
    from_text,
    gathered,
    names,
)
from configs.request import MeshOptions, ReconstructOptions
from configs.settings import Settings, variables_of
from flows.cli.output import table
from flows.support.settings import ALL_PARAMETERS, load_settings, validated
from tasks.core.errors import InputError
from tasks.storage.open import scheme_of

FILE = "config.toml"
"""In the installation's folder: parameters of stages for all runs."""


def stage_settings(options: argparse.Namespace, settings: Settings) -> list[Setting]:
    """What is set of the stages' parameters; the later ones count before the earlier ones.

    Args:
        options: The command line, with ``config`` and ``set``.
        settings: Settings of this installation.

    Raises:
        InputError: ``bad-setting`` or ``bad-option``: something there cannot be used.
    """
    path = options.config or settings.config or settings.home / FILE
    found: list[Setting] = []
    try:
        if options.config or settings.config or path.is_file():
            found += from_file(path)
        found += from_environment(os.environ)
    except (OSError, ValueError) as exc:
        raise InputError(
            "bad-setting",
            stage="start",
            what=str(exc),
            advice="Mend it; all settings are listed by: tyre3d config show",
        ) from exc
    try:
        return found + [from_text(text) for text in options.set]
    except ValueError as exc:
        raise InputError(
            "bad-option",
            stage="start",
            what=f"--set {exc}",
            advice=ALL_PARAMETERS,
        ) from exc


def mesh_options(options: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    """How a mesh is to be made, for a request: options, file, environment and ``--set``."""
    own = {name: getattr(options, name) for name in ReconstructOptions.model_fields}
    return {**own, "parameters": gathered(stage_settings(options, settings))}


def config(options: argparse.Namespace) -> int:
    """``tyre3d config show``."""
    settings = load_settings()
    scheme_of(settings.storage_root)  # what is shown is what a run could use
    found = stage_settings(options, settings)
    request = validated(MeshOptions, "config show", mesh_options(options, settings))
    rows = [*_of_installation(settings), *_of_stages(request, found, options)]
    if options.json:
        payload = {name: {"value": value, "origin": origin} for name, value, origin in rows}
        sys.stdout.write(f"{json.dumps(payload, indent=2)}\n")
    else:
        lines = [("setting", "value", "from")]
        lines += [(name, _shown(value), origin) for name, value, origin in rows]
        sys.stdout.write(table(lines))
    return 0


def _of_installation(settings: Settings) -> list[Setting]:
    rows = []
    for name, variable in variables_of(Settings).items():
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            value = "(set)"
        origin = variable if variable in os.environ else "default"
        rows.append(Setting(name, str(value) if isinstance(value, Path) else value, origin))
    return rows


def _of_stages(
    request: MeshOptions, found: list[Setting], options: argparse.Namespace
) -> list[Setting]:
    origins = {setting.name: setting.origin for setting in found}
    usual = MeshOptions()
    rows = []
    for stage, kind in CONFIGS.items():
        values = request.config(kind).model_dump(mode="json")
        defaults = usual.config(kind).model_dump(mode="json")
        for name in names(kind):
            full, value = f"{stage}.{name}", _at(values, name)
            origin = origins.get(full, "default")
            if value != _at(defaults, name) and origin == "default":
                origin = OPTIONS[full]
                own = getattr(options, origin.strip("-").replace("-", "_"))
                origin = origin if own is not None else f"--preset {options.preset}"
            rows.append(Setting(full, value, origin))
    return rows


def _at(values: Mapping[str, Any], name: str) -> Any:
    for part in name.split("."):
        values = values[part]
    return values


def _shown(value: Any) -> str:
    return "-" if value in (None, "") else value if isinstance(value, str) else json.dumps(value)
