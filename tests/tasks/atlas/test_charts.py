"""Charts of a closed drum: two discs and a wall in four quarters, each laid flat as it is seen."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray

from tasks.atlas.charts import Charts, cut_into_charts

RADIUS, HEIGHT, TEXEL_M, GUTTER = 0.3, 0.2, 0.002, 6
DRUM = trimesh.creation.cylinder(RADIUS, HEIGHT, sections=64)
VERTICES = np.asarray(DRUM.vertices, np.float32)
FACES = np.asarray(DRUM.faces, np.int32)


def cut(width: int = 2000, texel_m: float = TEXEL_M) -> Charts:
    return cut_into_charts(VERTICES, FACES, width=width, texel_m=texel_m, gutter_px=GUTTER)


def areas(charts: Charts) -> NDArray[np.float64]:
    """Signed areas of the faces, pixels; rows count downwards."""
    a, b, c = (charts.uv[charts.faces[:, k]] for k in range(3))
    u, v = b - a, c - a
    return 0.5 * (u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0])


def boxes(charts: Charts) -> list[NDArray[np.float64]]:
    """Least and greatest coordinates of what hangs together."""
    graph = trimesh.graph.connected_components(
        np.concatenate([charts.faces[:, :2], charts.faces[:, 1:]]), nodes=np.arange(len(charts.uv))
    )
    return [np.stack([charts.uv[g].min(axis=0), charts.uv[g].max(axis=0)]) for g in graph]


def test_every_face_is_there_once_as_large_as_it_is_and_never_mirrored() -> None:
    charts = cut()
    np.testing.assert_array_equal(charts.source[charts.faces], FACES)
    found = areas(charts) * TEXEL_M**2
    assert (found < 0).all(), "corners run as one sees them from outside"
    assert -found.sum() == pytest.approx(DRUM.area, rel=0.002)
    caps = np.abs(np.asarray(DRUM.face_normals)[:, 2]) > 0.9
    np.testing.assert_allclose(-found[caps], np.asarray(DRUM.area_faces)[caps], rtol=1e-5)


def test_discs_stay_whole_and_the_wall_is_cut_in_quarters() -> None:
    charts = cut()
    assert charts.count == 6
    sizes = sorted(np.ptp(box, axis=0).tolist() for box in boxes(charts))
    assert len(sizes) == 6
    for size in sizes[:4]:
        assert size == pytest.approx([0.5 * np.pi * RADIUS / TEXEL_M, HEIGHT / TEXEL_M], rel=0.01)
    for size in sizes[4:]:
        assert size == pytest.approx([2 * RADIUS / TEXEL_M] * 2, rel=0.01)


@pytest.mark.parametrize("width", [310, 700, 2000])
def test_charts_lie_apart_within_the_picture(width: int) -> None:
    charts = cut(width)
    found = boxes(charts)
    for low, high in found:
        assert low.min() >= GUTTER / 2
        assert high[0] <= width - GUTTER / 2
        assert high[1] <= charts.height - GUTTER / 2
    for one, other in itertools.combinations(found, 2):
        gap = np.maximum(one[0] - other[1], other[0] - one[1])
        assert gap.max() >= GUTTER - 1e-9


def test_what_is_too_wide_is_made_smaller_as_a_whole() -> None:
    charts = cut(150)
    widest = max(boxes(charts), key=lambda box: np.ptp(box[:, 1]))
    assert np.ptp(widest[:, 0]) == pytest.approx(150 - GUTTER - 1)
    assert np.ptp(widest[:, 1]) == pytest.approx(150 - GUTTER - 1, rel=0.01)


def test_a_rough_surface_has_few_charts_and_short_seams() -> None:
    """As a rim has it where its surface is uncertain; levels of detail keep all of a seam."""
    ring = trimesh.creation.torus(0.3, 0.1, major_sections=200, minor_sections=80)
    rough = np.random.default_rng(0).normal(0.0, 0.0012, ring.vertices.shape)
    charts = cut_into_charts(
        np.asarray(ring.vertices + rough, np.float32),
        np.asarray(ring.faces, np.int32),
        width=2000,
        texel_m=TEXEL_M,
        gutter_px=GUTTER,
    )
    assert charts.count < 25
    assert len(charts.uv) - len(ring.vertices) < 0.12 * len(ring.vertices)
    assert (areas(charts) < 0).all()
