"""What the pose stage finds: the cameras and the tyre as a solid of revolution."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from configs.presets import Motion
from tasks.geometry.camera import Camera
from tasks.geometry.lens import Lens
from tasks.storage.artifacts import Artifact


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

    @property
    def axes(self) -> NDArray[np.float64]:
        """``(3, 3)`` rows are the tyre frame's axes in the world: right of the face, up, axle."""
        return np.stack([np.cross(self.up, self.axle), self.up, self.axle])


@dataclass(frozen=True)
class PoseEstimate:
    """Cameras of the registered frames in one world whose scale is arbitrary.

    They are pinholes behind the one lens of all frames: they see frames that were undistorted.
    Where the tyre moves (turntable, spin) the world is fixed to the tyre.
    """

    method: str
    motion: Motion
    cameras: dict[int, Camera]
    tyre: ObjectEstimate
    figures: dict[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    lens: Lens = field(default_factory=Lens)

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
            "lens": self.lens.to_dict(),
        }

    @classmethod
    def read(cls, artifact: Artifact) -> PoseEstimate:
        """The estimate that an artifact holds."""
        return cls.from_dict(artifact.record["poses"])

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
            lens=Lens.from_dict(record["lens"]),
        )
