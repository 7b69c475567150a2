"""Procedural textures of floors, walls and boxes: sRGB, ``(h, w, 3)`` uint8, rich in corners."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Texture = NDArray[np.uint8]
_Image = NDArray[np.float32]

_WORDS = (
    "BOX 4", "OIL", "EXIT", "PIT", "SPARES", "FRONT", "REAR L", "No 27", "FRAGILE", "KEEP CLEAR",
    "12V", "SERVICE", "BAY 2", "THIS SIDE UP", "FILTERS", "A-113", "CAUTION", "TORQUE 90", "LOT 8",
)  # fmt: skip


def floor(rng: np.random.Generator, kind: str, side: int = 2048) -> Texture:
    """A floor seen from above, used and marked.

    Args:
        rng: Source of randomness.
        kind: One of :data:`FLOORS`.
        side: Side of the texture, pixels.
    """
    image = FLOORS[kind](rng, side)
    for _ in range(int(rng.integers(6, 26))):
        _stain(rng, image)
    for _ in range(int(rng.integers(3, 14))):
        _crack(rng, image)
    for _ in range(int(rng.integers(4, 18))):
        _litter(rng, image, side // 90)
    for _ in range(int(rng.integers(0, 5))):
        _word(rng, image, rng.uniform(0.6, 1.6) * side / 1024)
    return _bytes(image)


def wall(rng: np.random.Generator, height: int = 768, width: int = 2048) -> Texture:
    """A workshop's wall: plaster, bricks or cladding with shelves, posters, pipes and signs."""
    base = _tinted(rng, rng.uniform(120, 215), 14)
    image = _flat(height, width, base) + 14 * _fractal(rng, height, width, 6)[..., None]
    style = rng.random()
    if style < 0.3:
        _bricks(rng, image, rng.uniform(18, 30))
    elif style < 0.5:
        ridges = np.sin(np.arange(width) * (2 * np.pi / rng.uniform(14, 40)))
        image += (12 * ridges[None, :, None]).astype(np.float32)
    if rng.random() < 0.6:
        band = int(height * rng.uniform(0.55, 0.75))
        image[band:] = 0.3 * image[band:] + 0.7 * _tinted(rng, rng.uniform(50, 150), 50)
        image[band - 4 : band + 3] = 40
    for _ in range(int(rng.integers(1, 4))):
        _shelf(rng, image)
    for _ in range(int(rng.integers(3, 10))):
        _poster(rng, image)
    for _ in range(int(rng.integers(1, 5))):
        y = int(rng.uniform(0.03, 0.9) * height)
        cv2.line(image, (0, y), (width, y), _colour(rng), int(rng.integers(2, 9)))
    return _bytes(image)


