"""Read and write image files: the only module that decodes them.

An image that an earlier stage wrote and that cannot be decoded is damage to an artifact, whoever
reads it: one error, ``artifact-damaged``. One that the user gave is an input that cannot be used,
``image-unreadable``.
"""

from __future__ import annotations

import math
import struct
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from configs.stages import StageName
from tasks.core.errors import InputError, StorageError

Image = NDArray[np.uint8]

_EXIF, _FOCAL_LENGTH_IN_35_MM = 0x8769, 0xA405
_DIAGONAL_MM = math.hypot(36.0, 24.0)
_PARSING = (ValueError, TypeError, ArithmeticError, LookupError, SyntaxError, struct.error)
"""What Pillow's parsers raise where data are damaged."""


def read_image(path: Path) -> Image:
    """Read the colours of an image that an earlier stage wrote.

    Returns:
        ``(H, W, 3)`` BGR.

    Raises:
        StorageError: ``artifact-damaged`` if the file is missing or cannot be decoded.
    """
    return _decoded(path, cv2.IMREAD_COLOR)


def read_thumb(path: Path) -> Image:
    """Read an image at an eighth of its size, ``(H / 8, W / 8, 3)``; raises likewise."""
    return _decoded(path, cv2.IMREAD_REDUCED_COLOR_8)


def read_grey(path: Path) -> Image:
    """Read the grey values ``(H, W)`` of an image; raises as :func:`read_image` does."""
    return _decoded(path, cv2.IMREAD_GRAYSCALE)


def read_mask(path: Path) -> Image:
    """Read an alpha ``(H, W)`` that was written as a grey image; raises as :func:`read_image`."""
    return _decoded(path, cv2.IMREAD_GRAYSCALE)


def read_alpha_channel(path: Path) -> Image:
    """Read the fourth channel ``(H, W)`` of an image with one; raises as :func:`read_image`."""
    return np.ascontiguousarray(_decoded(path, cv2.IMREAD_UNCHANGED)[..., 3])


def read_source_image(path: Path, check_size: Callable[[int, int], None]) -> Image:
    """Read an image that the user gave.

    Args:
        path: A PNG or JPEG file.
        check_size: Given width and height before anything is decoded; refuses by raising.

    Returns:
        ``(H, W, 3)`` BGR, or ``(H, W, 4)`` BGRA where its transparency says something.

    Raises:
        InputError: ``image-unreadable`` or ``frame-too-large``.
    """
    import PIL.Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large images, and of damaged Exif data
            with PIL.Image.open(path) as header:
                check_size(*header.size)
                png = header.format == "PNG"  # whatever it is called
                if not png:  # OpenCV passes JPEGs that are cut off, the rest grey
                    header.draft("L", (1, 1))  # an eighth of the size; all of the file is read
                    header.load()
    except PIL.Image.DecompressionBombError as exc:
        raise _unusable("frame-too-large", f"{path.name} is absurdly large") from exc
    except (PIL.UnidentifiedImageError, *_PARSING) as exc:
        raise _unusable("image-unreadable", f"{path.name} is not an image") from exc
    except OSError as exc:
        if exc.errno is not None:  # of the disk, not of the content
            raise
        raise _unusable("image-unreadable", f"{path.name} cannot be decoded") from exc
    content = np.frombuffer(path.read_bytes(), np.uint8)
    image = cv2.imdecode(content, cv2.IMREAD_UNCHANGED if png else cv2.IMREAD_COLOR)
    if image is None:
        raise _unusable("image-unreadable", f"{path.name} cannot be decoded")
    if image.dtype == np.uint16:
        image = (image // 257).astype(np.uint8)
    if image.ndim == 2:
        image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    if image.shape[2] == 4 and image[..., 3].min() == 255:
        image = image[..., :3]
    return np.ascontiguousarray(image, np.uint8)


def fov_by_exif(path: Path) -> float | None:
    """The field of view of a photo's longest side in degrees, as its Exif data tell it.

    Exif gives the focal length that shows as much on a frame of 36 x 24 mm, whole millimetres; how
    much is shown is compared by diagonals (CIPA DCG-001). A photo that was cut to another shape
    later shows less than it tells.

    Args:
        path: An image that can be decoded.

    Returns:
        None where the file tells no focal length, or an impossible one.
    """
    import PIL.Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of damaged data; the image is not
        with PIL.Image.open(path) as header:
            width, height = header.size
            try:
                focal_mm = float(header.getexif().get_ifd(_EXIF).get(_FOCAL_LENGTH_IN_35_MM) or 0)
            except _PARSING:
                return None
    if not 1 <= focal_mm <= 2000:
        return None
    shown_mm = _DIAGONAL_MM * max(width, height) / math.hypot(width, height)
    return math.degrees(2 * math.atan(shown_mm / 2 / focal_mm))


def write_image(path: Path, image: NDArray[Any], options: Sequence[int] = ()) -> None:
    """Write an image as its suffix says; unlike ``cv2.imwrite``, a full disk is an ``OSError``.

    Args:
        path: Where to.
        image: ``(H, W)``, ``(H, W, 3)`` BGR or ``(H, W, 4)`` BGRA, uint8.
        options: OpenCV's, in pairs, such as the quality of a JPEG.

    Raises:
        OSError: If the file cannot be written.
        ValueError: If the image cannot be encoded.
    """
    path.write_bytes(encode_image(path.suffix, image, options))


def encode_image(suffix: str, image: NDArray[Any], options: Sequence[int] = ()) -> bytes:
    """The content of an image file; arguments and ``ValueError`` as of :func:`write_image`."""
    good, content = cv2.imencode(suffix, image, list(options))
    if not good:
        raise ValueError(f"an image of shape {image.shape} cannot be encoded as {suffix}")
    return content.tobytes()


def decode_embedded(content: bytes) -> Image | None:
    """The BGR image ``(H, W, 3)`` of a file inside another; None if it is none that can be read."""
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    return None if image is None else np.asarray(image, np.uint8)


def with_jpeg_losses(image: NDArray[np.uint8], quality: int) -> Image:
    """The image ``(H, W, 3)`` as it comes back from a JPEG of a quality, 1 to 100."""
    _, packed = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), dtype=np.uint8)


def _decoded(path: Path, flags: int) -> Image:
    try:
        content = np.frombuffer(path.read_bytes(), np.uint8)
    except FileNotFoundError as exc:
        raise _damaged(f"{path} is missing") from exc
    image = cv2.imdecode(content, flags) if len(content) else None
    if image is None:
        raise _damaged(f"{path} cannot be decoded")
    return np.asarray(image, dtype=np.uint8)


def _damaged(what: str) -> StorageError:
    return StorageError(
        "artifact-damaged", stage="storage", what=what, advice="Run again; it is then made again"
    )


def _unusable(code: str, what: str) -> InputError:
    advice = "Remove it from the folder or write it again"
    return InputError(code, stage=StageName.EXTRACT, what=what, advice=advice)
