"""The atlas of a torus of known colours: right where frames saw it, marked where none did."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from configs.stages import AtlasConfig
from tasks.atlas.make import make_atlas
from tasks.atlas.record import (
    Provenance,
    TyreAtlas,
    atlas_record,
    load_atlas,
    save_atlas,
    texture_record,
)
from tasks.atlas.texels import find_texels
from tasks.core.repeatable import compute_repeatably
from tasks.storage.artifacts import Artifact
from tests.tasks.atlas.scene import BACKGROUND, RING, film, torus, true_colours

MESH = torus()
CONFIG = AtlasConfig(texels_per_pixel=1.0)


def atlas_of(folder: Path, **options: object) -> TyreAtlas:
    folder.mkdir(exist_ok=True)
    compute_repeatably()  # as the stage begins
    filmed = film(folder, MESH, **options)  # type: ignore[arg-type]
    return make_atlas(MESH, filmed.cameras, filmed.frames, filmed.alphas, CONFIG)


@pytest.fixture(scope="module")
def atlas(tmp_path_factory: pytest.TempPathFactory) -> TyreAtlas:
    return atlas_of(tmp_path_factory.mktemp("plain"), exposures=True, glare_in=5)


def places(atlas: TyreAtlas) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points, colours and provenance of the texels that show a face."""
    texels = find_texels(atlas.layout, np.zeros(len(atlas.layout.uv)))
    return (
        texels.mixed(MESH.vertices),
        atlas.colours.reshape(-1, 3)[texels.at].astype(float),
        atlas.provenance.reshape(-1)[texels.at],
    )


def test_what_frames_saw_has_its_colour(atlas: TyreAtlas) -> None:
    points, colours, provenance = places(atlas)
    error = np.abs(colours - true_colours(points)).max(axis=1)[provenance == Provenance.MEASURED]
    assert np.median(error) < 3
    assert np.mean(error > 25) < 0.06, "the dashes' edges alone may be soft"


def test_each_place_says_where_its_colour_is_from(atlas: TyreAtlas) -> None:
    points, _, provenance = places(atlas)
    outer = (points[:, 2] > 0.06) & (np.abs(np.hypot(points[:, 0], points[:, 1]) - RING) < 0.04)
    assert (provenance[outer] == Provenance.MEASURED).mean() > 0.99
    inner = points[:, 2] < -0.06
    assert not (provenance[inner] == Provenance.MEASURED).any()
    views = atlas.views.reshape(-1)[atlas.provenance.reshape(-1) == Provenance.MEASURED]
    assert views.min() >= 1
    assert atlas.views.max() <= 10
    assert atlas.views[atlas.provenance != Provenance.MEASURED].max() == 0
    gutters = atlas.provenance == Provenance.UNSEEN
    assert 0 < gutters.mean() < 0.6


def test_nothing_of_the_background_is_on_it(atlas: TyreAtlas) -> None:
    """Neither where it was seen nor in gutters and what was filled."""
    apart = np.abs(atlas.colours.astype(float) - BACKGROUND).max(axis=2)
    assert apart.min() > 120


def test_a_highlight_in_one_frame_is_gone(atlas: TyreAtlas) -> None:
    _, colours, provenance = places(atlas)
    measured = colours[provenance == Provenance.MEASURED]
    assert measured.min(axis=1).max() < 60, "white is nowhere"


def test_what_was_filled_joins_what_was_seen_without_an_edge(atlas: TyreAtlas) -> None:
    first, last = atlas.layout.rows
    seen = atlas.provenance[first:last] == Provenance.MEASURED
    filled = np.isin(atlas.provenance[first:last], (Provenance.SYMMETRY, Provenance.NETWORK))
    steps = np.abs(np.diff(atlas.colours[first:last].astype(float), axis=1)).max(axis=2)
    borders = (seen[:, 1:] & filled[:, :-1]) | (filled[:, 1:] & seen[:, :-1])
    assert borders.sum() > 20
    assert steps[borders].max() < 12
    assert np.median(steps[filled[:, 1:] & filled[:, :-1]]) <= 1


def test_the_same_input_gives_the_same_bytes(atlas: TyreAtlas, tmp_path: Path) -> None:
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1 if threads != 1 else 4)
    try:
        again = atlas_of(tmp_path / "again", exposures=True, glare_in=5)
    finally:
        cv2.setNumThreads(threads)
    np.testing.assert_array_equal(again.colours, atlas.colours)
    np.testing.assert_array_equal(again.provenance, atlas.provenance)
    np.testing.assert_array_equal(again.layout.uv, atlas.layout.uv)
    assert atlas_record(again) == atlas_record(atlas)


def test_without_frames_all_is_the_merges_colour(tmp_path: Path) -> None:
    bare = make_atlas(MESH, {}, {}, {}, AtlasConfig(max_around_px=256))
    shown = bare.provenance != Provenance.UNSEEN
    assert (bare.provenance[shown] == Provenance.NETWORK).all()
    assert (bare.colours == 90).all()


def test_it_survives_its_artifact(atlas: TyreAtlas, tmp_path: Path) -> None:
    save_atlas(tmp_path, atlas)
    files = tuple(p.name for p in tmp_path.iterdir())
    again = load_atlas(Artifact(tmp_path, atlas_record(atlas), files))
    for name in ("colours", "views", "provenance", "section"):
        np.testing.assert_array_equal(getattr(again, name), getattr(atlas, name))
    for name in ("uv", "source", "faces", "on_atlas"):
        np.testing.assert_array_equal(getattr(again.layout, name), getattr(atlas.layout, name))
    told = texture_record(again)
    assert told["width_px"] * told["degrees_per_px"] == pytest.approx(360)
    assert told["width_px"] * told["texel_mm"] == pytest.approx(2000 * np.pi * 0.36, rel=0.01)
