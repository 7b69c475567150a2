"""The example page for three.js in a real browser: all levels, and what frames saw of them.

Not among the default tests, for it needs a browser: ``make test-browser``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from configs.stages import AtlasConfig, ExportConfig
from tasks.atlas.make import make_atlas
from tasks.mesh.export import export_glb, levels_of
from tasks.mesh.glb_reader import read_glb
from tests.support.browser import told_by_browser
from tests.tasks.atlas import scene

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the page showed of a torus with a texture, half of which is called inferred."""
    folder = tmp_path_factory.mktemp("three")
    mesh = scene.torus(96)
    mesh = replace(mesh, inferred=mesh.vertices[:, 1] < 0)
    filmed = scene.film(folder, mesh, count=5)
    atlas = make_atlas(mesh, filmed.cameras, filmed.frames, filmed.alphas, AtlasConfig())
    config = ExportConfig(medium_bytes=150_000, preview_bytes=100_000)
    for name, level in levels_of(export_glb(mesh, {}, config, atlas), config).items():
        suffix = "" if name == "full" else f".{name}"
        (folder / f"tyre{suffix}.glb").write_bytes(level.content)
    assert read_glb((folder / "tyre.glb").read_bytes()).texture is not None
    return told_by_browser("levels.mjs", folder / "tyre")


def test_nothing_goes_wrong(told: dict[str, Any]) -> None:
    assert told["said"] == []


def test_the_preview_is_drawn_before_the_others(told: dict[str, Any]) -> None:
    drawn = [told["drawn"][f"drawn{level}"] for level in (".preview", ".medium", "")]
    assert drawn == sorted(drawn)


def test_the_tyre_is_seen_and_what_is_inferred_turns_orange(told: dict[str, Any]) -> None:
    photo, known = told["photo"], told["known"]
    assert 0.3 < photo["ground"] < 0.9
    assert known["ground"] == pytest.approx(photo["ground"], abs=0.02), "the same surface"
    assert known["blue"] > photo["blue"] + 0.05
    assert known["orange"] > photo["orange"] + 0.05
    assert known["blue"] + known["orange"] > 0.9 * (1 - known["ground"])
