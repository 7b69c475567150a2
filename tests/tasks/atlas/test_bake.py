"""What frames agree on where some of them see something else."""

from __future__ import annotations

import numpy as np

from configs.stages import AtlasConfig
from tasks.atlas.bake import agree_on_colours
from tasks.atlas.views import VertexViews

RUBBER, WOOD = (24.0, 22.0, 20.0), (60.0, 46.0, 20.0)


def test_many_frames_outvote_the_few_that_see_best() -> None:
    """A post before the tyre, taken for rubber in the two frames that see that place best."""
    local = np.zeros((7, 500, 3), np.float32)
    local[:] = RUBBER
    local[:2, :50] = WOOD
    weights = np.full((7, 500), 0.1, np.float32)
    weights[:2, :50] = 0.45
    agreed = agree_on_colours(VertexViews([], [], weights, local), AtlasConfig())
    np.testing.assert_allclose(agreed.colours, np.tile(RUBBER, (500, 1)))
    of_wood, of_rubber = agreed.detail[:2, :50].sum(), agreed.detail[2:, :50].sum()
    assert of_wood < 0.1 * of_rubber


def test_a_hue_that_is_off_counts_though_it_is_as_bright() -> None:
    local = np.full((5, 50, 3), 60.0, np.float32)
    local[4] = (100.0, 60.0, 20.0)
    weights = np.full((5, 50), 0.2, np.float32)
    agreed = agree_on_colours(VertexViews([], [], weights, local), AtlasConfig(best=5))
    assert agreed.detail[4].max() < 0.2 * agreed.detail[:4].min()