def facade(rng: np.random.Generator, height: int = 512, width: int = 2048) -> Texture:
    """What stands far behind an outdoor environment: garages, fences, hoardings."""
    image = _flat(height, width, _tinted(rng, rng.uniform(110, 200), 20))
    image += 10 * _fractal(rng, height, width, 5)[..., None]
    step = int(rng.integers(90, 260))
    for x in range(0, width, step):
        shade = _tinted(rng, rng.uniform(25, 190), 40)
        top = int(height * rng.uniform(0.2, 0.45))
        gap = int(step * rng.uniform(0.05, 0.3))
        image[top:, x + gap // 2 : x + step - gap // 2] = shade
        for y in range(top + 10, height, int(rng.integers(14, 40))):
            image[y : y + 2, x + gap // 2 : x + step - gap // 2] *= 0.75
        if rng.random() < 0.7:
            _poster(rng, image)
    rail = int(height * rng.uniform(0.75, 0.9))
    stripes = (np.arange(width) // int(rng.integers(30, 90))) % 2
    image[rail:] = np.where(stripes[None, :, None] > 0, _colour(rng), (225.0, 225.0, 225.0))
    return _bytes(image + 6 * _grain(rng, height, width)[..., None])


def crate(rng: np.random.Generator, side: int = 256) -> Texture:
    """One side of a cardboard box, a tool chest or a crate."""
    style = rng.random()
    if style < 0.45:
        base = np.array([170, 130, 90]) * rng.uniform(0.6, 1.15)
        image = _flat(side, side, base) + 8 * _fractal(rng, side, side, 5)[..., None]
        tape = int(side * rng.uniform(0.4, 0.6))
        image[:, tape - 12 : tape + 12] *= 1.18
    elif style < 0.75:
        image = _flat(side, side, np.array(_colour(rng)))
        for y in np.linspace(0, side, int(rng.integers(3, 7)))[1:-1].astype(int):
            image[y - 2 : y + 2] *= 0.35
            cv2.rectangle(image, (side // 4, y + 8), (3 * side // 4, y + 14), (190, 190, 190), -1)
    else:
        image = _flat(side, side, np.array(_colour(rng)))
        pitch = int(rng.integers(18, 40))
        _grid(image, np.arange(side) % pitch < 2, 0.5)
    for _ in range(int(rng.integers(1, 4))):
        _poster(rng, image, 0.3)
    cv2.rectangle(image, (0, 0), (side - 1, side - 1), (45, 42, 40), 3)
    return _bytes(image + 4 * _grain(rng, side, side)[..., None])


def plain(rng: np.random.Generator, side: int = 512, level: float | None = None) -> Texture:
    """A studio's backdrop: nearly one colour."""
    base = _tinted(rng, rng.uniform(90, 235) if level is None else level, 8)
    image = _flat(side, side, base) + 3 * _fractal(rng, side, side, 4)[..., None]
    return _bytes(image + 1.5 * _grain(rng, side, side)[..., None])


def disc(rng: np.random.Generator, side: int = 512) -> Texture:
    """The top of a turntable, with marks along its edge."""
    image = _flat(side, side, _tinted(rng, rng.uniform(60, 200), 10))
    image += 5 * _fractal(rng, side, side, 6)[..., None]
    mark = _colour(rng)
    for angle in np.arange(0, 2 * np.pi, 2 * np.pi / int(rng.choice([12, 24, 36]))):
        a, b = (side / 2 * (1 + r * np.array([np.cos(angle), np.sin(angle)])) for r in (0.86, 0.96))
        cv2.line(image, _pixel(a), _pixel(b), mark, int(rng.integers(2, 8)))
    for _ in range(int(rng.integers(2, 8))):
        _litter(rng, image, side // 60)
    return _bytes(image)


def wood(rng: np.random.Generator, side: int = 256) -> Texture:
    """Raw, stained or painted timber, its grain along the columns."""
    grain = rng.standard_normal((6, side // 2), dtype=np.float32)
    base = np.array([176, 136, 92]) * rng.uniform(0.35, 1.25) if rng.random() < 0.8 else None
    image = _flat(side, side, np.array(_colour(rng)) if base is None else base)
    image += np.float32(rng.uniform(5, 16)) * cv2.resize(grain, (side, side))[..., None]
    for _ in range(int(rng.integers(0, 5))):
        x, y = rng.uniform(0, side, 2)
        axes = (int(rng.integers(2, 7)), int(rng.integers(4, 16)))
        shade = (image.mean(axis=(0, 1)) * 0.5).tolist()
        cv2.ellipse(image, (int(x), int(y)), axes, 0, 0, 360, shade, -1, cv2.LINE_AA)
    return _bytes(image + 4 * _grain(rng, side, side)[..., None])


def fabric(rng: np.random.Generator, side: int = 256) -> Texture:
    """Clothes: plain, striped, checked or printed."""
    image = _flat(side, side, np.array(_colour(rng)) * rng.uniform(0.3, 1.0))
    style = rng.random()
    if style < 0.5:
        lines = np.arange(side) % int(rng.integers(12, 60)) < int(rng.integers(3, 12))
        image[lines] = _colour(rng)
        if style < 0.25:
            image[:, lines] = 0.5 * image[:, lines] + 0.5 * np.array(_colour(rng), np.float32)
    elif style < 0.65:
        for _ in range(int(rng.integers(10, 40))):
            x, y = rng.uniform(0, side, 2)
            cv2.circle(image, (int(x), int(y)), int(rng.integers(3, 24)), _colour(rng), -1)
    image *= 1 + 0.18 * _fractal(rng, side, side, 5)[..., None]
    return _bytes(image + 5 * _grain(rng, side, side)[..., None])


def metal(rng: np.random.Generator, side: int = 256) -> Texture:
    """Painted, galvanised or rusty sheet and bar."""
    painted = rng.random() < 0.6
    base = np.array(_colour(rng)) if painted else _tinted(rng, rng.uniform(40, 200), 6)
    image = _flat(side, side, base) + 9 * _fractal(rng, side, side, 6)[..., None]
    if rng.random() < 0.5:
        rust = np.clip(3 * _fractal(rng, side, side, 6) - rng.uniform(1.0, 3.5), 0, 1)[..., None]
        image += rust * (np.array([96, 54, 30], dtype=np.float32) - image)
    for _ in range(int(rng.integers(0, 12))):
        a, b = rng.uniform(0, side, 2), rng.normal(0, side / 8, 2)
        cv2.line(image, _pixel(a), _pixel(a + b), (image.mean(axis=(0, 1)) * 1.5).tolist(), 1)
    return _bytes(image + 3 * _grain(rng, side, side)[..., None])


def tread(rng: np.random.Generator, side: int = 256) -> Texture:
    """The rubber of other tyres: dark, with grooves along the rows."""
    base = rng.uniform(22, 75)
    image = _flat(side, side, _tinted(rng, base, 2)) + 3 * _fractal(rng, side, side, 6)[..., None]
    pitch = int(rng.integers(10, 30))
    lines = np.arange(side) % pitch < max(2, pitch // 4)
    image[:, lines] *= np.float32(rng.choice([0.4, 0.6, 1.7]))
    if rng.random() < 0.5:
        image[lines] *= 0.6
    return _bytes(image + 2 * _grain(rng, side, side)[..., None])


def panorama(rng: np.random.Generator, side: int = 256) -> Texture:
    """What is too far to have a place: sky and trees, a hall, a town, rows from zenith to nadir."""
    height, width = side, 4 * side
    top, low = (_tinted(rng, rng.uniform(20, 255), 25) for _ in range(2))
    ramp = np.linspace(0, 1, height)[:, None, None]
    image = _flat(height, width, (1 - ramp) * top + ramp * low)
    image += np.float32(rng.uniform(0, 30)) * _fractal(rng, height, width, 7)[..., None]
    horizon = int(height * rng.uniform(0.42, 0.52))
    for _ in range(int(rng.integers(0, 60))):
        w = int(rng.uniform(10, 200))
        h = int(rng.uniform(5, 90))
        x = int(rng.uniform(0, width - w))
        cv2.rectangle(image, (x, horizon - h), (x + w, height), _colour(rng), -1)
    if rng.random() < 0.4:  # trees and hedges
        edge = horizon - 30 - 25 * _fractal(rng, 8, width, 7)[0]
        green = np.arange(height)[:, None] > edge
        leaves = np.array([60, 84, 44], dtype=np.float32) * rng.uniform(0.5, 1.3)
        shade = 1 + 0.5 * _grain(rng, height, width)[..., None]
        image = np.where(green[..., None], leaves * shade, image).astype(np.float32)
    return _bytes(np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.6, 5.0)), np.float32))


def _gravel(rng: np.random.Generator, side: int) -> _Image:
    image = _flat(side, side, _tinted(rng, rng.uniform(70, 160), 10))
    for radius in (2, 4, 7):
        small = rng.standard_normal((side // radius, side // radius), dtype=np.float32)
        stones = cv2.resize(small, (side, side), interpolation=cv2.INTER_NEAREST)
        image += 13 * cv2.blur(stones, (radius, radius))[..., None]
    return image


def _grass(rng: np.random.Generator, side: int) -> _Image:
    image = _flat(side, side, np.array([78, 96, 50]) * rng.uniform(0.6, 1.3))
    image += 18 * _grain(rng, side, side)[..., None] + 25 * _fractal(rng, side, side, 8)[..., None]
    return np.asarray(cv2.blur(image, (1, 5)), dtype=np.float32)


def _concrete(rng: np.random.Generator, side: int) -> _Image:
    image = _flat(side, side, _tinted(rng, rng.uniform(95, 185), 5))
    image += 26 * _fractal(rng, side, side, 9)[..., None]
    image += 7 * _grain(rng, side, side)[..., None]
    for x in np.arange(rng.uniform(0, 0.5), 1, rng.uniform(0.25, 0.6)):
        image[:, int(x * side) : int(x * side) + 4] *= 0.6
        image[int(x * side) : int(x * side) + 4] *= 0.6
    return image


def _asphalt(rng: np.random.Generator, side: int) -> _Image:
    image = _flat(side, side, _tinted(rng, rng.uniform(55, 110), 6))
    grain = _grain(rng, side, side)
    image += (12 * grain + 30 * (grain > 2.4) + 12 * _fractal(rng, side, side, 8))[..., None]
    for _ in range(int(rng.integers(1, 4))):
        a, b = rng.uniform(0, side, 2), rng.uniform(0, side, 2)
        paint = (215.0, 215.0, 210.0) if rng.random() < 0.6 else (205.0, 165.0, 40.0)
        line = np.zeros((side, side), dtype=np.uint8)
        cv2.line(line, _pixel(a - 3 * (b - a)), _pixel(a + 3 * (b - a)), 1, side // 50)
        here = line > 0
        worn = 0.5 + 0.45 * np.clip(2 * _fractal(rng, side, side, 8)[here], -1, 1)[:, None]
        image[here] += worn * (np.array(paint, dtype=np.float32) - image[here])
    return image


def _epoxy(rng: np.random.Generator, side: int) -> _Image:
    image = _flat(side, side, _tinted(rng, rng.uniform(90, 185), 13))
    for _ in range(4):
        flakes = rng.random((side // 4, side // 4), dtype=np.float32) > 0.93
        mask = cv2.resize(flakes.astype(np.float32), (side, side), interpolation=cv2.INTER_LINEAR)
        image[mask > 0.5] = _tinted(rng, rng.uniform(30, 230), 20)
    return image + 8 * _fractal(rng, side, side, 8)[..., None]


def _tiles(rng: np.random.Generator, side: int) -> _Image:
    count = int(rng.integers(10, 28))
    a, b = _tinted(rng, rng.uniform(30, 120), 30), _tinted(rng, rng.uniform(120, 220), 20)
    checker = np.add.outer(np.arange(count), np.arange(count)) % 2 * (rng.random() < 0.6)
    cells = np.where(checker[..., None] > 0, a, b) + rng.normal(0, 6, (count, count, 1))
    big = cv2.resize(cells.astype(np.float32), (side, side), interpolation=cv2.INTER_NEAREST)
    image = np.asarray(big, dtype=np.float32)
    _grid(image, (np.arange(side) * count % side) < count * 3, 0.55)
    return np.asarray(image + 9 * _fractal(rng, side, side, 9)[..., None], dtype=np.float32)


def _planks(rng: np.random.Generator, side: int) -> _Image:
    grain = cv2.resize(
        rng.standard_normal((side // 2, 40), dtype=np.float32), (side, side)
    )  # long along the rows
    image = _flat(side, side, np.array([150, 112, 78]) * rng.uniform(0.5, 1.25))
    image += 9 * grain[..., None]
    pitch = int(side / rng.integers(18, 40))
    for y in range(0, side, pitch):
        image[y : y + pitch] *= rng.uniform(0.85, 1.15)
        image[y : y + 2] *= 0.4
        x = int(rng.uniform(0, side))
        image[y : y + pitch, x : x + 3] *= 0.4
    return image


FLOORS: dict[str, Callable[[np.random.Generator, int], _Image]] = {
    "concrete": _concrete,
    "asphalt": _asphalt,
    "epoxy": _epoxy,
    "tiles": _tiles,
    "planks": _planks,
    "gravel": _gravel,
    "grass": _grass,
}
"""Kinds of floor."""


def _bytes(image: _Image) -> Texture:
    return np.asarray(np.clip(image, 0, 255), dtype=np.uint8)


def _flat(height: int, width: int, colour: NDArray[np.float64]) -> _Image:
    return np.ascontiguousarray(np.broadcast_to(colour, (height, width, 3)), dtype=np.float32)


def _tinted(rng: np.random.Generator, level: float, cast_sd: float) -> NDArray[np.float64]:
    """A grey level with a cast, warm or cool."""
    warm, green = rng.normal(0, cast_sd), rng.normal(0, cast_sd / 4)
    return np.clip(level + np.array([warm, green, -warm]), 5, 250)


def _colour(rng: np.random.Generator) -> tuple[float, float, float]:
    hsv = np.array([[[rng.uniform(0, 180), rng.uniform(20, 200), rng.uniform(40, 225)]]])
    r, g, b = cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB)[0, 0]
    return float(r), float(g), float(b)


def _pixel(xy: NDArray[np.float64]) -> tuple[int, int]:
    return int(np.clip(xy[0], -30000, 30000)), int(np.clip(xy[1], -30000, 30000))


def _fractal(rng: np.random.Generator, height: int, width: int, octaves: int) -> _Image:
    """Noise of about unit range, coarse to fine; the finest grain repeats."""
    h, w = -(-height // 4), -(-width // 4)
    total = np.zeros((h, w), dtype=np.float32)
    cells, weight = 3, 1.0
    for _ in range(octaves):
        if cells > max(h, w):
            break
        noise = rng.standard_normal((cells, cells), dtype=np.float32)
        total += np.float32(weight / 1.8) * cv2.resize(noise, (w, h))
        cells, weight = cells * 2, weight * 0.7
    return np.asarray(cv2.resize(total, (width, height)), dtype=np.float32)


def _grain(rng: np.random.Generator, height: int, width: int) -> _Image:
    """Noise of unit deviation ``(height, width)``, which repeats after 256 pixels."""
    tile = rng.standard_normal((256, 256), dtype=np.float32)
    return np.tile(tile, (-(-height // 256), -(-width // 256)))[:height, :width]


def _grid(image: _Image, lines: NDArray[np.bool_], factor: float) -> None:
    image[lines] *= np.float32(factor)
    image[:, lines] *= np.float32(factor)


def _stain(rng: np.random.Generator, image: _Image) -> None:
    height, width = image.shape[:2]
    radius = int(width * rng.uniform(0.005, 0.05))
    x, y = (int(rng.uniform(radius, n - radius)) for n in (width, height))
    patch = image[y - radius : y + radius, x - radius : x + radius]
    grid = np.hypot(*np.meshgrid(*[np.linspace(-1, 1, 2 * radius)] * 2))
    edge = rng.uniform(0.4, 0.9) + 0.25 * _fractal(rng, 2 * radius, 2 * radius, 4)
    mask = np.clip((edge - grid) * rng.uniform(3, 20), 0, 1) * rng.uniform(0.15, 0.6)
    patch *= (1 - mask[..., None]).astype(np.float32)


def _crack(rng: np.random.Generator, image: _Image) -> None:
    height, width = image.shape[:2]
    steps = rng.normal(0, 0.5, (40, 1)).cumsum(axis=0) * 0.4 + rng.uniform(0, 7)
    path = np.hstack([np.cos(steps), np.sin(steps)]) * width * rng.uniform(0.002, 0.01)
    path = path.cumsum(axis=0) + rng.uniform(0, 1, 2) * (width, height)
    shade = image.mean(axis=(0, 1)) * rng.choice([0.35, 0.5, 1.5])
    cv2.polylines(
        image, [path.astype(np.int32)], False, shade.tolist(), int(rng.integers(1, 4)), cv2.LINE_AA
    )


def _litter(rng: np.random.Generator, image: _Image, size: int) -> None:
    """Tape, chalk marks, washers and scraps."""
    height, width = image.shape[:2]
    centre = rng.uniform(0.05, 0.95, 2) * (width, height)
    angle = rng.uniform(0, np.pi)
    along = np.array([np.cos(angle), np.sin(angle)]) * size * rng.uniform(0.5, 2.5)
    colour, kind = _colour(rng), rng.random()
    if kind < 0.35:
        across = np.array([-along[1], along[0]]) * rng.uniform(0.15, 1)
        corners = [centre + along + across, centre + along - across]
        corners += [centre - along - across, centre - along + across]
        cv2.fillPoly(image, [np.array(corners, dtype=np.int32)], colour, cv2.LINE_AA)
    elif kind < 0.6:
        across = np.array([-along[1], along[0]])
        for d in (along, across):
            cv2.line(image, _pixel(centre - d), _pixel(centre + d), colour, 3, cv2.LINE_AA)
    else:
        radius = max(2, int(size * rng.uniform(0.2, 1.2)))
        thickness = int(rng.choice([-1, 2, 4]))
        cv2.circle(image, _pixel(centre), radius, colour, thickness, cv2.LINE_AA)


def _word(rng: np.random.Generator, image: _Image, scale: float) -> None:
    height, width = image.shape[:2]
    text, font = str(rng.choice(_WORDS)), cv2.FONT_HERSHEY_DUPLEX
    weight = max(1, int(2.5 * scale))
    (w, h), below = cv2.getTextSize(text, font, scale, weight)
    mask = np.zeros((h + below, w), dtype=np.uint8)
    cv2.putText(mask, text, (0, h), font, scale, 255, weight, cv2.LINE_AA)
    x, y = (int(rng.uniform(0, max(n - m, 1))) for n, m in ((width, w), (height, h + below)))
    area = image[y : y + h + below, x : x + w]
    share = mask[: area.shape[0], : area.shape[1], None] * np.float32(0.9 / 255)
    area += share * (np.array(_colour(rng), dtype=np.float32) - area)


def _poster(rng: np.random.Generator, image: _Image, largest: float = 0.12) -> None:
    height, width = image.shape[:2]
    w = int(width * rng.uniform(0.25, 1) * largest)
    h = int(min(w * rng.uniform(0.5, 1.5), height * 0.6))
    x, y = int(rng.uniform(0, width - w)), int(rng.uniform(0, 0.75) * (height - h))
    poster = image[y : y + h, x : x + w]
    poster[:] = _colour(rng) if rng.random() < 0.6 else (228, 226, 220)
    inner = np.ascontiguousarray(poster)
    for _ in range(int(rng.integers(2, 7))):
        a, b = rng.uniform(0, 1, (2, 2)) * (w, h)
        cv2.rectangle(inner, _pixel(a), _pixel(b), _colour(rng), int(rng.choice([-1, 2])))
    _word(rng, inner, w / 160)
    poster[:] = inner


def _shelf(rng: np.random.Generator, image: _Image) -> None:
    height, width = image.shape[:2]
    x0 = int(rng.uniform(0, 0.75) * width)
    x1 = x0 + int(width * rng.uniform(0.1, 0.25))
    y0 = int(height * rng.uniform(0.15, 0.5))
    image[y0:, x0:x1] *= 0.3
    for y in np.linspace(y0, height, int(rng.integers(3, 6)))[1:].astype(int):
        x = x0 + 4
        while x < x1 - 20:
            w, h = int(rng.uniform(12, 90)), int(rng.uniform(20, 90))
            cv2.rectangle(image, (x, max(y - h, y0)), (min(x + w, x1), y), _colour(rng), -1)
            if rng.random() < 0.4:
                cv2.rectangle(image, (x + 4, y - h // 2), (x + w // 2, y - 6), (220, 220, 215), -1)
            x += w + int(rng.uniform(2, 25))
        image[y - 5 : y, x0:x1] = 120
    image[y0:, x0 : x0 + 5] = 90
    image[y0:, x1 - 5 : x1] = 90


def _bricks(rng: np.random.Generator, image: _Image, pitch: float) -> None:
    height, width = image.shape[:2]
    image[:] = image * 0.4 + np.array([150, 85, 65], dtype=np.float32) * rng.uniform(0.4, 0.75)
    step = int(pitch)
    for row, y in enumerate(range(0, height, step)):
        image[y : y + 3] = 150
        for x in range(-(row % 2) * step, width, 2 * step):
            image[y + 3 : y + step, max(x + 3, 0) : max(x + 2 * step, 0)] *= rng.uniform(0.8, 1.15)
            image[y : y + step, max(x, 0) : max(x + 3, 0)] = 150
