"""What holds of every configuration: frozen, its defaults within its bounds, spelt once."""

from __future__ import annotations

import json

import pytest
from pydantic import BaseModel, ValidationError

from tasks.core.digests import canonical


def is_sound(config: BaseModel) -> None:
    """Look at a configuration whose fields have their defaults."""
    kind = type(config)
    # pydantic validates what it is given, not the defaults
    assert kind.model_validate(config.model_dump()) == config
    assert kind.model_validate(json.loads(canonical(config))) == config, "as batches send it"
    for name, field in kind.model_fields.items():
        assert field.description, name
    first = next(iter(kind.model_fields))
    with pytest.raises(ValidationError, match="frozen"):
        setattr(config, first, getattr(config, first))
    with pytest.raises(ValidationError, match="forbidden"):
        kind.model_validate({**config.model_dump(), "unheard_of": 1})
