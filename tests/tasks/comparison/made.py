"""A scan whose surface and marks are known."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from tasks.atlas.flattened import FlatPart
from tasks.atlas.record import Provenance
from tasks.comparison.scan import Scan
from tasks.comparison.surface_samples import Measured
from tasks.geometry.camera import Camera, look_at
from tasks.geometry.ray_caster import RayCaster
from tasks.imaging.images import write_image
from tasks.imaging.masks import largest_filled
from tasks.surface.contour_generators import Touches
from tasks.surface.heights import Heights, SurfaceGrid
from tasks.surface.profile import OuterProfile

FloatArray = NDArray[np.float64]

BEAD, SHOULDER, RADIUS, HALF = 0.20, 0.30, 0.32, 0.10
WIDTH = 1440


def section(step: float = 0.001) -> FloatArray:
    """Radius and height of a plain tyre, from the inner bead over the tread to the outer bead."""
    corners = np.array(
        [[BEAD, -HALF], [SHOULDER, -HALF], [RADIUS, -0.085], [RADIUS, 0.085], [SHOULDER, HALF],
         [BEAD, HALF]]
    )  # fmt: skip
    lengths = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(corners, axis=0), axis=1))])
    at = np.linspace(0, lengths[-1], round(lengths[-1] / step) + 1)
    return np.stack([np.interp(at, lengths, corners[:, k]) for k in (0, 1)], axis=1)


def nothing(angle: FloatArray, arc: FloatArray) -> FloatArray:
    """No change."""
    return np.zeros(np.broadcast(angle, arc).shape)


def scan(
    raised: Callable[[FloatArray, FloatArray], FloatArray] = nothing,
    *,
    spin_deg: float = 0.0,
    scale: float = 1.0,
    turned: bool = False,
    letters: bool = True,
    seed: int = 0,
) -> Scan:
    """A tyre without frames.

    Args:
        raised: Height over the plain profile by angle (clockwise, radians) and arc length, metres.
        spin_deg: By how much all of it is turned clockwise.
        scale: What all lengths are multiplied by.
        turned: Whether the other face looks outwards.
        letters: Whether the sidewalls show marks.
        seed: What the marks are drawn with.
    """
    profile = OuterProfile(section(0.002))
    angles = np.arange(360) * (2 * math.pi / 360)
    height = raised(angles[:, None], profile.arc[None])
    outline = profile.points[None] + height[..., None] * profile.normals[None]
    shown = angles[:, None] + math.radians(spin_deg)
    points = np.stack(
        [outline[..., 0] * np.sin(shown), outline[..., 0] * np.cos(shown), outline[..., 1]], axis=-1
    )
    count, length = points.shape[:2]
    at = np.arange(count * length).reshape(count, length)
    nxt = np.roll(at, -1, axis=0)
    quads = np.stack([at[:, :-1], nxt[:, :-1], nxt[:, 1:], at[:, 1:]], axis=-1).reshape(-1, 4)
    faces = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    vertices = points.reshape(-1, 3)
    faces_of = {"outer-sidewall": seed, "inner-sidewall": seed + 1}
    if turned:
        vertices = vertices * [-1.0, 1.0, -1.0]
        faces_of = {"outer-sidewall": seed + 1, "inner-sidewall": seed}
        spin_deg = -spin_deg
    parts = {
        name: _sidewall(name, marks, spin_deg, scale, letters=letters)
        for name, marks in faces_of.items()
    }
    points2 = section() * scale
    return Scan(
        vertices * scale,
        faces.astype(np.int32),
        np.zeros(len(vertices), np.bool_),
        {},
        {},
        {},
        parts,
        OuterProfile(points2),
    )


def _sidewall(name: str, seed: int, spin_deg: float, scale: float, *, letters: bool) -> FlatPart:
    """A sidewall with marks at all sizes; what is seen is turned, as a film's tyre is."""
    outer = name.startswith("outer")
    rows = np.arange(SHOULDER, BEAD, -0.001)
    grey = 90 + (55 * _marks(seed, len(rows)) if letters else np.zeros((len(rows), WIDTH)))
    if letters:
        grey[rows < 0.215] += 60  # a rim
    shift = round((spin_deg if outer else -spin_deg) / 360 * WIDTH)
    grey = np.roll(grey, shift, axis=1)
    colours = np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2)
    seen = np.full(grey.shape, Provenance.MEASURED, np.uint8)
    place = np.stack([rows, np.full(len(rows), HALF if outer else -HALF)], axis=1)
    return FlatPart(name, colours, seen, outer, scale * place)


