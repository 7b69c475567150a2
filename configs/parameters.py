"""The stages' parameters as a user may set them: by name, as text, from file and environment."""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from configs.comparison import CompareConfig, ComparisonStage
from configs.stages import (
    AtlasConfig,
    ExportConfig,
    ExtractConfig,
    InferConfig,
    InspectConfig,
    JudgeConfig,
    MaskConfig,
    MergeConfig,
    PoseConfig,
    RectifyConfig,
    ReportConfig,
    SelectConfig,
    StageConfig,
    StageName,
)

Parameters = Mapping[str, Mapping[str, Any]]
"""Values by stage and field; a field that holds others has a mapping of those."""
Config = TypeVar("Config", bound=StageConfig)

CONFIGS: dict[StageName | ComparisonStage, type[StageConfig]] = {
    StageName.EXTRACT: ExtractConfig,
    StageName.INSPECT: InspectConfig,
    StageName.REMOVE_BACKGROUNDS: MaskConfig,
    StageName.ESTIMATE_POSES: PoseConfig,
    StageName.RECTIFY: RectifyConfig,
    StageName.SELECT: SelectConfig,
    StageName.INFER: InferConfig,
    StageName.MERGE: MergeConfig,
    StageName.JUDGE: JudgeConfig,
    StageName.ATLAS: AtlasConfig,
    StageName.EXPORT: ExportConfig,
    StageName.REPORT: ReportConfig,
    ComparisonStage.COMPARE: CompareConfig,
}
OPTIONS: dict[str, str] = {
    "inspect.session": "--session",
    "remove-backgrounds.session": "--session",
    "estimate-poses.motion": "--motion",
    "select.num_frames": "--num-frames",
    "merge.mc_resolution": "--mc-resolution",
    "merge.diameter_mm": "--diameter-mm",
}
"""Parameters that have an option, and are set by it alone."""
_PREFIX = "TYRE3D_"


class Setting(NamedTuple):
    """A value that somebody gave.

    Args:
        name: ``stage.field``, deeper ones with more points.
        value: As it was given.
        origin: Where: ``--set``, a variable, a file.
    """

    name: str
    value: Any
    origin: str


def config_of(kind: type[Config], parameters: Parameters, **own: Any) -> Config:
    """The parameters of a stage.

    Args:
        kind: Their class.
        parameters: What was set, of all stages.
        own: What options say.

    Raises:
        ValueError: A value is out of bounds, or there is no such parameter.
    """
    stage = next(name for name, config in CONFIGS.items() if config is kind)
    overrides = parameters.get(stage, {})
    merged = _over(kind(**own).model_dump(), overrides, stage)
    try:
        return kind.model_validate(merged)
    except ValidationError as exc:
        error = exc.errors()[0]
        where = ".".join(str(part) for part in (stage, *error["loc"]))
        raise ValueError(f"{where}: {error['msg']} (given: {error['input']!r})") from exc


def check(parameters: Parameters) -> None:
    """Make sure that all that was set can be used.

    Raises:
        ValueError: It names what cannot.
    """
    for stage in parameters:
        if stage not in CONFIGS:
            raise ValueError(f"{stage}: there is no such stage{_near(stage, list(CONFIGS))}")
    for stage, kind in CONFIGS.items():
        for field in parameters.get(stage, {}):
            if option := OPTIONS.get(f"{stage}.{field}"):
                raise ValueError(f"{stage}.{field} is set by the option {option}")
        config_of(kind, parameters)


def _over(known: dict[str, Any], overrides: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Values laid over others, field by field."""
    merged = dict(known)
    for name, value in overrides.items():
        if name not in known:
            near = _near(name, list(known))
            raise ValueError(f"{where}.{name}: there is no such parameter{near}")
        if isinstance(known[name], dict) and isinstance(value, Mapping):
            merged[name] = _over(known[name], value, f"{where}.{name}")
        else:
            merged[name] = value
    return merged


def _near(name: str, known: Sequence[str]) -> str:
    found = difflib.get_close_matches(name, known, 1, 0.5)
    return f"; the nearest is {found[0]}" if found else f"; known are {', '.join(known)}"


def names(kind: type[BaseModel], before: str = "") -> Iterator[str]:
    """The names of all parameters of a class, with points where one holds others."""
    for name, field in kind.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from names(inner, f"{before}{name}.")
        else:
            yield f"{before}{name}"


def variable_of(name: str) -> str:
    """The environment variable that sets ``stage.field``."""
    return _PREFIX + name.replace("-", "_").replace(".", "__").upper()


def from_text(text: str) -> Setting:
    """What ``--set stage.field=value`` says.

    Raises:
        ValueError: It is of another form.
    """
    name, equals, value = text.partition("=")
    if not equals or "." not in name:
        raise ValueError(f"{text}: give a stage, a field and a value: merge.smoothing_rounds=5")
    return Setting(name.strip(), _value_of(value.strip()), "--set")


def from_environment(environment: Mapping[str, str]) -> list[Setting]:
    """What variables such as ``TYRE3D_MERGE__SMOOTHING_ROUNDS`` say.

    Raises:
        ValueError: One with two underscores names no parameter.
    """
    variables = {variable_of(n): n for n in all_names()}
    found = []
    for variable in sorted(environment):
        if not variable.startswith(_PREFIX) or "__" not in variable:
            continue
        if variable not in variables:
            near = _near(variable, list(variables)) if len(variable) < 100 else ""
            raise ValueError(f"{variable}: there is no such setting{near.partition('; known')[0]}")
        value = _value_of(environment[variable])
        found.append(Setting(variables[variable], value, variable))
    return found


def from_file(path: Path) -> list[Setting]:
    """What a TOML file says: a table for each stage.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no such file.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ValueError(f"{path}: {exc}") from exc
    for stage, table in tables.items():
        if not isinstance(table, dict):
            raise ValueError(f"{path}: {stage}: give tables named after stages, such as [merge]")
    return [Setting(name, value, str(path)) for name, value in _flat(tables)]


def all_names() -> list[str]:
    """``stage.field`` of every parameter."""
    return [f"{stage}.{name}" for stage, kind in CONFIGS.items() for name in names(kind)]


def gathered(settings: Sequence[Setting]) -> dict[str, dict[str, Any]]:
    """Values by stage and field; of several for one, the last counts."""
    parameters: dict[str, dict[str, Any]] = {}
    for name, value, _ in settings:
        *path, last = name.split(".")
        table: dict[str, Any] = parameters
        for part in path:
            if not isinstance(table.get(part), dict):
                table[part] = {}
            table = table[part]
        table[last] = value
    return parameters


def _flat(table: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def _value_of(text: str) -> Any:
    """A number, truth value or list as JSON has them, or else the text itself."""
    try:
        return json.loads(text, parse_constant=str)
    except ValueError:
        return text
