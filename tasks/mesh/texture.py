"""The texture of a mesh as numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.imaging.images import decode_embedded
from tasks.imaging.sampling import sample_repeating
from tasks.imaging.srgb import linear_from_srgb

Float32Array = NDArray[np.float32]


def decoded(texture: bytes | None) -> Float32Array | None:
    """A texture, linear RGB ``(H, W, 3)``; None where there is none that can be read.

    Args:
        texture: Its file; None for none.
    """
    image = None if texture is None else decode_embedded(texture)
    if image is None:
        return None
    return linear_from_srgb(image[..., ::-1].astype(np.float64) / 255.0).astype(np.float32)


def sampled(texture: Float32Array, uv: NDArray[np.floating[Any]]) -> Float32Array:
    """Bilinear samples ``(N, 3)``; the texture repeats.

    Args:
        texture: ``(H, W, 3)``, from :func:`decoded`.
        uv: ``(N, 2)`` texture coordinates.
    """
    height, width = texture.shape[:2]
    at = uv.astype(np.float32) * np.array([width, height], np.float32) - np.float32(0.5)
    return sample_repeating(texture, at[:, 0], at[:, 1])
