"""Components of arrays whose angle runs round."""

from __future__ import annotations

import numpy as np

from tasks.fusion.decision.components import label_around


def test_components_run_round() -> None:
    marked = np.zeros((4, 6), np.bool_)
    marked[1, [0, 5]] = marked[3, 2] = marked[2, 1] = True
    marked[0, 4] = True  # touches the one at the seam by a corner
    labels = label_around(marked, np.ones((3, 3)))
    assert len(np.unique(labels[[1, 1, 2, 0], [0, 5, 1, 4]])) == 1
    assert labels[3, 2] in (0, labels[1, 0]), "by a corner, too"
    assert (labels[~marked] == 0).all()
    assert (labels[marked] > 0).all()
    edges = label_around(marked)
    assert edges[1, 0] == edges[1, 5]
    assert len(np.unique(edges[marked])) == 4


def test_a_corner_across_the_seam_counts_where_corners_do() -> None:
    marked = np.zeros((3, 5, 2), np.bool_)
    marked[0, 4, 0] = marked[1, 0, 0] = True
    assert label_around(marked).max() == 2
    assert label_around(marked, np.ones((3, 3, 3))).max() == 1
