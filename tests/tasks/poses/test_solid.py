"""The solid's image beside outlines: distances, derivatives, agreement."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.geometry.sphere import tangents
from tasks.poses.outline import DIRECTIONS
from tasks.poses.solid import NUM_PARAMETERS, TYPICAL_FALLS, Solid, Views
from tests.tasks.poses.silhouettes import (
    AXLE,
    CENTRE,
    HALF_WIDTH,
    RADIUS,
    cameras_around,
    mask_of,
    outline,
    stand,
    tyre_points,
)

FALLS = np.stack([TYPICAL_FALLS, TYPICAL_FALLS])
SOLID = Solid(CENTRE, AXLE, RADIUS, HALF_WIDTH, FALLS)
"""About the tyre of the masks, whose profile is another."""


@pytest.fixture(scope="module")
def views() -> Views:
    cameras = cameras_around(6, 300)
    return Views(cameras, [outline(mask_of(c, tyre_points())) for c in cameras])


def test_support_is_that_of_the_projected_circles(views: Views) -> None:
    z, r = SOLID.circles()
    e1, e2 = tangents(AXLE)
    angle = np.linspace(0, 2 * np.pi, 2000)[:, None, None]
    ring = np.cos(angle) * e1 + np.sin(angle) * e2
    points = CENTRE + z[None, :, None] * AXLE + r[None, :, None] * ring
    for camera, support, touched in zip(
        views.cameras, views.supports(SOLID), views.tangent_points(SOLID), strict=True
    ):
        seen = camera.project(points.reshape(-1, 3))[:, :2]
        np.testing.assert_allclose(support, (seen @ DIRECTIONS.T).max(axis=0), atol=1e-3)
        gaps = np.linalg.norm(seen[:, None] - touched[None], axis=2).min(axis=0)
        assert gaps.max() < 0.7


def test_misfit_is_the_signed_distance_to_the_image(views: Views) -> None:
    turned = Solid(CENTRE + 0.01, AXLE, 0.95 * RADIUS, 1.1 * HALF_WIDTH, FALLS)
    angle = np.linspace(0, 2 * np.pi, 50_000)
    directions = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    z, r = turned.circles()
    e1, e2 = tangents(AXLE)
    ring = np.cos(angle[::20, None, None]) * e1 + np.sin(angle[::20, None, None]) * e2
    points = (turned.centre + z[None, :, None] * AXLE + r[None, :, None] * ring).reshape(-1, 3)
    seen = views.cameras[2].project(points)[:, :2]
    support = np.full(len(directions), -np.inf)
    for k in range(0, len(directions), 500):
        support[k : k + 500] = (seen @ directions[k : k + 500].T).max(axis=0)
    exact = (views.contour[2] @ directions.T - support).max(axis=1)
    found = views.misfit(turned).error[2] * views.size[2] / 100.0
    assert exact.min() < -2.0 < 2.0 < exact.max()
    np.testing.assert_allclose(found, exact, atol=0.2)


def test_derivatives_are_those_of_the_misfit(views: Views) -> None:
    solid = SOLID.moved(np.array([0.01, 0.02, -0.01, 0.03, -0.02, 0.02, 0.05] + 10 * [0.004]))
    jacobian = views.misfit(solid, derivatives=True).jacobian
    for k in range(NUM_PARAMETERS):
        x = np.zeros(NUM_PARAMETERS)
        x[k] = 1e-5
        numeric = (views.misfit(solid.moved(x)).error - views.misfit(solid.moved(-x)).error) / 2e-5
        off = np.abs(numeric - jacobian[..., k])
        # where the nearest circle changes, one-sided derivatives differ
        assert np.quantile(off, 0.8) < 0.02 * np.abs(numeric).max() + 1e-3, k


def test_agreement_tells_what_is_followed_hidden_and_lacking() -> None:
    (camera,) = cameras_around(1, 0)
    mask = mask_of(camera, tyre_points())
    columns = np.flatnonzero(mask.max(axis=0))
    cut = mask.copy()
    cut[:, : int(columns.mean())] = 0
    more = mask_of(camera, tyre_points(), *stand())
    views = Views([camera] * 3, [outline(m) for m in (mask, more, cut)])
    found = views.agreement(SOLID)
    np.testing.assert_allclose(found.followed + found.hidden + found.lacking, 1.0)
    assert found.followed[0] > 0.85
    assert 0.1 < found.hidden[1] < 0.4
    assert found.lacking[1] < 0.02
    assert 0.4 < found.lacking[2] < 0.65
    assert found.hidden[2] < 0.02
    assert found.score[0] > found.score[1] > found.score[2]


def test_the_nearest_surface_is_that_of_a_cylinder_with_flat_ends() -> None:
    axle = np.array([0.0, 0.6, 0.8])
    across, other = tangents(axle)
    centre = np.array([1.0, 2.0, 3.0])
    solid = Solid(centre, axle, 2.0, 0.5, np.zeros((2, 5)))
    places = [
        (1.0 * across + 0.4 * axle, 0.1, axle),
        (0.2 * other - 0.8 * axle, 0.3, -axle),
        (1.9 * other + 0.1 * axle, 0.1, other),
        (-2.4 * across, 0.4, -across),
    ]
    distance, normal = solid.nearest(centre + np.array([place for place, _, _ in places]))
    np.testing.assert_allclose(distance, [d for _, d, _ in places], atol=1e-12)
    np.testing.assert_allclose(normal, [n for _, _, n in places], atol=1e-12)
