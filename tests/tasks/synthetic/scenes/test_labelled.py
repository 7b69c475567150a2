"""Labelled views: right labels, in every layout, the same for the same seed."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tasks.geometry.camera import look_at
from tasks.geometry.similarity import Similarity
from tasks.matting.parts import RIM, RUBBER
from tasks.synthetic.scenes import labelled, props
from tasks.synthetic.scenes.film_set import FilmSet, Placed, undistorted
from tasks.synthetic.scenes.labelled import labelled_view
from tasks.synthetic.scenes.labels import part_labels
from tasks.synthetic.scenes.layouts import LAYOUTS, Measures
from tasks.synthetic.scenes.lighting import Light, Look
from tasks.synthetic.scenes.raycast import RenderableCaster
from tasks.synthetic.scenes.solids import Solids, Surface, box, sheet, turned
from tasks.synthetic.tyres.tyre import build_tyre, sample_spec

LOOK = Look((Light((0.0, 1.0, 0.0), (1.0, 1.0, 1.0), 30.0),))
GREY = Surface((0.5, 0.5, 0.5))
HERE = Similarity(1.0, np.eye(3), np.zeros(3))


def ring(inner: float, outer: float, label: int) -> Placed:
    """A flat ring that faces +z, with one label."""
    solids = Solids([turned(np.array([[outer, 0.0], [inner, 0.0]]), GREY, sides=256)])
    return Placed(
        RenderableCaster(solids, 2), HERE, np.full(len(solids.faces), label, dtype=np.uint8)
    )


def set_of(items: list[Placed], *, before: float | None = None) -> FilmSet:
    """A floor far below, a post before the right half where wanted, and items."""
    floor = sheet(np.array([-5.0, -4, -5]), np.array([10.0, 0, 0]), np.array([0, 0, 10.0]), GREY)
    solids = [floor]
    if before is not None:
        solids.append(box(np.array([1.0, 0.0, before]), np.array([2.0, 4.0, 0.01]), GREY))
    return FilmSet(solids, items, LOOK, sky=props.texture("plain", 0), ground=(0.2, 0.2, 0.2))


def test_labels_of_known_rings_are_their_projections() -> None:
    camera = look_at(np.array([0.0, 0.0, 2.0]), np.zeros(3), focal_px=200, width=240, height=200)
    view = set_of([ring(0.2, 0.4, RUBBER), ring(0.05, 0.2, RIM)]).view(camera)
    y, x = np.mgrid[0:200, 0:240] + 0.5
    radius = np.hypot(x - 120, y - 100) * 2.0 / 200
    truth = np.select([radius < 0.05, radius < 0.2, radius < 0.4], [0, RIM, RUBBER], 0)
    edge = np.min([np.abs(radius - r) for r in (0.05, 0.2, 0.4)], axis=0) < 0.006
    np.testing.assert_array_equal(view.parts[~edge], truth[~edge])
    assert (view.parts != truth).mean() < 0.004, "half a pixel at the edges"
    assert view.unhidden == 1.0


def test_what_stands_before_the_tyre_is_background() -> None:
    camera = look_at(np.array([0.0, 0.0, 2.0]), np.zeros(3), focal_px=200, width=240, height=200)
    view = set_of([ring(0.0, 0.4, RUBBER)], before=0.5).view(camera)
    assert not view.parts[:, 121:].any()
    assert view.parts[100, 90] == RUBBER
    assert view.unhidden == pytest.approx(0.5, abs=0.02)
    behind = set_of([ring(0.0, 0.4, RUBBER)], before=-0.5).view(camera)
    assert behind.unhidden == 1.0


def test_a_lens_bends_a_straight_edge_by_the_known_amount() -> None:
    """A line at x = 0.5 is seen at 0.5 (1 + k1 r²), farther in towards the corners."""
    camera = look_at(np.array([0.0, 0.0, 1.0]), np.zeros(3), focal_px=200, width=300, height=300)
    solids = Solids(
        [sheet(np.array([-3.0, 3, 0]), np.array([3.5, 0, 0]), np.array([0, -6.0, 0]), GREY)]
    )
    half = Placed(RenderableCaster(solids, 2), HERE, np.ones(len(solids.faces), np.uint8))
    k1 = -0.1
    view = set_of([half]).view(camera, lens=(k1, 0.0))
    for row in (10, 75, 150, 225, 290):
        edge = np.count_nonzero(view.parts[row])
        y = np.linspace(-1.2, 1.2, 20001)
        r2 = 0.25 + y * y
        seen = 150 + 200 * np.stack([0.5 + 0 * y, y]) * (1 + k1 * r2)
        expected = np.interp(row + 0.5, seen[1], seen[0])
        assert edge == pytest.approx(expected, abs=0.75)
    u, v = undistorted(camera, np.float32([290.0]), np.float32([20.0]), (k1, 0.03))
    x, y = (float(u[0]) - 150) / 200, (float(v[0]) - 150) / 200
    share = 1 + k1 * (x * x + y * y) + 0.03 * (x * x + y * y) ** 2
    np.testing.assert_allclose([x * share, y * share], [0.7, -0.65], atol=1e-5)


def test_labels_follow_the_parts() -> None:
    spec = next(s for s in map(sample_spec, range(20)) if s.rim is not None)
    tyre = build_tyre(spec, detail=0.35)
    labels = part_labels(tyre)
    assert set(labels[tyre.part <= 3]) == {RUBBER}
    assert set(labels[tyre.part >= 4]) == {RIM}


@pytest.mark.parametrize("kind", list(LAYOUTS))
def test_every_layout_shows_its_tyre(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labelled, "LAYOUTS", {kind: LAYOUTS[kind]})
    monkeypatch.setattr(labelled, "LAYOUT_SHARES", [1.0])
    for seed in (4, 9):
        view = labelled_view(seed, (96, 72))
        assert view.image.shape == (72, 96, 3)
        assert view.image.dtype == np.uint8
        assert view.parts.shape == (72, 96)
        assert (view.parts == RUBBER).mean() > 0.005
        assert view.parts.max() <= RIM
        assert view.image.std() > 2


def test_a_tyre_stands_on_what_carries_it() -> None:
    """The lowest point of the pose lies on the support, for all layouts that stand on a floor."""
    tyre = build_tyre(sample_spec(12), detail=0.35)
    for kind in ("floor", "flat", "leaning", "product"):
        layout = LAYOUTS[kind](np.random.default_rng(1), Measures.of(tyre))
        lowest = layout.pose.apply(tyre.vertices.astype(np.float64))[:, 1].min()
        assert -0.03 * tyre.diameter < lowest < 0.03 * tyre.diameter, kind


def test_the_same_seed_gives_the_same_view_whatever_came_before() -> None:
    first = labelled_view(17, (96, 72))
    labelled_view(40, (64, 64))
    again = labelled_view(17, (96, 72))
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.parts, again.parts)
    other = labelled_view(18, (96, 72))
    assert cv2.absdiff(first.image, other.image).mean() > 5
