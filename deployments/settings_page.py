"""All settings on one page: ``python -m deployments.settings_page`` writes docs/settings.md."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from configs.parameters import CONFIGS, OPTIONS
from configs.settings import Settings, variables_of
from deployments.api.settings import ApiSettings

PAGE = Path(__file__).parents[1] / "docs" / "settings.md"
_UNITS = {
    "_px": "pixels",
    "_per_s": "per second",
    "_s": "seconds",
    "_mm": "mm",
    "_m": "m",
    "_deg": "degrees",
    "_percent": "%",
    "_bytes": "bytes",
    "_gb": "GB",
}
_SIGNS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
_HEAD = """# Settings

*Written by `make settings` from the code; a test holds it against it.*

What a single mesh is made by comes from four places; the later one counts:

1. the defaults below;
2. a file, `config.toml` in `TYRE3D_HOME`, or the one that `TYRE3D_CONFIG` or `--config` names,
   with a table for each stage:

   ```toml
   [merge]
   smoothing_rounds = 5

   [judge.silhouette_iou]
   review = 0.95
   ```
3. the environment: `TYRE3D_MERGE__SMOOTHING_ROUNDS=5`, with two underscores for each point of
   the name;
4. the command line: `--set merge.smoothing_rounds=5`.

Every value is checked before anything runs, is part of the keys of what it changes, and stands in
the metadata (`parameters`). `tyre3d config show` prints what counts and where it comes from. A
batch sends its parameters to the workers; their own environment and files do not count. The file
knows stages only: the installation and the service are set by the environment.
"""


def page() -> str:
    """The page, Markdown."""
    parts = [_HEAD, _installation(), _service()]
    parts += ["## Stages\n\nIn their order. Where an option sets a parameter, nothing else does.\n"]
    for stage, kind in CONFIGS.items():
        rows = [_row(name, field, default) for name, field, default in _fields(kind)]
        for row in rows:
            row[-1] = _set_by(f"{stage}.{row[0].strip('`')}", row[-1])
        purpose = (kind.__doc__ or "").partition("\n")[0]
        parts.append(f"### {stage}\n\n{purpose}\n\n{_table(rows)}")
    return "\n".join(parts)


def _set_by(name: str, meaning: str) -> str:
    option = OPTIONS.get(name)
    return f"{meaning} (`{option}`)" if option else meaning


def _installation() -> str:
    return f"## Installation\n\n{_table(_by_variable(Settings))}"


def _service() -> str:
    table = _table(_by_variable(ApiSettings))
    return f"## Service\n\nSee [operations.md](operations.md).\n\n{table}"


def _by_variable(kind: type[BaseSettings]) -> list[list[str]]:
    variables = variables_of(kind)
    return [
        [f"`{variables[name]}`", *_row(name, field, field.default)[1:]]
        for name, field in kind.model_fields.items()
    ]


def _fields(kind: type[BaseModel]) -> Iterator[tuple[str, FieldInfo, Any]]:
    """Names, fields and defaults, with points where a parameter holds others."""
    for name, field in kind.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            for deeper, deep_field in inner.model_fields.items():
                described = deep_field.description or field.description
                shown = FieldInfo.merge_field_infos(deep_field, description=described)
                yield f"{name}.{deeper}", shown, getattr(field.default, deeper)
        else:
            yield name, field, field.default


def _row(name: str, field: FieldInfo, default: Any) -> list[str]:
    meaning = (field.description or "").rstrip(".")
    return [
        f"`{name}`",
        _type_of(field.annotation),
        _unit_of(name),
        _default_of(default, field),
        _bounds_of(field),
        meaning,
    ]


def _type_of(annotation: Any) -> str:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type_of(inner[0])
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in inner)
    if origin in (Union, types.UnionType):
        return " or ".join(_type_of(each) for each in inner if each is not type(None))
    if origin is tuple:
        return f"list of {_type_of(inner[0])}"
    names = {bool: "yes or no", int: "whole number", float: "number", str: "text"}
    return names.get(annotation, {Path: "path", SecretStr: "secret"}.get(annotation, "text"))


def _unit_of(name: str) -> str:
    last = name.partition(".")[0]
    return next((unit for suffix, unit in _UNITS.items() if last.endswith(suffix)), "")


def _default_of(default: Any, field: FieldInfo) -> str:
    if field.is_required() and default is field.default:
        return "**required**"
    if field.default_factory is not None:
        return "the user's cache folder"
    if default is None or default == "":
        return "unset"
    value = list(default) if isinstance(default, tuple) else default
    return f"`{json.dumps(value) if not isinstance(value, str) else value}`"


def _bounds_of(field: FieldInfo) -> str:
    found = [
        f"{sign} {getattr(each, name):g}"
        for each in field.metadata
        for name, sign in _SIGNS.items()
        if getattr(each, name, None) is not None
    ]
    return ", ".join(found)


def _table(rows: list[list[str]]) -> str:
    head = ["name", "type", "unit", "default", "bounds", "meaning"]
    lines = [head, ["---"] * len(head), *rows]
    cells = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)


def main() -> int:
    """Write the page."""
    PAGE.write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
