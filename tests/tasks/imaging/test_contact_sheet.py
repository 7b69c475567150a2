"""Images on one sheet."""

import numpy as np

from tasks.imaging.contact_sheet import contact_sheet
from tasks.imaging.images import Image


def _frames(count: int) -> list[Image]:
    return [np.full((90, 160, 3), 10 * i, np.uint8) for i in range(count)]


def test_every_image_is_shown() -> None:
    sheet = contact_sheet(_frames(6), [str(i) for i in range(6)])
    assert sheet.shape == (2 * 150, 4 * 200, 3)
    assert [int(sheet[75, 100 + 200 * i, 0]) for i in range(4)] == [0, 10, 20, 30]
    assert int(sheet[225, 100, 0]) == 40
    assert contact_sheet(_frames(1), ["0"]).shape == (150, 200, 3)
