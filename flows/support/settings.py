"""The settings of this process, or one line that says which cannot be used."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_settings import BaseSettings

from configs.settings import Settings, variables_of
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


def unknown_variables(
    environment: Mapping[str, str], service: type[BaseSettings] | None = None
) -> list[str]:
    """What to say of each variable that looks like a setting and is none.

    They are no error: Kubernetes, for one, names variables after its services. Those of stages'
    parameters have two underscores, and are looked at with these.

    Args:
        environment: The variables.
        service: Settings of the service; None: it runs elsewhere, and its variables may be here.
    """
    known = set(variables_of(Settings).values())
    others = ["TYRE3D_TEST_"]
    if service is None:
        others.append("TYRE3D_API_")
    else:
        known |= set(variables_of(service).values())
    unprefixed = {name.partition("_")[2]: name for name in known}
    said = []
    for name in sorted(environment):
        if not name.startswith("TYRE3D_") or "__" in name or name in known:
            continue
        if name.startswith(tuple(others)):
            continue
        near = difflib.get_close_matches(name.partition("_")[2][:100], list(unprefixed), 1, 0.7)
        meant = f"is {unprefixed[near[0]]} meant?" if near else "docs/settings.md lists all"
        said.append(f"{name} is no setting and does nothing; {meant}")
    return said


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
        field = str(error["loc"][0])  # of an alias it is the variable
        where = variables_of(kind).get(field, field)
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
