"""A film set: wheels and solids in the world, their light, and exact labels of what is seen.

Where :class:`tasks.synthetic.scenes.scene.Scene` shows one tyre in a room of flat charts, a set
holds anything that has triangles, and everything shades everything.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tasks.geometry.camera import Camera, FloatArray
from tasks.geometry.lens import Lens
from tasks.geometry.similarity import Similarity
from tasks.synthetic.scenes.lighting import Look
from tasks.synthetic.scenes.raycast import Float32Array, Hits, Renderable, RenderableCaster
from tasks.synthetic.scenes.render import pixel_rays, shade
from tasks.synthetic.scenes.scene import above_floor
from tasks.synthetic.scenes.solids import MipMap, Solid, Solids

LabelImage = NDArray[np.uint8]
IndexArray = NDArray[np.int64]

_REACH = 2.2
"""Metres within which things keep the key light and each other's light away: not walls."""
_OPEN_REACH = 0.9
_CONTRAST = 0.09
"""Steps between neighbouring pixels, of the tone-mapped range, at which more rays are cast."""
_MOST_EDGES = 0.2
_EXTRA = ((0.25, 0.125), (-0.125, 0.375), (-0.25, -0.25))
"""Further positions of rays in a pixel with an edge in it, from its centre."""


@dataclass(frozen=True)
class Placed:
    """A renderable that stands somewhere.

    Args:
        caster: The renderable, in its own frame.
        pose: Its frame to the world, of scale 1.
        parts: ``(F,)`` uint8 label of each face; None for all 0.
    """

    caster: RenderableCaster
    pose: Similarity
    parts: LabelImage | None = None

    @property
    def centre(self) -> FloatArray:
        """Centre of its bounding box in the world, ``(3,)``."""
        middle = (self.caster.low + self.caster.high).astype(np.float64) / 2
        return np.asarray(self.pose.apply(middle[None])[0])


@dataclass(frozen=True)
class SetView:
    """What a camera sees of a set.

    Args:
        light: ``(H, W, 3)`` float32 linear RGB.
        parts: ``(H, W)`` uint8 labels of the faces seen in most of each pixel.
        unhidden: Share of the labelled items' pixels that nothing stands in front of.
    """

    light: Float32Array
    parts: LabelImage
    unhidden: float


@dataclass(frozen=True)
class _Seen:
    """What rays met: light ``(N, 3)``, labels ``(N,)``, numbers of items ``(N,)``."""

    light: Float32Array
    parts: LabelImage
    item: NDArray[np.int16]
    labelled: int


