"""What was filmed of the tyre: the way of the camera in degrees, and the surface part by part.

Angles are as a photographer counts them: degrees round the tyre from the first frame, in the
direction of the walk (or of the turning tyre, by how far it turned). Places on a face are hours on
a clock, 12 at the top, as someone sees them who stands before that face.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.mesh.merged import MergedMesh
from tasks.mesh.normals import vertex_normals
from tasks.poses.motion import turning_axis
from tasks.poses.record import PoseEstimate

FloatArray = NDArray[np.float64]

PARTS = ("outer face", "inner face", "tread")
_FACING = 0.6
"""Cosine from which a normal points along the axle (a face) or away from it (the tread)."""


@dataclass(frozen=True)
class Way:
    """The way of the camera round the tyre.

    Args:
        angles_deg: Angle of every posed frame from the first one, by index, in the direction of the
            walk; it runs past 360 where the camera does.
        towards: ``(N, 3)`` unit vectors from the tyre to the camera, in the order of the indices.
        axis: ``(3,)`` what the camera turned about, pointing so that angles grow to the right.
        first: ``(3,)`` direction of angle 0, across the axis.
        axle: ``(3,)`` towards the outer face.
    """

    angles_deg: Mapping[int, float]
    towards: FloatArray
    axis: FloatArray
    first: FloatArray
    axle: FloatArray

    @property
    def seen_deg(self) -> float:
        """How much of the circle was filmed: 360 less the widest gap between frames."""
        return 360.0 - max(high - low for low, high in self.gaps(0.0))

    def gaps(self, wider_than_deg: float) -> list[tuple[float, float]]:
        """Arcs without a frame, ``(from, to)`` in degrees; the last may run past 360."""
        angles = np.sort(np.array(list(self.angles_deg.values())) % 360.0)
        following = np.append(angles[1:], angles[0] + 360.0)
        return [
            (float(a), float(b))
            for a, b in zip(angles, following, strict=True)
            if b - a > wider_than_deg
        ]

    def faces_at(self, angle_deg: float) -> str:
        """Which part of the tyre a camera at this angle looks at, from ``PARTS``."""
        turn = np.radians(angle_deg)
        across = np.cross(self.axis, self.first)
        facing = float((np.cos(turn) * self.first + np.sin(turn) * across) @ self.axle)
        return PARTS[2] if abs(facing) < 0.5 else PARTS[0] if facing > 0 else PARTS[1]


def way_of(poses: PoseEstimate) -> Way:
    """The way of the camera round the tyre, in the order of the frames."""
    indices = sorted(poses.cameras)
    cameras = [poses.cameras[i] for i in indices]
    towards = np.stack([c.centre for c in cameras]) - poses.tyre.centre
    towards /= np.linalg.norm(towards, axis=1, keepdims=True)
    axis = turning_axis(cameras)[0]
    across = towards - np.outer(towards @ axis, axis)
    first = across[0] / max(float(np.linalg.norm(across[0])), 1e-9)
    side = np.cross(axis, first)
    angles = np.degrees(np.unwrap(np.arctan2(across @ side, across @ first)))
    if angles[-1] < angles[0]:  # walked the other way round
        angles, axis = -angles, -axis
    found = dict(zip(indices, angles.tolist(), strict=True))
    return Way(found, towards, axis, first, poses.tyre.axle)


def goes_clockwise(poses: PoseEstimate, way: Way) -> bool:
    """Whether angles grow clockwise, seen from above; of a spin by the tyre, seen by the camera."""
    if poses.motion == "spin":  # the tyre turns against the way of the camera round it
        return float(way.towards.mean(axis=0) @ way.axis) > 0.0
    up = -np.stack([camera.rotation[1] for camera in poses.cameras.values()]).mean(axis=0)
    return float(up @ way.axis) < 0.0


def face_steepness(way: Way) -> tuple[float, float]:
    """How frontally each face was seen at best: cosines for the outer and the inner face."""
    facing = way.towards @ way.axle
    return float(facing.max()), float(-facing.min())


def parts_seen(mesh: MergedMesh) -> dict[str, float]:
    """Share of the vertices of each part that a frame saw, by its name in ``PARTS``.

    Only what looks outwards counts: the inside of the tyre is no part of a face.
    """
    return {
        part: float((~mesh.inferred[members]).mean()) if members.any() else 0.0
        for part, members in _members(mesh).items()
    }


def unseen_hours(mesh: MergedMesh, part: str, *, share: float = 0.5) -> list[int]:
    """Hours of the clock, 1 to 12, at which less than ``share`` of a part was seen."""
    members = _members(mesh)[part]
    x = mesh.vertices[members, 0] * (-1.0 if part == PARTS[1] else 1.0)
    hour = np.rint(np.degrees(np.arctan2(x, mesh.vertices[members, 1])) / 30.0).astype(int) % 12
    seen = ~mesh.inferred[members]
    return [h or 12 for h in range(12) if (hour == h).any() and seen[hour == h].mean() < share]


def _members(mesh: MergedMesh) -> dict[str, NDArray[np.bool_]]:
    """Vertices of each part."""
    normals = vertex_normals(mesh.vertices, mesh.faces)
    radius = np.hypot(mesh.vertices[:, 0], mesh.vertices[:, 1])
    outwards = (normals[:, :2] * mesh.vertices[:, :2]).sum(axis=1) / np.maximum(radius, 1e-9)
    z = mesh.vertices[:, 2]
    return {
        PARTS[0]: (normals[:, 2] > _FACING) & (z > 0),
        PARTS[1]: (normals[:, 2] < -_FACING) & (z < 0),
        PARTS[2]: (outwards > _FACING) & (radius > 0.85 * radius.max()),
    }
