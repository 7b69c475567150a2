"""Parts that hang in the air are tied to the tyre: every part of a wheel holds on to the rest.

A bead whose wall is too black to see, a hub whose disc lies in shadow: the segmentation leaves them
alone in space. Each is joined to the largest body along the way that photos and network find
likeliest, in the half plane of radius and axle, as a thin wall around, open where the network is
sure of a gap.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, label
from skimage.graph import MCP_Geometric

from tasks.fusion.grid import CylinderGrid, Field

LEAST_PART = 0.003
"""Share of the largest body's nodes below which a part is a crumb and not joined."""

SECTION = 0.3
"""Share of the way around that a part has to fill to count in its section."""


def tie_loose_parts(
    grid: CylinderGrid,
    share: Field,
    likely: NDArray[np.float32],
    possible: NDArray[np.bool_],
    *,
    thickness: float,
) -> Field:
    """Join parts to the largest body.

    Args:
        grid: The common grid.
        share: ``(R, T, Z)`` share of matter, 0 to 1.
        likely: ``(R, Z)`` how likely there is matter, 0 to 1; 0 where none can be.
        possible: ``(R, T, Z)`` where a wall may be drawn; a circle with no such place is closed.
        thickness: Of the walls that are drawn, metres.

    Returns:
        The shares with walls of matter drawn where parts were loose.
    """
    parts = _parts(share > 0.5)
    sections = [(p.mean(axis=1) > SECTION) & (likely > 0) for p in parts]
    out = share
    if not sections or not sections[0].any():
        return out
    body = sections[0]
    possible = possible | ~possible.any(axis=1, keepdims=True)
    cost = 1.0 / (0.02 + np.clip(likely, 0.0, 1.0))
    cost[likely <= 0] = -1.0  # impassable
    for section in sections[1:]:
        if not section.any():
            continue
        ways = MCP_Geometric(cost)
        starts, ends = np.argwhere(section), np.argwhere(body)
        found, _ = ways.find_costs([tuple(s) for s in starts], [tuple(e) for e in ends])
        reached = found[body]
        if not np.isfinite(reached).any():
            continue
        path = np.asarray(ways.traceback(tuple(ends[int(np.argmin(reached))])))
        off = np.ones(body.shape, bool)
        off[path[:, 0], path[:, 1]] = False
        wall = distance_transform_edt(off) * grid.step <= 0.5 * thickness
        wall &= likely > 0
        out = np.where(wall[:, None, :] & possible, np.float32(1.0), out)
        body = body | section | wall
    return np.asarray(out, np.float32)


def _parts(solid: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """Connected parts that are no crumbs, the largest first; the angle runs round."""
    names, count = label(solid)
    parent = np.arange(count + 1)

    def root(k: int) -> int:
        while parent[k] != k:
            k = int(parent[k])
        return k

    seam = (names[:, 0] > 0) & (names[:, -1] > 0)
    for a, b in set(zip(names[:, 0][seam].tolist(), names[:, -1][seam].tolist(), strict=True)):
        parent[root(a)] = root(b)
    names = np.array([root(k) for k in range(count + 1)])[names]
    sizes = np.bincount(names.ravel())
    sizes[0] = 0
    order = [int(k) for k in np.argsort(-sizes) if sizes[k] > LEAST_PART * sizes.max(initial=1)]
    return [names == k for k in order]
