"""Points of a body followed through the frames: matches joined into tracks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from tasks.poses.observations import Observations
from tasks.poses.sfm import Matches

IntArray = NDArray[np.int64]


def join_matches(matches: Sequence[Matches], order: Sequence[int], *, least: int) -> Observations:
    """Tracks of all features that matches connect.

    A track with two features in one frame is one that a mistaken match has joined, and left out.

    Args:
        matches: Matches that are believed; a feature has the same pixels in all of them.
        order: Indices of the frames; their positions in it are the observations' frames.
        least: Fewest frames of a track.
    """
    position = {index: k for k, index in enumerate(order)}
    ends = [
        np.column_stack([np.full(len(pixels), position[index]), pixels])
        for m in matches
        for index, pixels in ((m.first, m.a), (m.second, m.b))
    ]
    if sum(map(len, ends)) == 0:
        return Observations(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 2)))
    features, feature = np.unique(np.concatenate(ends), axis=0, return_inverse=True)
    feature = feature.reshape(-1)
    links, offset = [], 0
    for m in matches:
        n = len(m.a)
        links.append(np.stack([feature[offset : offset + n], feature[offset + n : offset + 2 * n]]))
        offset += 2 * n
    link = np.concatenate(links, axis=1)
    count = len(features)
    graph = coo_matrix((np.ones(link.shape[1]), (link[0], link[1])), shape=(count, count))
    _, track = connected_components(graph, directed=False)
    frame = features[:, 0].astype(np.int64)
    doubled = np.zeros(track.max() + 1, dtype=bool)
    _, first, times = np.unique(
        np.stack([track, frame]), axis=1, return_index=True, return_counts=True
    )
    doubled[track[first[times > 1]]] = True
    keep = (np.bincount(track) >= least) & ~doubled
    chosen = keep[track]
    _, point = np.unique(track[chosen], return_inverse=True)
    return Observations(frame[chosen], point.reshape(-1).astype(np.int64), features[chosen, 1:])
