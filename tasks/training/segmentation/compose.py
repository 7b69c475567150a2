"""Training images of the segmenter: a cut-out tyre put into a room, among things, before a camera.

Domain randomisation (Tobin et al., 2017): what the network must not rely on is drawn at random and
wider than it ever is: colours of rubber and rim, what stands behind, before and beside the tyre,
light in its openings, shadows, exposure, blur, noise, compression.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.imaging.images import with_jpeg_losses
from tasks.imaging.masks import foreground
from tasks.matting.parts import BACKGROUND, RIM, RUBBER
from tasks.matting.segmenter import MARGIN

Image = NDArray[np.uint8]
Float32Array = NDArray[np.float32]
Rng = np.random.Generator

_POSTS_BEHIND, _POSTS_BEFORE = 0.2, 0.3
"""Share of the images with uprights of a stand behind and before the tyre."""

_LIKE_THE_RIM = 0.2
"""Share of the images before one colour, about the rim's: what is easily taken for its barrel."""

Layers = tuple[Image, Image, Image]
"""A tyre of the scene's size: its image times alpha, its alpha, and its parts, which are of no
meaning off the tyre."""


@dataclass(frozen=True)
class Library:
    """What images are composed of.

    Args:
        rgba: Cut-out tyres ``(N, S, S, 4)`` of each shard.
        parts: Their parts ``(N, S, S)``.
        rooms: Backgrounds ``(M, S, S, 3)``.
    """

    rgba: Sequence[Image]
    parts: Sequence[Image]
    rooms: Sequence[Image]

    def tyre(self, rng: Rng) -> tuple[Image, Image]:
        """A cut-out and its parts."""
        shard = int(rng.integers(len(self.rgba)))
        at = int(rng.integers(len(self.rgba[shard])))
        return self.rgba[shard][at], self.parts[shard][at]

    def room(self, rng: Rng) -> Image:
        """A background."""
        shard = self.rooms[int(rng.integers(len(self.rooms)))]
        room: Image = shard[int(rng.integers(len(shard)))]
        return room


def compose(
    library: Library, rng: Rng, height: int, width: int, *, cropped: bool
) -> tuple[Image, Image]:
    """One training image.

    Args:
        library: Tyres and rooms.
        rng: Source of all choices.
        height: Height of the image, pixels.
        width: Its width.
        cropped: Whether it is a crop about the tyre, else a whole frame.

    Returns:
        ``(H, W, 3)`` sRGB and ``(H, W)`` parts of the one tyre that is meant.
    """
    # in a whole frame the tyre that is meant is the largest, in a crop the one in its middle
    scene = _Scene(library, rng, height, width, largest_other=1.1 if cropped else 0.8)
    if cropped:
        span = max(height, width) / (1 + 2 * MARGIN) * math.exp(rng.normal(0, 0.07))
        offset = rng.normal(0, 0.04, 2) * span
    else:
        span = min(height, width) * rng.uniform(0.35, 1.0)
        offset = rng.uniform(-0.5, 0.5, 2) * np.maximum((width - span, height - span), 0.1 * span)
    centre = np.array([width / 2, height / 2]) + offset
    tyre = scene.tyre_at(centre, span)
    if rng.random() < _LIKE_THE_RIM:
        scene.paint_ground_like_rim(tyre)
    scene.stand_things_behind(centre, span)
    scene.place_tyre(tyre, span)
    scene.stand_things_before(centre, span)
    return photographed(scene.image, rng), scene.parts


