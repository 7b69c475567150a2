"""The layout: every face once, nothing over another, the right way round."""

from __future__ import annotations

import math

import numpy as np
import pytest

from configs.stages import AtlasConfig
from tasks.atlas.layout import Layout, lay_out
from tasks.atlas.texels import find_texels
from tasks.surface.profile import fit_outer_profile
from tests.tasks.atlas.scene import RING, TUBE, torus

MESH = torus()


@pytest.fixture(scope="module")
def layout() -> Layout:
    profile = fit_outer_profile(MESH.vertices, MESH.faces)
    return lay_out(MESH.vertices, MESH.faces, profile, 0.0025, AtlasConfig())


def areas(layout: Layout) -> np.ndarray:
    corners = layout.uv[layout.faces].astype(np.float64)
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return 0.5 * (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])


def test_the_mesh_stays_as_it_is(layout: Layout) -> None:
    np.testing.assert_array_equal(layout.source[layout.faces], MESH.faces)
    assert set(layout.source.tolist()) == set(range(len(MESH.vertices)))
    assert len(layout.uv) < 1.25 * len(MESH.vertices)


def test_all_lies_in_the_picture(layout: Layout) -> None:
    assert layout.uv.min() >= 0
    assert layout.uv[:, 1].max() <= layout.height
    beyond = layout.uv[:, 0] >= layout.width
    step = layout.width / 160
    assert layout.uv[beyond, 0].max() <= layout.width + 1.01 * step
    off_atlas = np.unique(layout.faces[~layout.on_atlas])
    assert not beyond[off_atlas].any(), "only the atlas repeats"


def test_no_face_lies_over_another(layout: Layout) -> None:
    texels = find_texels(layout, np.zeros(len(layout.uv)))
    assert len(texels.at) == pytest.approx(np.abs(areas(layout)).sum(), rel=0.01)
    assert len(np.unique(texels.at)) == len(texels.at)


def test_faces_look_out_of_the_picture(layout: Layout) -> None:
    assert (areas(layout)[layout.on_atlas] < 0).all()  # rows count downwards
    assert (areas(layout) < 1e-6).mean() > 0.99


def test_angles_run_clockwise_from_the_top_and_rows_to_the_outer_face(layout: Layout) -> None:
    on_atlas = np.unique(layout.faces[layout.on_atlas])
    points = MESH.vertices[layout.source[on_atlas]]
    turns = (0.25 - np.arctan2(points[:, 1], points[:, 0]) / (2 * math.pi)) % 1.0
    apart = layout.uv[on_atlas, 0] / layout.width - turns
    np.testing.assert_allclose(apart, np.rint(apart), atol=1e-4)
    tread = np.hypot(points[:, 0], points[:, 1]) > RING + 0.5 * TUBE
    rank = np.corrcoef(points[tread, 2], layout.uv[on_atlas, 1][tread])[0, 1]
    assert rank > 0.98


def test_texels_know_their_place_on_the_mesh(layout: Layout) -> None:
    texels = find_texels(layout, np.zeros(len(layout.uv)))
    np.testing.assert_allclose(texels.weights.sum(axis=1), 1.0, atol=1e-5)
    points = texels.mixed(MESH.vertices)
    from_tube = np.hypot(np.hypot(points[:, 0], points[:, 1]) - RING, points[:, 2])
    np.testing.assert_allclose(from_tube, TUBE, atol=0.001)
    row, column = np.divmod(texels.at, layout.width)
    on_atlas = (row >= layout.rows[0]) & (row < layout.rows[1])
    turns = (0.25 - np.arctan2(points[:, 1], points[:, 0]) / (2 * math.pi)) % 1.0
    apart = (turns - (column + 0.5) / layout.width + 0.5) % 1.0 - 0.5
    assert np.abs(apart[on_atlas]).max() < 1e-3


def test_without_a_profile_all_is_charts() -> None:
    layout = lay_out(MESH.vertices, MESH.faces, None, 0.004, AtlasConfig())
    assert not layout.on_atlas.any()
    texels = find_texels(layout, np.zeros(len(layout.uv)))
    assert len(texels.at) == pytest.approx(np.abs(areas(layout)).sum(), rel=0.02)
