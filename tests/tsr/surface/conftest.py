"""A model whose field is a torus."""

from __future__ import annotations

import pytest

from bench.fields import torus_model
from tests.tsr.surface.shapes import Torus


@pytest.fixture(scope="session")
def torus() -> Torus:
    return torus_model()