class _Scene:
    """An image that grows from back to front."""

    def __init__(
        self, library: Library, rng: Rng, height: int, width: int, *, largest_other: float
    ) -> None:
        self.library, self.rng = library, rng
        self.largest_other = largest_other
        self.size = (width, height)
        self.image = self._ground()
        self.parts = np.full((height, width), BACKGROUND, np.uint8)

    def _ground(self) -> Float32Array:
        """A room, a single colour that may fade to another, or blots."""
        rng = self.rng
        kind = rng.random()
        if kind < 0.75:
            return self._texture().astype(np.float32)
        if kind < 0.9:
            level = rng.choice([rng.uniform(225, 255), rng.uniform(0, 255)])
            return self._fading(np.full(3, level))
        cells = int(rng.integers(3, 24))
        blots = rng.uniform(0, 255, (cells, cells, 1)) + rng.normal(0, 25, (cells, cells, 3))
        return self._smooth(blots)

    def _fading(self, colour: NDArray[np.floating]) -> Float32Array:
        """A colour, 0 to 255, that fades to others near it."""
        off = self.rng.normal(0, 12, (2, 2, 3)) * self.rng.integers(1, 3)
        return self._smooth(np.clip(colour + off, 0, 255))

    def _smooth(self, cells: NDArray[np.floating]) -> Float32Array:
        """Colours of cells ``(N, N, 3)`` at the scene's size, the change between them smooth."""
        return np.asarray(
            cv2.resize(cells.astype(np.float32), self.size, interpolation=cv2.INTER_CUBIC)
        ).clip(0, 255)

    def _texture(self) -> Image:
        """A part of a room, of the image's size."""
        rng, (width, height) = self.rng, self.size
        room = self.library.room(rng)
        side = len(room)
        zoom = rng.uniform(0.35, 1.0)
        w, h = int(side * zoom * min(1, width / height)), int(side * zoom * min(1, height / width))
        x, y = (int(rng.integers(side - n + 1)) for n in (w, h))
        part = room[y : y + h, x : x + w]
        if rng.random() < 0.5:
            part = part[:, ::-1]
        return np.asarray(cv2.resize(np.ascontiguousarray(part), (width, height)))

    def stand_things_behind(self, centre: NDArray[np.float64], span: float) -> None:
        """Boxes, posts, stands and other tyres."""
        rng = self.rng
        for _ in range(int(rng.integers(0, 5))):
            self._thing(self._near(centre, span, 0.2, 1.1), span)
        if rng.random() < _POSTS_BEHIND:
            self._posts(centre, span)
        if rng.random() < 0.45:
            for _ in range(int(rng.integers(1, 4))):
                self._other_tyre(centre, span, rng.uniform(0.45, 0.95))

    def stand_things_before(self, centre: NDArray[np.float64], span: float) -> None:
        """What covers a part of the tyre: posts, hands, chocks, a fender, another tyre."""
        rng = self.rng
        if rng.random() < 0.12:
            self._sticker(centre, span)
        if rng.random() < 0.4:
            for _ in range(int(rng.integers(1, 3))):
                mask = self._thing(self._near(centre, span, 0.36, 0.75), 0.6 * span)
                self.parts[foreground(mask)] = BACKGROUND
        if rng.random() < _POSTS_BEFORE:
            self.parts[foreground(self._posts(centre, span))] = BACKGROUND
        if rng.random() < 0.08:
            self._other_tyre(centre, span, rng.uniform(0.62, 0.85))
        if rng.random() < 0.06:
            self._fender(centre, span)

    def _near(
        self, centre: NDArray[np.float64], span: float, low: float, high: float
    ) -> NDArray[np.float64]:
        """A point so far from the tyre's centre, in spans; oftener below than above."""
        angle = self.rng.uniform(0, 2 * math.pi)
        if self.rng.random() < 0.5:
            angle = math.pi / 2 + self.rng.normal(0, 0.7)  # y points down
        away = np.array([math.cos(angle), math.sin(angle)])
        return np.asarray(centre + away * span * self.rng.uniform(low, high))

    def _thing(self, at: NDArray[np.float64], span: float) -> Image:
        """Draw a post, a box or a blob; returns its mask."""
        rng = self.rng
        kind = rng.random()
        mask = np.zeros(self.size[::-1], np.uint8)
        if kind < 0.45:  # a post, a plank, an arm
            angle = math.pi / 2 * rng.integers(0, 2) + rng.normal(0, 0.35)
            reach = np.array([math.cos(angle), math.sin(angle)]) * span * rng.uniform(0.2, 2.0)
            thick = max(2, int(span * rng.uniform(0.02, 0.2)))
            cv2.line(mask, _point(at), _point(at + reach), 255, thick, cv2.LINE_AA)
        elif kind < 0.8:
            corners = cv2.boxPoints(
                (
                    (float(at[0]), float(at[1])),
                    tuple(float(v) for v in span * rng.uniform(0.08, 0.7, 2)),
                    float(rng.normal(0, 12)),
                )
            )
            corners = corners + rng.normal(0, 0.03 * span, (4, 2))
            cv2.fillPoly(mask, [np.rint(corners).astype(np.int32)], 255, cv2.LINE_AA)
        else:
            axes = tuple(max(1, int(v)) for v in span * rng.uniform(0.04, 0.3, 2))
            cv2.ellipse(mask, _point(at), axes, rng.uniform(0, 180), 0, 360, 255, -1, cv2.LINE_AA)
        colour = _colour(rng)
        box = _box(mask)
        ramp = np.linspace(rng.uniform(0.5, 1.2), rng.uniform(0.5, 1.2), self.size[0])
        shade = ramp[None, box[1], None].astype(np.float32)
        fill: Float32Array = np.broadcast_to(colour, self.image[box].shape)
        if rng.random() < 0.5:
            offset = (colour - 128) * np.float32(rng.uniform(0.0, 0.8))
            fill = self._texture()[box] * np.float32(rng.uniform(0.3, 1.0)) + offset
        self._blend(mask, fill * shade)
        return mask

    def _posts(self, centre: NDArray[np.float64], span: float) -> Image:
        """Draw the uprights of a stand, each with two sides in different light; returns their mask.

        As dark as rubber and crossing the tyre's outline, they are what is taken for it most often.
        """
        rng = self.rng
        whole = np.zeros(self.size[::-1], np.uint8)
        colour = _colour(rng)
        for _ in range(int(rng.integers(1, 3))):
            left = centre[0] + span * rng.uniform(-0.65, 0.55)
            top, foot = centre[1] + span * np.array([rng.uniform(-0.75, 0.4), rng.uniform(0.4, 1)])
            lean = (foot - top) * rng.normal(0, 0.1)
            for broad in span * np.array([rng.uniform(0.03, 0.15), rng.uniform(0.0, 0.1)]):
                x = np.array([left, left + broad, left + broad + lean, left + lean])
                corners = np.rint(np.stack([x, [foot, foot, top, top]], axis=1)).astype(np.int32)
                mask = np.zeros_like(whole)
                cv2.fillPoly(mask, [corners], 255, cv2.LINE_AA)
                grain = rng.normal(0, rng.uniform(2, 12), (2, 32)).astype(np.float32)
                fill = cv2.resize(grain, self.size)[_box(mask)][..., None]
                self._blend(mask, (colour + fill) * np.float32(rng.uniform(0.3, 1.2)))
                whole |= mask
                left += broad
        return whole

    def _blend(self, mask: Image, fill: Float32Array) -> None:
        """Lay ``fill``, of the size of the mask's box, over the image where the mask is."""
        at = _box(mask)
        share = mask[at][..., None] * np.float32(1 / 255)
        self.image[at] += share * (np.clip(fill, 0, 255) - self.image[at])

    def _cover(self, alpha: Image, image: Image) -> None:
        """Lay an image that is multiplied by its alpha over the scene's, in place."""
        at = _box(alpha)
        self.image[at] *= 1 - alpha[at][..., None] * np.float32(1 / 255)
        self.image[at] += image[at]

    def _other_tyre(self, centre: NDArray[np.float64], span: float, away: float) -> None:
        """A neighbour, so far from the tyre's centre, in spans."""
        angle = self.rng.uniform(0, 2 * math.pi)
        at = centre + np.array([math.cos(angle), math.sin(angle)]) * span * away
        size = span * self.rng.uniform(0.4, self.largest_other)
        image, alpha, _ = self.tyre_at(at, size)
        self._cover(alpha, image)
        self.parts[foreground(alpha)] = BACKGROUND

    def paint_ground_like_rim(self, tyre: Layers) -> None:
        """One colour, about the rim's, that fades to another, instead of the ground."""
        image, alpha, parts = tyre
        on_rim = (parts == RIM) & (alpha == 255)
        if on_rim.any():
            shown = np.exp(self.rng.normal(0, 0.25)) * np.median(image[on_rim], axis=0)
            self.image = self._fading(shown)

    def place_tyre(self, tyre: Layers, span: float) -> None:
        """The tyre that is meant, its shadow, and what light there is behind its openings."""
        rng = self.rng
        image, alpha, parts = tyre
        if rng.random() < 0.6:
            self._shadow(alpha, span)
        if rng.random() < 0.5:
            contours, _ = cv2.findContours(
                foreground(alpha).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
            )
            filled = np.zeros_like(alpha)
            cv2.drawContours(filled, contours, -1, 255, cv2.FILLED)
            dark = np.float32((1 - rng.uniform(0.02, 0.8)) / 255)
            at = _box(filled)
            self.image[at] *= 1 - dark * filled[at][..., None]
        self._cover(alpha, image)
        seen = foreground(alpha)
        self.parts[seen] = parts[seen]

    def _shadow(self, alpha: Image, span: float) -> None:
        """Darken the ground where the tyre's outline, pushed and flattened, falls."""
        rng = self.rng
        width, height = self.size
        _, top, _, tall = cv2.boundingRect(alpha)
        foot = float(top + tall)
        flat = rng.uniform(0.05, 1.0)
        push = rng.normal(0, 0.15, 2) * span
        matrix = np.array(
            [[1, rng.normal(0, 0.3), push[0]], [0, flat, (1 - flat) * foot + abs(push[1]) * 0.5]]
        )
        matrix[0, 2] -= matrix[0, 1] * foot
        shadow = cv2.warpAffine(alpha, matrix.astype(np.float32), (width, height))
        soft = max(1.0, span * rng.uniform(0.01, 0.08))
        small = cv2.resize(shadow, (width // 4, height // 4), interpolation=cv2.INTER_AREA)
        blurred = cv2.resize(cv2.GaussianBlur(small, (0, 0), soft / 4), (width, height))
        strength = np.float32(rng.uniform(0.2, 0.9) / 255)
        self.image *= 1 - strength * blurred[..., None].astype(np.float32)

    def tyre_at(self, centre: NDArray[np.float64], span: float) -> Layers:
        """A tyre turned, scaled and painted anew."""
        rng = self.rng
        rgba, parts = self.library.tyre(rng)
        side = len(parts)
        angle = rng.uniform(-math.pi, math.pi) if rng.random() < 0.12 else rng.normal(0, 0.12)
        mirror = rng.choice([-1.0, 1.0])
        stretch = math.exp(rng.normal(0, 0.03))
        x, y, w, h = cv2.boundingRect(rgba[..., 3])
        scale = span / max(w, h)
        turn = np.array(
            [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
        ) @ np.diag([mirror * scale * stretch, scale / stretch])
        shift = centre - turn @ np.array([x + w / 2, y + h / 2])
        matrix = np.hstack([turn, shift[:, None]]).astype(np.float32)
        alpha = np.ascontiguousarray(rgba[..., 3])
        painted = self._painted(np.ascontiguousarray(rgba[..., :3]), parts)
        # colours times alpha, so that nothing from beyond the edge gets in
        covered = cv2.multiply(painted, cv2.merge([alpha] * 3), scale=1 / 255)
        layers = [covered, alpha, _white_where(parts == RIM)]
        if scale < 0.7:  # what would alias is made small first
            shrunk = max(1, round(side * scale * 1.1))
            size = (shrunk, shrunk)
            layers = [cv2.resize(layer, size, interpolation=cv2.INTER_AREA) for layer in layers]
            matrix[:, :2] *= side / shrunk
        image, alpha, rim = (
            np.asarray(cv2.warpAffine(layer, matrix, self.size), np.uint8) for layer in layers
        )
        return (
            image,
            alpha,
            np.where(2 * rim.astype(np.int16) > alpha, RIM, RUBBER).astype(np.uint8),
        )

    def _painted(self, image: Image, parts: Image) -> Image:
        """Rubber and rim in other colours, each by a curve of its own; rims that mirror a room."""
        rng = self.rng
        levels = np.arange(256, dtype=np.float32)[:, None] / 255

        def curve(gamma: float, gain: float, tint: NDArray[np.floating]) -> Image:
            curved = np.clip(levels ** np.float32(gamma) * np.float32(gain) * tint, 0, 1)
            return np.asarray(np.rint(curved * 255), np.uint8)[None]

        tint = 1 + rng.normal(0, 0.04, 3)
        if rng.random() < 0.05:
            tint = _colour(rng) / 100
        rubber = curve(math.exp(rng.normal(0.1, 0.3)), math.exp(rng.normal(0, 0.35)), tint)
        painted = np.asarray(cv2.LUT(image, rubber), np.uint8)
        on_rim = _white_where(parts == RIM)
        x, y, w, h = cv2.boundingRect(on_rim)
        if w == 0:
            return painted
        tint = 1 + rng.normal(0, 0.05, 3)
        if rng.random() < 0.3:
            tint = _colour(rng) / 128
        rim = curve(math.exp(rng.normal(0, 0.45)), math.exp(rng.normal(0, 0.6)), tint)
        at = (slice(y, y + h), slice(x, x + w))
        metal = np.asarray(cv2.LUT(np.ascontiguousarray(image[at]), rim), np.uint8)
        if rng.random() < 0.2:  # faint: what is clear is more often seen through an opening
            mirrored = cv2.resize(self.library.room(rng), (w, h))
            share = rng.uniform(0.05, 0.3)
            metal = np.asarray(cv2.addWeighted(metal, 1 - share, mirrored, share, 0), np.uint8)
        painted[at] = np.where((on_rim[at] > 0)[..., None], metal, painted[at])
        return painted

    def _sticker(self, centre: NDArray[np.float64], span: float) -> None:
        """A label on the tyre: it belongs to it."""
        rng = self.rng
        at = centre + rng.normal(0, 0.25, 2) * span
        size = tuple(float(v) for v in span * rng.uniform(0.08, 0.35, 2))
        corners = cv2.boxPoints(((float(at[0]), float(at[1])), size, float(rng.uniform(-30, 30))))
        mask = np.zeros(self.size[::-1], np.uint8)
        cv2.fillPoly(mask, [np.rint(corners).astype(np.int32)], 255, cv2.LINE_AA)
        mask[self.parts == BACKGROUND] = 0
        fill = np.broadcast_to(np.float32(rng.uniform(180, 255)), self.image.shape).copy()
        for _ in range(int(rng.integers(1, 7))):
            where = at + rng.normal(0, 0.05, 2) * span
            end = where + rng.uniform(-0.1, 0.1, 2) * span
            colour = tuple(float(c) for c in _colour(rng))
            cv2.line(fill, _point(where), _point(end), colour, int(rng.integers(1, 5)))
        self._blend(mask, fill[_box(mask)])

    def _fender(self, centre: NDArray[np.float64], span: float) -> None:
        """What hides the top of a wheel on a car."""
        rng = self.rng
        mask = np.full(self.size[::-1], 255, np.uint8)
        low = centre[1] - span * rng.uniform(0.15, 0.42)
        axes = (int(span * rng.uniform(0.5, 0.8)), int(span * rng.uniform(0.05, 0.3)))
        mask[int(max(low, 0)) :] = 0
        cv2.ellipse(mask, _point(np.array([centre[0], low])), axes, 0, 0, 360, 0, -1, cv2.LINE_AA)
        self._blend(mask, _colour(rng))
        self.parts[foreground(mask)] = BACKGROUND


def photographed(image: NDArray[np.generic], rng: Rng) -> Image:
    """An image ``(H, W, 3)``, 0 to 255, through a camera: exposure, colour, blur, noise, JPEG."""
    height, width = image.shape[:2]
    out = np.asarray(image, np.float32)
    if rng.random() < 0.45:
        sigma = rng.uniform(0.3, 1.6)
        out = np.asarray(cv2.GaussianBlur(out, (0, 0), sigma), np.float32)
    if rng.random() < 0.15:
        out = np.asarray(cv2.filter2D(out, -1, _motion_kernel(rng)), np.float32)
    if rng.random() < 0.25:
        zoom = rng.uniform(0.35, 0.9)
        small = cv2.resize(
            out, (int(width * zoom), int(height * zoom)), interpolation=cv2.INTER_AREA
        )
        out = np.asarray(cv2.resize(small, (width, height)), np.float32)
    gamma = math.exp(rng.normal(0, 0.3))
    gain = np.exp(rng.normal(0, 0.25) + rng.normal(0, 0.07, 3)).astype(np.float32)
    out = cv2.pow(np.clip(out / 255, 0, 1), gamma) * gain
    if rng.random() < 0.4:
        grey = out.mean(axis=2, keepdims=True)
        colourful = rng.choice([0.0, rng.uniform(0.2, 1.6)], p=[0.2, 0.8])
        out = grey + np.float32(colourful) * (out - grey)
    if rng.random() < 0.3:  # light that falls off to a side
        ramp = np.linspace(rng.uniform(0.5, 1), rng.uniform(0.8, 1.4), width, dtype=np.float32)
        out = out * ramp[None, :, None]
    if rng.random() < 0.3:  # haze, or blacks that are cut off
        floor = np.float32(rng.uniform(-0.08, 0.2))
        out = floor + (1 - floor) * out
    if rng.random() < 0.5:
        sigma = rng.uniform(0.004, 0.05)
        noise = rng.standard_normal((height, width, 3), dtype=np.float32)
        out = out + np.float32(sigma) * noise
    done = np.clip(out * 255, 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        done = with_jpeg_losses(done, int(rng.integers(20, 95)))
    return done


def _motion_kernel(rng: Rng) -> Float32Array:
    reach = int(rng.integers(1, 5))
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    angle = rng.uniform(0, math.pi)
    step = np.array([math.cos(angle), math.sin(angle)]) * reach
    middle = np.array([reach, reach])
    cv2.line(kernel, _point(middle - step), _point(middle + step), 1.0, 1)
    return np.asarray(kernel / kernel.sum(), np.float32)


def _colour(rng: Rng) -> Float32Array:
    """A colour: grey, black, wood, skin, or any."""
    kind = rng.random()
    if kind < 0.3:
        colour = np.full(3, rng.uniform(0, 255))
    elif kind < 0.45:
        colour = rng.uniform(0, 45) + rng.uniform(0, 15, 3)
    elif kind < 0.7:
        colour = np.array([190, 140, 95]) * rng.uniform(0.35, 1.3)
    else:
        colour = rng.uniform(0, 255, 3)
    return np.asarray(colour + rng.normal(0, 8, 3), np.float32).clip(0, 255)


def _white_where(mask: NDArray[np.bool_]) -> Image:
    return np.asarray(mask, np.uint8) * np.uint8(255)


def _box(mask: Image) -> tuple[slice, slice]:
    """Rows and columns that hold all of a mask."""
    x, y, w, h = cv2.boundingRect(mask)
    return slice(y, y + h), slice(x, x + w)


def _point(xy: NDArray[np.float64]) -> tuple[int, int]:
    return round(float(xy[0])), round(float(xy[1]))
