"""Builds a tyre from its spec: mesh, exact inside query, known wear and material.

Tyre frame: metres, +Z along the axle towards the outer face, +Y up, origin on the axle, in the
middle of the bounding box's width.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import trimesh
from numpy.typing import NDArray

from tasks.synthetic.tyres.damage import ON_ITS_WHEEL, Mount
from tasks.synthetic.tyres.material import Material, SidewallTexture, evaluate, paint_sidewall
from tasks.synthetic.tyres.normals import split_creases
from tasks.synthetic.tyres.profile import (
    BoolArray,
    FloatArray,
    Section,
    cavity_section,
    outer_section,
)
from tasks.synthetic.tyres.rim import build_rim
from tasks.synthetic.tyres.rubber import Rubber, cylinder
from tasks.synthetic.tyres.sampling import sample_spec
from tasks.synthetic.tyres.shapes import Body, Mesh, join
from tasks.synthetic.tyres.spec import Part, RimSpec, TyreSpec
from tasks.synthetic.tyres.tread import build_pattern

__all__ = ["Tyre", "build_tyre", "sample_spec", "tyre_mesh"]

Float32Array = NDArray[np.float32]
RimBuilder = Callable[[RimSpec, Section], list[Body]]


@dataclass(frozen=True)
class Tyre:
    """A tyre with exact geometry.

    Args:
        spec: What it was built from.
        vertices: ``(V, 3)`` metres, split at creases.
        faces: ``(F, 3)`` wound outwards; closed bodies that may overlap.
        normals: ``(V, 3)`` unit.
        part: ``(F,)`` :class:`~tasks.synthetic.tyres.spec.Part` of each face.
        diameter: Diameter of the new tyre, metres.
        width: Width of the bounding box along the axle, metres.
        rubber: The tyre itself, in the frame of its own middle.
        wheel: The rim's bodies, empty for a tyre without a rim.
        texture: Texture of the sidewalls.
        z_shift: Add to z of the tyre frame to get the frame of the rubber's middle.
    """

    spec: TyreSpec
    vertices: Float32Array
    faces: NDArray[np.int32]
    normals: Float32Array
    part: NDArray[np.uint8]
    diameter: float
    width: float
    rubber: Rubber
    wheel: tuple[Body, ...]
    texture: SidewallTexture
    z_shift: float

    def _local(self, points: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Cylinder coordinates in the frame of the wheel."""
        r, theta, z = cylinder(np.asarray(points, dtype=np.float64))
        return r, theta - self.spec.phase, z + self.z_shift

    def _on_rubber(self, theta: FloatArray, z: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Angle and z on the rubber of those in the frame of the wheel."""
        mount = self.spec.mount
        theta = theta - mount.angle
        return (math.pi - theta, -z) if mount.turned else (theta, z)

    def contains(self, points: FloatArray) -> BoolArray:
        """Whether points ``(N, 3)`` lie inside the solid; a sealed air chamber counts as solid."""
        r, theta, z = self._local(points)
        inside = self.rubber.contains(r, *self._on_rubber(theta, z))
        for body in self.wheel:
            left = np.flatnonzero(~inside)
            if len(left) == 0:
                break
            inside[left] = body.contains(r[left], theta[left], z[left])
        return inside

    def delta_r(self, theta: FloatArray, z: FloatArray) -> FloatArray:
        """Radius lost to wear, metres, at angles about +Z from +X and z of the tyre frame."""
        t, s = np.broadcast_arrays(theta, z)
        flat = self.rubber.loss(
            *self._on_rubber(
                np.asarray(t, dtype=np.float64).ravel() - self.spec.phase,
                np.asarray(s, dtype=np.float64).ravel() + self.z_shift,
            )
        )
        return flat.reshape(t.shape)

    def material(self, face_index: NDArray[np.integer], points: FloatArray) -> Material:
        """The material at points ``(N, 3)`` on faces ``(N,)``."""
        r, theta, z = self._local(points)
        part = self.part[face_index]
        own_theta, own_z = self._on_rubber(theta, z)
        theta, z = np.where(part < Part.RIM, (own_theta, own_z), (theta, z))
        c, s = np.cos(theta), np.sin(theta)
        local = np.stack([r * c, r * s, z], axis=1)
        depth = self.rubber.section.top(z) - self.rubber.loss(theta, z) - r
        return evaluate(
            self.spec.look,
            self.texture,
            part,
            local,
            depth,
            self.rubber.section.bead_radius,
            self.spec.damage,
            self.rubber.radius,
        )


def build_tyre(spec: TyreSpec, *, detail: float = 1.0, rim: RimBuilder = build_rim) -> Tyre:
    """Build the tyre of a spec.

    Args:
        spec: See :func:`sample_spec`.
        detail: Density of the mesh; 1 for images and truth, 0.35 for training. The inside query
            does not depend on it.
        rim: Makes the bodies of the wheel.
    """
    section = outer_section(spec.profile)
    half = float(section.top_z[-1])
    # A round tyre's pattern follows the crown far beyond its short middle arc.
    share = spec.profile.tread_share
    pattern = build_pattern(spec.tread, section, (share if share > 0.5 else 0.75) * half)
    hollow = spec.rim is None
    cavity = cavity_section(spec.profile, section, pattern.max_depth) if hollow else None
    rubber = Rubber(section, cavity, pattern, spec.wear, spec.damage)
    wheel = () if spec.rim is None else tuple(rim(spec.rim, section))
    mesh = join([_mounted(rubber.mesh(detail), spec.mount), *(b.mesh(detail) for b in wheel)])
    vertices, faces, normals = split_creases(mesh)
    z_low, z_high = float(vertices[:, 2].min()), float(vertices[:, 2].max())
    z_shift = (z_low + z_high) / 2
    c, s = math.cos(spec.phase), math.sin(spec.phase)
    turn = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    placed = (vertices - [0.0, 0.0, z_shift]) @ turn.T
    texture = paint_sidewall(
        spec.look,
        section.bead_radius + 0.012,
        section.bead_radius
        + 0.96 * (rubber.radius - spec.profile.crown_drop - section.bead_radius),
    )
    return Tyre(
        spec,
        placed.astype(np.float32),
        faces.astype(np.int32),
        (normals @ turn.T).astype(np.float32),
        mesh.part,
        2 * rubber.radius,
        z_high - z_low,
        rubber,
        wheel,
        texture,
        z_shift,
    )


def _mounted(mesh: Mesh, mount: Mount) -> Mesh:
    """The rubber's mesh in the frame of its wheel."""
    if mount == ON_ITS_WHEEL:
        return mesh
    c, s = math.cos(mount.angle), math.sin(mount.angle)
    turn = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    if mount.turned:
        turn = turn @ np.diag([-1.0, 1.0, -1.0])
    return Mesh(mesh.vertices @ turn.T, mesh.faces, mesh.part)


def tyre_mesh(tyre: Tyre) -> trimesh.Trimesh:
    """The tyre as a mesh with merged vertices: closed bodies that may overlap."""
    return trimesh.Trimesh(tyre.vertices, tyre.faces, process=True)
