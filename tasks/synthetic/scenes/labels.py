"""Labels of the parts of a tyre in images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tasks.matting.parts import RIM, RUBBER
from tasks.synthetic.scenes.raycast import Wheel
from tasks.synthetic.tyres.spec import Part
from tasks.synthetic.tyres.tyre import Tyre


def part_labels(wheel: Wheel) -> NDArray[np.uint8]:
    """Labels ``(F,)`` of a wheel's faces; all of a wheel from a file counts as rubber."""
    if isinstance(wheel, Tyre):
        return np.where(wheel.part >= Part.RIM, RIM, RUBBER).astype(np.uint8)
    return np.full(len(wheel.faces), RUBBER, dtype=np.uint8)