@cache
def _marks(seed: int, rows: int) -> FloatArray:
    """Marks of all sizes, at most 1 high."""
    noise = np.random.default_rng(seed).normal(size=(rows, WIDTH))
    marks = sum(gaussian_filter(noise, s, mode=("nearest", "wrap")) * s for s in (2.0, 5.0, 12.0))
    marks = np.asarray(marks / np.abs(marks).max())
    marks.flags.writeable = False
    return marks


def touched(grid: SurfaceGrid, at: FloatArray, *, frames: int = 10) -> Measured:
    """A tyre whose mesh is its grid's profile, and which outlines touch alike in every frame.

    Args:
        grid: The grid.
        at: ``(N, 3)`` row, angle clockwise from the top (degrees) and metres off the mesh.
        frames: How many frames.
    """
    shape = grid.rows, grid.columns
    row, angle, offset = np.tile(at, (frames, 1)).T
    touches = Touches(
        row,
        angle * grid.columns / 360 - 0.5,
        offset,
        np.repeat(np.arange(frames), len(at)),
        np.full(len(row), 1e-3),
        np.zeros(len(row)),
    )
    return Measured(Heights(np.zeros(shape), np.zeros(shape, np.bool_)), touches, 180.0)


def filmed(made: Scan, truth: Scan, folder: Path, *, count: int = 20, width: int = 720) -> Scan:
    """A scan with frames: dark silhouettes of a truth before a bright wall, all round the tyre.

    Args:
        made: The scan, whose mesh may differ from the truth.
        truth: What is filmed, in the same frame.
        folder: Where the frames go.
        count: Number of frames.
        width: A frame's width, pixels.
    """
    caster = RayCaster(truth.vertices, truth.faces, scale=100.0)
    cameras, frames, alphas = {}, {}, {}
    height = round(0.75 * width)
    for k in range(count):
        turn = 2 * math.pi * k / count
        eye = np.array([1.6 * math.sin(turn), 0.35, 1.6 * math.cos(turn)])
        camera = look_at(eye, np.zeros(3), focal_px=1.5 * width, width=width, height=height)
        cover = _covered(caster, camera)
        solid = largest_filled(cover >= 0.5)  # the hole is filled, as a wheel fills it
        cover = np.where(cv2.erode(solid.astype(np.uint8), np.ones((3, 3))) > 0, 1.0, cover)
        alpha = np.rint(255 * cover).astype(np.uint8)
        image = np.repeat(np.rint(220 - 180 * cover).astype(np.uint8)[..., None], 3, axis=2)
        cameras[k], frames[k], alphas[k] = camera, folder / f"{k}.png", folder / f"{k}.alpha.png"
        write_image(frames[k], image)
        write_image(alphas[k], alpha)
    return replace(made, cameras=cameras, frame_paths=frames, alpha_paths=alphas)


def _covered(caster: RayCaster, camera: Camera) -> FloatArray:
    """Share of each pixel that the tyre covers: one ray, and sixteen where there is an edge."""

    def hit(pixels: FloatArray) -> NDArray[np.bool_]:
        rays = camera.rays(pixels)
        return np.isfinite(caster.distances(np.broadcast_to(camera.centre, rays.shape), rays))

    v, u = np.mgrid[: camera.height, : camera.width]
    middles = np.stack([u, v], axis=-1) + 0.5
    cover = hit(middles.reshape(-1, 2)).reshape(v.shape).astype(np.float64)
    around = np.ones((3, 3), np.uint8)
    edge = cv2.dilate(cover, around) != cv2.erode(cover, around)
    fine = (np.stack(np.meshgrid(*[np.arange(4)] * 2), axis=-1).reshape(-1, 2) + 0.5) / 4 - 0.5
    inside = hit((middles[edge][:, None] + fine).reshape(-1, 2))
    cover[edge] = inside.reshape(-1, 16).mean(axis=1)
    return cover