class FilmSet:
    """Things in light, for many views.

    Args:
        solids: What does not move; at least one. Their mutual darkening is worked out here.
        items: Wheels and what else has a pose and labels.
        look: Light in the world; that from below comes from ``ground``.
        sky: A panorama for rays that meet nothing: rows from the zenith to the nadir.
        ground: Linear RGB that the floor sends back, ``(3,)``.
        occlusion_rays: Rays per vertex of the solids.
    """

    def __init__(
        self,
        solids: Sequence[Solid],
        items: Sequence[Placed],
        look: Look,
        *,
        sky: MipMap,
        ground: tuple[float, float, float],
        occlusion_rays: int = 10,
    ) -> None:
        self._look = replace(look, ground=ground)
        self._sky = sky
        self._items = tuple(items)
        self._solids = Solids(solids)
        self._caster = RenderableCaster(
            self._solids,
            occlusion_rays,
            reach=_OPEN_REACH,
            others=lambda origins, towards, reach: self._items_occlude(origins, towards, reach),
        )

    def move(self, items: Sequence[Placed]) -> None:
        """Put the items elsewhere; what the solids get of the sky stays as it was."""
        self._items = tuple(items)

    def view(
        self,
        camera: Camera,
        *,
        shadow_rays: int = 2,
        lens: tuple[float, float] = (0.0, 0.0),
        window: tuple[int, int, int, int] | None = None,
    ) -> SetView:
        """Render one view.

        Args:
            camera: Camera in the world.
            shadow_rays: Rays per sample towards the key light.
            lens: Radial distortion k1, k2.
            window: Pixels x0, y0, x1, y1 to render; None for all.
        """
        x0, y0, x1, y1 = window or (0, 0, camera.width, camera.height)
        height, width = y1 - y0, x1 - x0
        x, y = (a.ravel() for a in np.meshgrid(np.arange(x0, x1), np.arange(y0, y1)))
        self._solids.look_from(camera.centre, camera.fx)

        def seen(chosen: IndexArray | slice, shift: tuple[float, float], part: int) -> _Seen:
            u = (x[chosen] + (0.5 + shift[0])).astype(np.float32)
            v = (y[chosen] + (0.5 + shift[1])).astype(np.float32)
            rays = pixel_rays(camera, *undistorted(camera, u, v, lens))
            return self._seen(camera, rays, part, shadow_rays)

        first = seen(slice(None), (0.0, 0.0), 0)
        light, votes = first.light, np.zeros((3, len(x)), dtype=np.uint8)
        edges = np.flatnonzero(_edges(first, height, width))
        votes[first.parts, np.arange(len(x))] = 1
        if len(edges):
            votes[first.parts[edges], edges] = 2  # ties go to the centre
            for part, shift in enumerate(_EXTRA):
                more = seen(edges, shift, part + 1)
                light[edges] += more.light
                np.add.at(votes, (more.parts, edges), 2)
            votes[first.parts[edges], edges] += 1
            light[edges] /= len(_EXTRA) + 1
        parts = votes.argmax(axis=0).astype(np.uint8).reshape(height, width)
        visible = int(np.count_nonzero(first.parts))
        return SetView(light.reshape(height, width, 3), parts, visible / max(first.labelled, 1))

    def occluded(
        self, origins: Float32Array, directions: Float32Array, reach: float = _REACH
    ) -> NDArray[np.bool_]:
        """Whether rays in the world meet anything within ``reach`` metres, ``(N,)``."""
        blocked = self._caster.occluded(origins, directions, reach)
        open_ = np.flatnonzero(~blocked)
        if len(open_):
            blocked[open_] = self._items_occlude(origins[open_], directions[open_], reach)
        return blocked

    def _items_occlude(
        self, origins: Float32Array, directions: Float32Array, reach: float
    ) -> NDArray[np.bool_]:
        blocked = np.zeros(len(origins), dtype=bool)
        for item in self._items:
            near = np.flatnonzero(~blocked & _near(item, origins, directions))
            if len(near):
                o, d = _to_item(item, origins[near], directions[near])
                blocked[near] = item.caster.occluded(o, d, reach)
        return blocked

    def _seen(self, camera: Camera, directions: Float32Array, part: int, shadow_rays: int) -> _Seen:
        count = len(directions)
        origins = np.empty_like(directions)
        origins[:] = camera.centre
        solid = self._caster.cast(origins, directions)
        distance = np.full(count, np.inf, dtype=np.float32)
        owner = np.full(count, -1, dtype=np.int16)
        distance[solid.ray], owner[solid.ray] = solid.distance, 0
        found: list[Hits] = [solid]
        labelled = 0
        for number, item in enumerate(self._items, 1):
            near = np.flatnonzero(_near(item, origins[:1], directions))
            o, d = _to_item(item, origins[near], directions[near])
            hits = item.caster.cast(o, d)
            hits = replace(hits, ray=near[hits.ray])
            if item.parts is not None:
                labelled += int(np.count_nonzero(item.parts[hits.face]))
            nearer = hits.distance < distance[hits.ray]
            rays = hits.ray[nearer]
            distance[rays], owner[rays] = hits.distance[nearer], number
            found.append(hits)
        light = np.empty((count, 3), dtype=np.float32)
        parts = np.zeros(count, dtype=np.uint8)
        missed = owner < 0
        light[missed] = self._sky_light(directions[missed])
        for number, hits in enumerate(found):
            mine = hits.chosen(owner[hits.ray] == number)
            if len(mine.ray) == 0:
                continue
            rays = mine.ray
            if number == 0:
                blocker = _Blocker(self, None, self._solids, 2.0)
                light[rays] = shade(
                    blocker, mine, directions[rays], self._look, part, 4, shadow_rays
                )
                continue
            item = self._items[number - 1]
            mine = replace(mine, openness=mine.openness * above_floor(mine, item.pose, 0.0))
            turn = item.pose.rotation
            blocker = _Blocker(self, item, item.caster.renderable, item.caster.size)
            towards = (directions[rays] @ turn).astype(np.float32)
            look = self._look.rotated(turn.T)
            light[rays] = shade(blocker, mine, towards, look, part, 4, shadow_rays)
            if item.parts is not None:
                parts[rays] = item.parts[mine.face]
        return _Seen(light, parts, owner, labelled)

    def _sky_light(self, directions: Float32Array) -> Float32Array:
        turn = np.arctan2(directions[:, 0], directions[:, 2]) / np.float32(2 * math.pi)
        height = np.arccos(np.clip(directions[:, 1], -1, 1)) / np.float32(math.pi)
        st = np.stack([turn, np.clip(height, 0, 0.999)], axis=1).astype(np.float32)
        sky = np.asarray(self._look.sky, dtype=np.float32)
        colours = self._sky.linear(st, np.zeros(len(st), dtype=np.float32))
        return np.asarray(1.6 * sky * colours, dtype=np.float32)


