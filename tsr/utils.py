"""Image preparation and output, under the module path of the published implementation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import trimesh
    from PIL.Image import Image

from tsr.errors import TSRError


def remove_background(
    image: Image, rembg_session: Any | None = None, force: bool = False, **rembg_kwargs: Any
) -> Image:
    """RGBA image without its background; one that has transparency already is left as it is.

    Args:
        image: RGB or RGBA.
        rembg_session: A session of rembg; made if None.
        force: Remove it even if there is transparency.
        rembg_kwargs: Passed on to ``rembg.remove``.
    """
    if not force and image.mode == "RGBA" and image.getchannel("A").getextrema()[0] != 255:
        return image
    import rembg

    result: Image = rembg.remove(image, session=rembg_session, **rembg_kwargs)
    return result


def resize_foreground(image: Image, ratio: float) -> Image:
    """Crop an RGBA image to its foreground, squared, so that this fills ``ratio`` of the side.

    The box is that of alpha > 0 and its last row and column are dropped, as in the published
    implementation: keep this for parity.
    """
    from PIL import Image as PIL

    pixels = np.array(image)
    if pixels.ndim != 3 or pixels.shape[-1] != 4:
        raise TSRError(f"the image must be RGBA, not {image.mode}")
    rows, columns = np.nonzero(pixels[..., 3] > 0)
    if not len(rows) or not 0 < ratio <= 1:
        raise TSRError(f"nothing to resize: no foreground, or ratio {ratio} is not in 0..1")
    foreground = pixels[rows.min() : rows.max(), columns.min() : columns.max()]
    side = max(foreground.shape[:2])
    return PIL.fromarray(_centre(_centre(foreground, side), int(side / ratio)), mode="RGBA")


def _centre(pixels: np.ndarray[Any, Any], side: int) -> np.ndarray[Any, Any]:
    height, width = pixels.shape[:2]
    top, left = (side - height) // 2, (side - width) // 2
    return np.pad(
        pixels, ((top, side - height - top), (left, side - width - left), (0, 0)), mode="constant"
    )


def to_gradio_3d_orientation(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    """Turn a mesh, in place, from z up to y up: (x, y, z) to (-y, z, -x).

    What looked at the camera, along +x, looks along -z then, as in the published implementation;
    glTF calls +z the front.
    """
    turn = np.diag([-1.0, 1.0, -1.0, 1.0]) @ np.eye(4)[[1, 2, 0, 3]]
    mesh.apply_transform(turn)
    return mesh


def save_video(frames: Sequence[Image], output_path: str | Path, fps: int = 30) -> None:
    """Write PIL images as an MP4 video.

    Raises:
        TSRError: There are no frames, or the file cannot be written.
    """
    import cv2

    if not frames:
        raise TSRError("no frames to write")
    writer = cv2.VideoWriter(
        str(output_path), cv2.VideoWriter.fourcc(*"mp4v"), float(fps), frames[0].size
    )
    if not writer.isOpened():
        raise TSRError(f"{output_path}: cannot write a video there")
    try:
        for frame in frames:
            writer.write(cv2.cvtColor(np.asarray(frame.convert("RGB")), cv2.COLOR_RGB2BGR))
    finally:
        writer.release()
