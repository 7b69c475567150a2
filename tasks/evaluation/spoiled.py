"""Films that go wrong as customers' do, made from sound ones: what the verdict is tried on.

A film is a list of frames ``(H, W, 4)`` BGRA uint8 whose alpha is the mask of the tyre; written as
PNGs, the pipeline takes their masks as they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import trimesh
from numpy.typing import NDArray

from tasks.geometry.camera import look_at
from tasks.geometry.ray_caster import RayCaster
from tasks.imaging.images import with_jpeg_losses, write_image
from tasks.imaging.masks import foreground

Film = list[NDArray[np.uint8]]


@dataclass(frozen=True)
class Defect:
    """One way in which a film is spoiled.

    Args:
        spoil: Makes the spoiled film of a sound one and of another sound one.
        named_by: Codes of reasons or errors of which one must be given.
    """

    spoil: Callable[[Film, Film], Film]
    named_by: frozenset[str]


def _each(change: Callable[[NDArray[np.uint8], float], NDArray[np.uint8]]) -> Callable[..., Film]:
    """A fault of single frames, which are told their place in the film, 0 to 1."""

    def spoil(film: Film, _: Film) -> Film:
        return [change(f, k / max(len(film) - 1, 1)) for k, f in enumerate(film)]

    return spoil


def _coloured(change: Callable[[NDArray[np.float32]], Any]) -> Callable[..., Film]:
    """A fault of the colours, ``(H, W, 3)``; masks stay."""

    def one(frame: NDArray[np.uint8], _: float) -> NDArray[np.uint8]:
        colours = np.clip(change(frame[..., :3].astype(np.float32)), 0, 255).astype(np.uint8)
        return np.dstack([colours, frame[..., 3]])

    return _each(one)


def _box(frame: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """Left, top, width and height of the foreground."""
    x, y, w, h = cv2.boundingRect(foreground(frame[..., 3]).astype(np.uint8))
    return x, y, w, h


def _short_arc(film: Film, _: Film) -> Film:
    """About 40 degrees of a walk round the tyre."""
    return film[: _short(len(film))]


def _short(count: int) -> int:
    """Frames of about 40 degrees, of a film of so many round the whole tyre."""
    return max(4, round(count / 9))


def _cut_off(frame: NDArray[np.uint8], _: float) -> NDArray[np.uint8]:
    """The camera points past the tyre, of which a third is outside the image."""
    x, _y, w, _h = _box(frame)
    moved = np.zeros_like(frame)
    by = min(x + w // 3, frame.shape[1] - 8)
    moved[:, : frame.shape[1] - by] = frame[:, by:]
    return moved


def _still(film: Film, _: Film) -> Film:
    """Neither camera nor tyre moves; the sensor's noise does."""
    rng = np.random.default_rng(0)
    frames = []
    for _k in film:
        noise = rng.normal(0, 1.0, film[0].shape[:2])[..., None]
        noisy = np.clip(film[0][..., :3] + noise, 0, 255).astype(np.uint8)
        frames.append(np.dstack([noisy, film[0][..., 3]]))
    return frames


def _stand(frame: NDArray[np.uint8], _: float) -> NDArray[np.uint8]:
    """A wooden block before the lower part of the tyre, in image and mask."""
    x, y, w, h = _box(frame)
    out = frame.copy()
    top, bottom = y + round(0.8 * h), min(y + round(1.15 * h), frame.shape[0] - 3)
    left, right = x + round(0.15 * w), x + round(0.85 * w)
    grain = np.linspace(0, 20, max(right - left, 1))[None, :, None] % 7
    out[top:bottom, left:right, :3] = np.array([70, 120, 165]) + grain
    out[top:bottom, left:right, 3] = 255
    return out


def _hand(frame: NDArray[np.uint8], time: float) -> NDArray[np.uint8]:
    """An arm that reaches for the tyre from the right, in image and mask."""
    x, y, w, h = _box(frame)
    out = frame.copy()
    reach = np.zeros(frame.shape[:2], np.uint8)
    at = (x + w, y + round((0.45 + 0.1 * math.sin(20 * time)) * h))
    end = (min(x + round(1.45 * w), frame.shape[1] - 4), at[1] + round(0.1 * h))
    cv2.line(reach, at, end, 255, max(4, round(0.22 * h)))
    out[reach > 0] = (130, 160, 210, 255)
    return out


