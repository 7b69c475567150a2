"""Images of circles, against circles that are projected point by point."""

from __future__ import annotations

import numpy as np

from tasks.geometry.camera import look_at
from tasks.geometry.conics import dual_conics, supports, touching_points
from tasks.geometry.sphere import tangents


def test_tangents_touch_the_projected_circle() -> None:
    camera = look_at(np.array([0.9, 0.7, 1.4]), np.zeros(3), focal_px=600, width=640, height=480)
    axle = np.array([0.5, 0.1, 0.8]) / np.linalg.norm([0.5, 0.1, 0.8])
    centre, radius = np.array([0.05, -0.1, 0.02]), 0.36
    intrinsics = np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]])
    middle = intrinsics @ (camera.rotation @ centre + camera.translation)
    conics = dual_conics(
        (intrinsics @ camera.rotation)[None], middle[None, None], axle, np.array([radius])
    )
    around = np.linspace(0, 2 * np.pi, 20_000)[:, None]
    e1, e2 = tangents(axle)
    seen = camera.project(centre + radius * (np.cos(around) * e1 + np.sin(around) * e2))[:, :2]
    angle = np.arange(24) * (2 * np.pi / 24)
    directions = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    support = supports(conics, directions[None])
    np.testing.assert_allclose(support[0, :, 0], (seen @ directions.T).max(axis=0), atol=1e-3)
    along = touching_points(conics, directions[None], support)[0, :, 0]
    touched = seen[(seen @ directions.T).argmax(axis=0)]
    across = np.stack([-directions[:, 1], directions[:, 0]], axis=1)
    np.testing.assert_allclose(along, (touched * across).sum(axis=1), atol=0.1)
