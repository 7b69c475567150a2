"""The settings of this process, or one line that says which cannot be used."""

from __future__ import annotations

from pydantic import ValidationError

from configs.settings import Settings
from tasks.core.errors import InputError


def load_settings() -> Settings:
    """The settings of the environment.

    Raises:
        InputError: ``bad-setting``.
    """
    try:
        return Settings()
    except ValidationError as exc:
        raise InputError(
            "bad-setting", stage="start", what=first_error(exc), advice="Mend the environment"
        ) from exc


def first_error(exc: ValidationError) -> str:
    """What is wrong first, in the words of options."""
    error = exc.errors()[0]
    where = "-".join(str(part) for part in error["loc"]).replace("_", "-")
    return f"{where}: {error['msg']} (given: {error['input']!r})"
