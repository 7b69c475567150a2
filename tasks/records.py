"""What the stages hand to each other: frozen records, JSON in manifests, arrays in files."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tasks.geometry.camera import Camera
from tasks.geometry.crop import Crop

Motion = Literal["orbit", "spin", "free"]
"""Camera orbits a standing tyre (or turntable); tyre spins about its axle; hand-held."""


@dataclass(frozen=True)
class ArtifactRef:
    """A reference to an artifact: the URI of its manifest, the manifest's digest, bytes in all."""

    uri: str
    sha256: str
    size: int


@dataclass(frozen=True)
class ObjectEstimate:
    """The tyre as a solid of revolution in world coordinates.

    Args:
        centre: ``(3,)`` centre of the bounding box.
        axle: ``(3,)`` unit vector towards the outer (better seen) face.
        up: ``(3,)`` unit vector, orthogonal to the axle.
        radius: Outer radius, world units.
        half_width: Half the section width, world units.
    """

    centre: NDArray[np.float64]
    axle: NDArray[np.float64]
    up: NDArray[np.float64]
    radius: float
    half_width: float


@dataclass(frozen=True)
class PoseEstimate:
    """Cameras of the registered frames in one world whose scale is arbitrary.

    For a tyre that spins before a fixed camera the world is fixed to the tyre.
    """

    method: str
    motion: Motion
    cameras: dict[int, Camera]
    tyre: ObjectEstimate
    figures: dict[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The estimate as plain JSON types."""
        return {
            "method": self.method,
            "motion": self.motion,
            "cameras": {str(k): c.to_dict() for k, c in sorted(self.cameras.items())},
            "tyre": {
                "centre": self.tyre.centre.tolist(),
                "axle": self.tyre.axle.tolist(),
                "up": self.tyre.up.tolist(),
                "radius": self.tyre.radius,
                "half_width": self.tyre.half_width,
            },
            "figures": self.figures,
            "warnings": list(self.warnings),
        }

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> PoseEstimate:
        """The inverse of :meth:`to_dict`."""
        t = record["tyre"]
        return cls(
            method=record["method"],
            motion=record["motion"],
            cameras={int(k): Camera.from_dict(c) for k, c in record["cameras"].items()},
            tyre=ObjectEstimate(
                centre=np.asarray(t["centre"]),
                axle=np.asarray(t["axle"]),
                up=np.asarray(t["up"]),
                radius=t["radius"],
                half_width=t["half_width"],
            ),
            figures=record["figures"],
            warnings=tuple(record["warnings"]),
        )


@dataclass(frozen=True)
class CodedFrame:
    """A chosen frame whose scene code was inferred: its index and the crop the network saw."""

    index: int
    crop: Crop


@dataclass(frozen=True)
class MergedMesh:
    """One closed surface in the tyre frame (metres, axle +Z, up +Y), with provenance per vertex.

    Args:
        vertices: ``(V, 3)`` float32, metres.
        faces: ``(F, 3)`` int32, wound outwards.
        colours: ``(V, 3)`` uint8, sRGB.
        seen_by: ``(V,)`` uint8, frames that saw the vertex.
        disagreement: ``(V,)`` float32, spread of the frames' fields there, in metres.
        inferred: ``(V,)`` bool, true where no frame saw the surface.
        figures: Fusion figures for the record.
        warnings: What a person should know.
    """

    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]
    colours: NDArray[np.uint8]
    seen_by: NDArray[np.uint8]
    disagreement: NDArray[np.float32]
    inferred: NDArray[np.bool_]
    figures: dict[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
