"""The flattened pictures: unmirrored, upright, and of the scale that they say."""

from __future__ import annotations

import json
import math

import cv2
import numpy as np
import pytest

from configs.locations import FLAT_RECORD, FLAT_SUFFIXES
from configs.stages import AtlasConfig
from tasks.atlas.flattened import flat_files, flat_parts
from tasks.atlas.layout import lay_out
from tasks.atlas.record import Provenance, TyreAtlas
from tasks.atlas.texels import find_texels
from tasks.surface.profile import fit_outer_profile
from tests.tasks.atlas.scene import RING, TUBE, torus


@pytest.fixture(scope="module")
def atlas() -> TyreAtlas:
    """An atlas whose colours are the places of its texels: x, y, z."""
    mesh = torus(96)
    profile = fit_outer_profile(mesh.vertices, mesh.faces)
    assert profile is not None
    layout = lay_out(mesh.vertices, mesh.faces, profile, 0.003, AtlasConfig())
    texels = find_texels(layout, np.zeros(len(layout.uv)))
    colours = np.zeros((layout.height * layout.width, 3), np.uint8)
    colours[texels.at] = np.rint(127 + 300 * texels.mixed(mesh.vertices))
    known = np.zeros(layout.height * layout.width, np.uint8)
    known[texels.at] = Provenance.MEASURED
    shape = layout.height, layout.width
    return TyreAtlas(
        colours.reshape(*shape, 3),
        known.reshape(shape),
        known.reshape(shape),
        layout,
        profile.points,
        {},
    )


def test_pixels_lie_where_the_scale_says(atlas: TyreAtlas) -> None:
    files = flat_files(atlas)
    assert set(files) == set(FLAT_SUFFIXES)  # what is looked at before anything is computed
    told = {p["part"]: p for p in json.loads(files[".atlas.json"])["pictures"]}
    parts = flat_parts(atlas)
    assert list(told) == [p.name for p in parts] == ["outer-sidewall", "tread", "inner-sidewall"]
    for part in parts:
        picture = told[part.name]
        image = cv2.imdecode(np.frombuffer(files[picture["suffix"]], np.uint8), cv2.IMREAD_COLOR)
        assert image is not None
        assert image.shape[:2] == (picture["height_px"], picture["width_px"])
        row, column = np.nonzero(part.provenance == Provenance.MEASURED)
        assert len(row) > 0.9 * part.provenance.size
        places = (image[row, column, ::-1].astype(float) - 127) / 300
        angle = picture["first_column_deg"] + column * picture["degrees_per_column"]
        clockwise = np.degrees(np.arctan2(places[:, 0], places[:, 1]))
        assert np.abs((clockwise - angle + 180) % 360 - 180).max() < 2
        radius = np.hypot(places[:, 0], places[:, 1])
        np.testing.assert_allclose(radius, part.section[row, 0], atol=0.006)
        np.testing.assert_allclose(places[:, 2], part.section[row, 1], atol=0.006)
        ends = 1000 * part.section[[0, -1]]
        np.testing.assert_allclose(picture["radius_mm"], ends[:, 0], atol=0.001)
        np.testing.assert_allclose(picture["height_along_axle_mm"], ends[:, 1], atol=0.001)


def test_sidewalls_have_their_outside_up_and_run_clockwise_before_the_eye(
    atlas: TyreAtlas,
) -> None:
    outer, tread, inner = flat_parts(atlas)
    for wall in (outer, inner):
        assert (np.diff(wall.section[:, 0]) < 1e-6).all(), "radius falls from top to bottom"
    assert (np.diff(tread.section[:, 1]) > 0).all()
    assert outer.clockwise
    assert not inner.clockwise
    rows = sum(len(p.colours) for p in (outer, tread, inner))
    assert rows == atlas.layout.rows[1] - atlas.layout.rows[0]


def test_scale_is_in_millimetres(atlas: TyreAtlas) -> None:
    told = {p["part"]: p for p in json.loads(flat_files(atlas)[".atlas.json"])["pictures"]}
    tread = told["tread"]
    # 45° to either side of the tube
    arc = TUBE * 1000 * math.pi / 2
    assert tread["height_px"] * tread["mm_per_row"] == pytest.approx(arc, rel=0.1)
    wall = told["outer-sidewall"]
    around = 2 * math.pi * wall["radius_mm"][0]
    assert wall["mm_per_column_top"] * wall["width_px"] == pytest.approx(around, rel=1e-3)
    assert wall["radius_mm"][0] / 1000 < RING + TUBE
    assert wall["measured"] > 0.9


def test_without_a_profile_there_are_no_pictures(atlas: TyreAtlas) -> None:
    bare = TyreAtlas(
        atlas.colours, atlas.views, atlas.provenance, atlas.layout, np.zeros((0, 2)), {}
    )
    assert flat_parts(bare) == []
    assert list(flat_files(bare)) == [FLAT_RECORD]