@dataclass(frozen=True)
class _Blocker:
    """A surface of the set with what keeps the key light from it; ``item`` None: the solids."""

    film_set: FilmSet
    item: Placed | None
    renderable: Renderable
    size: float

    def occluded(self, origins: Float32Array, directions: Float32Array) -> NDArray[np.bool_]:
        if self.item is not None:
            turn = self.item.pose.rotation.astype(np.float32)
            origins = origins @ turn.T + self.item.pose.translation.astype(np.float32)
            directions = directions @ turn.T
        return self.film_set.occluded(origins, directions)


def undistorted(
    camera: Camera, u: Float32Array, v: Float32Array, lens: tuple[float, float]
) -> tuple[Float32Array, Float32Array]:
    """Where a camera without distortion sees what one with ``k1, k2`` sees at ``u, v`` ``(N,)``."""
    if lens == (0.0, 0.0):
        return u, v
    seen = np.stack([u, v], axis=1).astype(np.float64)
    pixels = Lens(*lens).undistort_pixels(seen, camera).astype(np.float32)
    return np.ascontiguousarray(pixels[:, 0]), np.ascontiguousarray(pixels[:, 1])


def _near(item: Placed, origins: Float32Array, directions: Float32Array) -> NDArray[np.bool_]:
    """Whether rays pass through an item's bounding ball; one origin or as many as directions."""
    offset = item.centre.astype(np.float32) - origins
    along = np.einsum("ij,ij->i", np.broadcast_to(offset, directions.shape), directions)
    square = np.einsum("ij,ij->i", offset, offset)
    radius = np.float32(item.caster.size / 2)
    passes = square - along * along < radius * radius
    return np.asarray(passes & ((along > 0) | (square < radius * radius)))


def _to_item(
    item: Placed, origins: Float32Array, directions: Float32Array
) -> tuple[Float32Array, Float32Array]:
    turn = item.pose.rotation.astype(np.float32)
    shifted = origins - item.pose.translation.astype(np.float32)
    return shifted @ turn, directions @ turn


def _edges(seen: _Seen, height: int, width: int) -> NDArray[np.bool_]:
    """Pixels ``(H * W,)`` whose neighbours show another item, another part or another tone."""
    light = seen.light @ np.full(3, 1 / 3, dtype=np.float32)
    tone = light / (light + np.float32(np.exp(np.log(light + 1e-3).mean())))
    what = (seen.item.astype(np.int32) * 4 + seen.parts).reshape(height, width)
    tone = tone.reshape(height, width)
    step = np.zeros((height, width), dtype=np.float32)
    for axis in (0, 1):
        change = np.abs(np.diff(tone, axis=axis)) + np.float32(10.0) * (
            np.diff(what, axis=axis) != 0
        )
        before = [slice(None)] * 2
        after = [slice(None)] * 2
        before[axis], after[axis] = slice(None, -1), slice(1, None)
        for side in (tuple(before), tuple(after)):
            step[side] = np.maximum(step[side], change)
    least = max(_CONTRAST, float(np.quantile(step, 1 - _MOST_EDGES)))
    return np.asarray(step.ravel() > min(least, 9.0))
