"""The settings of this process, or one line that says which cannot be used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from configs.parameters import variable_of
from configs.settings import Settings
from tasks.core.errors import InputError

_Request = TypeVar("_Request", bound=BaseModel)
ALL_PARAMETERS = "All parameters are listed by: tyre3d config show"


def load_settings() -> Settings:
    """The settings of the environment.

    Raises:
        InputError: ``bad-setting``.
    """
    try:
        return Settings()
    except ValidationError as exc:
        raise InputError(
            "bad-setting",
            stage="start",
            what=first_error(exc, Settings),
            advice="Mend that variable; docs/settings.md lists all",
        ) from exc


def setting_variable(name: str) -> str:
    """The variable of the environment that a setting is taken from.

    Args:
        name: A field of :class:`Settings`, or its variable, as errors name it if it is an alias.
    """
    field = Settings.model_fields.get(name)
    return str(field.validation_alias or variable_of(name)) if field else name


def first_error(exc: ValidationError, kind: type[BaseModel]) -> str:
    """What is wrong first, in the words of options.

    Args:
        exc: What is wrong.
        kind: The settings that have these fields.
    """
    error = exc.errors()[0]
    if error["loc"][-1:] == ("parameters",):  # it names the parameter
        return str(error["msg"]).removeprefix("Value error, ")
    where = "-".join(str(part) for part in error["loc"]).replace("_", "-")
    if issubclass(kind, Settings):
        where = setting_variable(str(error["loc"][0]))
    wrong = error["msg"].removeprefix("Value error, ")  # which pydantic puts before ours
    if error["type"] == "string_pattern_mismatch":  # a pattern tells nobody what is wanted
        wrong = f"what is wanted: {kind.model_fields[str(error['loc'][0])].description}"
    return f"{where}: {wrong} (given: {error['input']!r})"


def validated(kind: type[_Request], command: str, fields: Mapping[str, Any]) -> _Request:
    """A request of what the command line says.

    Raises:
        InputError: ``bad-option``.
    """
    try:
        return kind.model_validate(fields)
    except ValidationError as exc:
        of_a_stage = exc.errors()[0]["loc"][:1] == ("parameters",)
        raise InputError(
            "bad-option",
            stage="start",
            what=first_error(exc, kind),
            advice=ALL_PARAMETERS if of_a_stage else f"See: tyre3d {command} --help",
        ) from exc
