"""Parts of a tyre in an image, as the segmenter tells them and masks keep them."""

from __future__ import annotations

BACKGROUND, RUBBER, RIM = 0, 1, 2
"""Values of a pixel; what is seen through an opening of the rim is background."""

CLASSES = 3
"""Number of these values."""