def _half_mask(frame: NDArray[np.uint8], time: float) -> NDArray[np.uint8]:
    """A mask that lacks a third of the tyre, now on one side and now on the other."""
    x, _y, w, _h = _box(frame)
    out = frame.copy()
    if math.sin(40 * time) > 0:
        out[:, : x + w // 3, 3] = 0
    else:
        out[:, x + 2 * w // 3 :, 3] = 0
    return out


def _others(frame: NDArray[np.uint8], _: float) -> NDArray[np.uint8]:
    """A second tyre stands beside the first, and is in the mask as well."""
    x, y, w, h = _box(frame)
    other = np.asarray(cv2.resize(frame[y : y + h, x : x + w], None, fx=0.8, fy=0.8), np.uint8)
    out = frame.copy()
    left = x + w + 4 if x + w + 4 + other.shape[1] < frame.shape[1] else None
    left = max(0, x - 4 - other.shape[1]) if left is None else left
    room = min(other.shape[1], frame.shape[1] - left)
    target = out[y : y + other.shape[0], left : left + room]
    inside = foreground(other[:, :room, 3]) & ~foreground(target[..., 3])
    target[inside] = other[:, :room][inside]
    return out


def _joined(film: Film, other: Film) -> Film:
    """Half of one film, then half of another tyre's, in another place."""
    height, width = film[0].shape[:2]
    half = len(film) // 2
    rest = [np.asarray(cv2.resize(f, (width, height)), np.uint8) for f in other[half:]]
    return [*film[:half], *rest]


def _mirrored(film: Film, _: Film) -> Film:
    """The second half as a front camera mirrors it."""
    half = len(film) // 2
    return [*film[:half], *(np.ascontiguousarray(f[:, ::-1]) for f in film[half:])]


def _zoomed(frame: NDArray[np.uint8], time: float) -> NDArray[np.uint8]:
    """A zoom that goes in by half and out again, twice."""
    height, width = frame.shape[:2]
    scale = 1.0 - 0.3 * math.sin(2 * math.pi * 2 * time) ** 2
    matrix = np.array([[scale, 0, width * (1 - scale) / 2], [0, scale, height * (1 - scale) / 2]])
    colours = cv2.warpAffine(frame[..., :3], matrix, (width, height), borderMode=cv2.BORDER_REFLECT)
    return np.dstack([colours, cv2.warpAffine(frame[..., 3], matrix, (width, height))])


def _compressed(frame: NDArray[np.uint8], _: float) -> NDArray[np.uint8]:
    """A messenger's smallest size and worst quality."""
    height, width = frame.shape[:2]
    small = cv2.resize(frame[..., :3], (width // 5, height // 5), interpolation=cv2.INTER_AREA)
    again = with_jpeg_losses(small.astype(np.uint8), 8)
    return np.dstack([cv2.resize(again, (width, height)), frame[..., 3]]).astype(np.uint8)


def box_film(count: int, size: tuple[int, int]) -> Film:
    """A walk round a box of wood where a tyre should stand."""
    width, height = size
    shape = trimesh.creation.box((0.6, 0.6, 0.45))
    caster = RayCaster(shape.vertices, shape.faces, scale=100.0)
    rng = np.random.default_rng(0)
    small = rng.integers(60, 220, (24, 24, 3)).astype(np.uint8)
    skin = cv2.resize(small, (512, 512), interpolation=cv2.INTER_CUBIC)
    wall = cv2.resize(small[::-1].copy(), (1024, 512), interpolation=cv2.INTER_CUBIC)
    v, u = np.mgrid[:height, :width]
    pixels = np.stack([u.ravel(), v.ravel()], axis=1) + 0.5
    film = []
    for k in range(count):
        turn = 2 * math.pi * k / count
        eye = np.array([1.4 * math.sin(turn), 0.4, 1.4 * math.cos(turn)])
        camera = look_at(eye, np.zeros(3), focal_px=0.95 * width, width=width, height=height)
        rays = camera.rays(pixels)
        met = caster.intersect(np.repeat(camera.centre[None], len(rays), axis=0), rays)
        hit = met.face >= 0
        at = camera.centre + rays[hit] * met.distance[hit, None]
        texel = ((at[:, :2] + at[:, 2:] + 1.0) * 256).astype(int) % 512
        frame = np.zeros((height * width, 4), np.uint8)
        azimuth = np.arctan2(rays[:, 2], rays[:, 0]) / (2 * math.pi) % 1.0
        rise = np.clip(256 + 400 * rays[:, 1], 0, 511).astype(int)
        frame[:, :3] = wall[rise, (azimuth * 1023).astype(int)]
        frame[hit, :3] = skin[texel[:, 1], texel[:, 0]]
        frame[hit, 3] = 255
        film.append(frame.reshape(height, width, 4))
    return film


def _codes(*codes: str) -> frozenset[str]:
    return frozenset(codes)


DEFECTS: dict[str, Defect] = {
    "mirrored": Defect(_mirrored, _codes("frames-lost", "film-cut", "photos-off", "path-jumps")),
    "zoom": Defect(_each(_zoomed), _codes("scale-drifts")),
    "half masks": Defect(
        _each(_half_mask), _codes("masks-lack-parts", "masks-filled", "film-not-round")
    ),
    "compressed": Defect(_each(_compressed), _codes("film-blurred", "photos-off")),
    "two films": Defect(_joined, _codes("film-cut", "frames-lost")),
    "short arc": Defect(_short_arc, _codes("arc-short", "film-short-arc")),
    "cut off": Defect(_each(_cut_off), _codes("film-cut-off")),
    "blurred": Defect(
        _coloured(lambda c: cv2.GaussianBlur(c, (0, 0), 7.0)), _codes("film-blurred", "photos-off")
    ),
    "dark": Defect(_coloured(lambda c: 0.1 * c), _codes("film-dark")),
    "overexposed": Defect(_coloured(lambda c: 8.0 * c + 60.0), _codes("film-overexposed")),
    "still": Defect(_still, _codes("film-no-motion")),
    "stand": Defect(_each(_stand), _codes("masks-hold-more", "masks-cut", "film-not-round")),
    "hand": Defect(_each(_hand), _codes("masks-hold-more", "masks-cut", "film-not-round")),
    "other tyre": Defect(_each(_others), _codes("film-others", "film-not-round")),
    "box": Defect(
        lambda film, _: box_film(len(film), (film[0].shape[1], film[0].shape[0])),
        _codes("film-not-round", "not-a-tyre", "outlines-off", "masks-hold-more"),
    ),
}
"""What customers' films suffer from, by name; first those that the first word hardly tells."""


def _brighter(frame: NDArray[np.uint8], time: float) -> NDArray[np.uint8]:
    gain = 1.0 + 0.2 * math.sin(9 * time)
    return np.dstack(
        [np.clip(frame[..., :3] * gain, 0, 255).astype(np.uint8), frame[..., 3]]
    ).astype(np.uint8)


SOUND: dict[str, Callable[[Film, Film], Film]] = {
    "as filmed": lambda film, _: film,
    "the other way round": lambda film, _: film[::-1],
    "warm light": _coloured(lambda c: c * np.array([0.75, 0.95, 1.1], np.float32)),
    "drifting exposure": _each(_brighter),
    "a little soft": _coloured(lambda c: cv2.GaussianBlur(c, (0, 0), 0.8)),
}
"""Changes that leave a film sound."""


def origins(kind: str, count: int) -> list[int | None]:
    """Which frame of the sound film each frame of a changed one shows, from the same place.

    Args:
        kind: From ``SOUND`` or ``DEFECTS``.
        count: Number of frames of the sound film.

    Returns:
        Numbers of frames; None where a frame is seen from no camera of the sound film.
    """
    every: list[int | None] = list(range(count))
    half = count // 2
    elsewhere: list[int | None] = [None]
    changed = {
        "the other way round": every[::-1],
        "short arc": every[: _short(count)],
        "still": every[:1] * count,
        "two films": every[:half] + elsewhere * (count - half),
        "mirrored": every[:half] + elsewhere * (count - half),
        "box": elsewhere * count,
    }
    return changed.get(kind, every)


def write_film(film: Sequence[NDArray[np.uint8]], folder: Path) -> None:
    """Write a film as a folder of PNGs with transparency."""
    folder.mkdir(parents=True, exist_ok=True)
    for k, frame in enumerate(film):
        write_image(folder / f"{k:04d}.png", frame, [cv2.IMWRITE_PNG_COMPRESSION, 1])
