"""Connected components: every part of a wheel is joined to the rest.

A bead whose wall is too black to see or a hub whose disc lies in shadow may come out as a component
of its own. Each is joined to the largest one along the path of least cost through what photos and
network find likely, in the half plane of radius and axle, by a thin wall around, open where the
network is sure of a gap.

Minimal path: Cohen and Kimmel, Global minimum for active contour models, IJCV 24, 1997.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from skimage.graph import MCP_Geometric

from tasks.fusion.decision.components import label_around
from tasks.fusion.grid import CylinderGrid, Field

MIN_COMPONENT_SHARE = 0.003
"""Share of the largest component's nodes below which a component is noise and not joined."""

MIN_CIRCLE_SHARE = 0.3
"""Share of a circle around the axle that a component fills to count in its section."""


def connect_components(
    grid: CylinderGrid,
    occupancy: Field,
    probability: NDArray[np.float32],
    allowed: NDArray[np.bool_],
    *,
    thickness: float,
) -> Field:
    """Join all components to the largest one.

    Args:
        grid: The common grid.
        occupancy: ``(R, T, Z)`` float32 share of matter, 0 to 1.
        probability: ``(R, Z)`` float32 how likely there is matter, 0 to 1; 0 where none can be.
        allowed: ``(R, T, Z)`` where a wall may be drawn; a circle that allows it nowhere gets a
            closed wall.
        thickness: Thickness of the walls, metres.

    Returns:
        ``(R, T, Z)`` float32 occupancy, 1 in the walls that were drawn.
    """
    components = _components(occupancy > 0.5)
    sections = [(c.mean(axis=1) > MIN_CIRCLE_SHARE) & (probability > 0) for c in components]
    out = occupancy
    if not sections or not sections[0].any():
        return out
    body = sections[0]
    allowed = allowed | ~allowed.any(axis=1, keepdims=True)
    cost = 1.0 / (0.02 + np.clip(probability, 0.0, 1.0))
    cost[probability <= 0] = -1.0  # impassable
    for section in sections[1:]:
        if not section.any():
            continue
        paths = MCP_Geometric(cost)
        starts, ends = np.argwhere(section), np.argwhere(body)
        found, _ = paths.find_costs([tuple(s) for s in starts], [tuple(e) for e in ends])
        reached = found[body]
        if not np.isfinite(reached).any():
            continue
        path = np.asarray(paths.traceback(tuple(ends[int(np.argmin(reached))])))
        off = np.ones(body.shape, bool)
        off[path[:, 0], path[:, 1]] = False
        wall = distance_transform_edt(off) * grid.step <= 0.5 * thickness
        wall &= probability > 0
        out = np.where(wall[:, None, :] & allowed, np.float32(1.0), out)
        body = body | section | wall
    return np.asarray(out, np.float32)


def _components(solid: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """Components ``(R, T, Z)`` that are no noise, the largest first; the angle runs round."""
    labels = label_around(solid)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    least = MIN_COMPONENT_SHARE * sizes.max(initial=1)
    order = [int(k) for k in np.argsort(-sizes) if sizes[k] > least]
    return [labels == k for k in order]
