"""Connected components in arrays whose second axis is the angle about the axle."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components


def label_around(
    marked: NDArray[np.bool_], structure: NDArray[Any] | None = None
) -> NDArray[np.int64]:
    """Number connected components; the angle runs round.

    Args:
        marked: ``(R, T, ...)``, angles along the second axis.
        structure: What counts as connected, as of :func:`scipy.ndimage.label`.

    Returns:
        Numbers from 1, of the shape of ``marked``; 0 where nothing is marked.
    """
    labels, count = label(np.concatenate([marked, marked[:, :1]], axis=1), structure)
    first, again = labels[:, 0].ravel(), labels[:, -1].ravel()
    same = coo_matrix((np.ones(len(first)), (first, again)), shape=(count + 1, count + 1))
    _, number = connected_components(same, directed=False)
    return np.asarray(number[labels[:, :-1]], np.int64)
