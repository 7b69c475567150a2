"""Several images on one sheet."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from tasks.imaging.images import Image

BACKGROUND = 245
"""Grey level behind images and rendered meshes, 0 to 255."""

_TILE_PX = (200, 150)


def contact_sheet(images: Sequence[Image], labels: Sequence[str], columns: int = 4) -> Image:
    """Images side by side, each with its label.

    Args:
        images: Images ``(H, W, 3)`` BGR uint8, of any sizes.
        labels: Label of each image.
        columns: Number of images in a row.
    """
    width, height = _TILE_PX
    rows = -(-len(images) // columns)
    across = min(columns, len(images))
    sheet = np.full((rows * height, across * width, 3), BACKGROUND, np.uint8)
    for position, (image, label) in enumerate(zip(images, labels, strict=True)):
        scale = min((width - 4) / image.shape[1], (height - 4) / image.shape[0])
        size = (max(1, int(image.shape[1] * scale)), max(1, int(image.shape[0] * scale)))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        top = position // columns * height + (height - size[1]) // 2
        left = position % columns * width + (width - size[0]) // 2
        sheet[top : top + size[1], left : left + size[0]] = small
        cv2.rectangle(sheet, (left, top), (left + 8 * len(label), top + 15), (255,) * 3, cv2.FILLED)
        cv2.putText(
            sheet,
            label,
            (left + 3, top + 11),
            cv2.FONT_HERSHEY_SIMPLEX,
            0.38,
            (0,) * 3,
            1,
            cv2.LINE_AA,
        )
    return sheet
