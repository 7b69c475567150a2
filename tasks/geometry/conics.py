"""Images of circles by the lines that touch them.

A line ``l`` touches the image of a circle when ``l^T G l = 0``, with the dual conic
``G = r² M (I - a a^T) M^T - q q^T``: ``M = K R``, ``a`` the normal of the circle's plane, ``r`` its
radius, ``q`` the image of its centre. ``G l`` is the point where it touches. With ``l = (d, -s)``,
``d`` a unit direction, this is a quadratic in ``s``, the support of the ellipse in that direction.

Source: Hartley and Zisserman, Multiple View Geometry, 2nd ed., sections 2.2.3 and 8.3.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def dual_conics(
    projection: FloatArray, centres: FloatArray, normal: FloatArray, radii: FloatArray
) -> FloatArray:
    """The images of parallel circles in many views.

    Args:
        projection: ``(N, 3, 3)`` ``K R`` of each view.
        centres: ``(N, C, 3)`` homogeneous images of the circles' centres, not normalised.
        normal: ``(3,)`` common unit normal in the world.
        radii: ``(C,)`` world units.

    Returns:
        ``(N, C, 3, 3)``.
    """
    axis = projection @ normal  # (N, 3)
    disc = projection @ projection.transpose(0, 2, 1) - axis[:, :, None] * axis[:, None, :]
    squares = (radii**2)[None, :, None, None]
    return np.asarray(squares * disc[:, None] - centres[..., :, None] * centres[..., None, :])


def supports(conics: FloatArray, directions: FloatArray) -> FloatArray:
    """Supports ``(N, P, C)`` in pixels of conics ``(N, C, 3, 3)`` in directions ``(N, P, 2)``.

    The circles must lie before the cameras.
    """
    lead = conics[..., 2, 2][:, None]  # (N, 1, C), negative while the circle lies before the camera
    half = directions @ conics[..., 2, :2].transpose(0, 2, 1)  # (N, P, C)
    x, y = directions[..., 0], directions[..., 1]
    squares = np.stack([x * x, 2.0 * x * y, y * y], axis=2)  # (N, P, 3)
    corner = np.stack([conics[..., 0, 0], conics[..., 0, 1], conics[..., 1, 1]], axis=1)
    last = squares @ corner  # (N, P, C)
    root = np.sqrt(np.maximum(half**2 - lead * last, 0.0))
    return np.asarray((half - root) / np.minimum(lead, -1e-12))


def touching_points(conics: FloatArray, directions: FloatArray, support: FloatArray) -> FloatArray:
    """Where tangents touch, ``(N, P, C)`` pixels along them.

    Args:
        conics: ``(N, C, 3, 3)``.
        directions: ``(N, P, 2)`` normals of the tangents.
        support: ``(N, P, C)`` their supports.

    Returns:
        The component of the touching point along the direction turned by 90 degrees from x to y.
    """
    x, y = directions[..., 0, None], directions[..., 1, None]  # (N, P, 1)
    xx, xy, yy, xw, yw, ww = (
        conics[..., i, j][:, None] for i, j in ((0, 0), (0, 1), (1, 1), (0, 2), (1, 2), (2, 2))
    )
    sideways = (yy - xx) * x * y + xy * (x * x - y * y) - support * (yw * x - xw * y)
    depth = xw * x + yw * y - support * ww
    return np.asarray(sideways / np.where(np.abs(depth) > 1e-12, depth, -1e-12))
