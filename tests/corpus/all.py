"""All cases."""

from __future__ import annotations

from tests.corpus import films, folders, models, requests, stores

CASES = tuple(
    case for module in (films, folders, models, requests, stores) for case in module.cases()
)
