"""Where one reconstruction lies on another of the same tyre, by what does not wear.

Marks of the sidewalls, written or of the rubber itself, give spin, scale, centre and the tilt of
the axle at once; that they lie on a surface of both gives the position along the axle. Where there
are none, the reconstructions keep their scales, and a loss all over the tread cannot be told.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from configs.comparison import CompareConfig
from tasks.atlas.flattened import FlatPart
from tasks.comparison.polar import (
    COLUMNS,
    ROW_M,
    PolarImage,
    follow_marks,
    match_rings,
    polar_image,
)
from tasks.comparison.scan import Scan
from tasks.comparison.spin import INNER, OUTER, Faces, Spin, find_spin, other_face
from tasks.geometry.similarity import Similarity
from tasks.surface.robust import random_effects_sd

FloatArray = NDArray[np.float64]
Anchor = Literal["sidewall-markings", "diameter"]

_TURN_OVER = np.diag([-1.0, 1.0, -1.0])
"""About the vertical: the other face outwards."""
_MARGIN_M = 0.004
"""Rows of images this close to bead and shoulder are left out."""
_MIN_MARKS = 60
_MIN_SECTOR_MARKS, _MIN_SECTORS = 15, 4
"""Marks of a sector, and sectors of a face, from which on they tell a radius."""
_ALONG_AXLE = 0.3
"""Weight of marks along the axle, where only the surfaces' depth tells."""
_ROBUST_M = 0.0008
SAME_SIZE = 0.015
"""Results whose diameters differ by a larger share were made with different ones."""
_SECTORS = 12
_ROUNDS = 2


@dataclass(frozen=True)
class Alignment:
    """How the other tyre was brought onto the new one.

    Args:
        transform: The other's frame to the new one's.
        anchor: What scale and position were taken from.
        faces: Whether the same face looks outwards in both.
        spin_deg: By how much the other's marks lie further clockwise, degrees, as one who looks at
            the new one's outer face sees them.
        spin_certain: Whether no other angle, nor the other face, fits nearly as well.
        correlation: How what stands once on the sidewalls correlates at this angle, -1 to 1.
        runner_up: The same at the best other angle or face.
        deviations: By how many standard deviations of all angles it stands out.
        scale_ratio: Size of the other result over that of the new one before alignment.
        scale_sd: Standard deviation of the scale, relative.
        tilt_deg: Angle between the axles before alignment.
        shift_mm: ``(3,)`` distance of the centres before alignment.
        num_marks: Marks that were followed from one to the other.
        residual_mm: Root mean square of their distances in the sidewalls' planes.
        registration_mm: Standard deviation of the position of the surface that remains.
    """

    transform: Similarity
    anchor: Anchor
    faces: Faces = "same"
    spin_deg: float = 0.0
    spin_certain: bool = False
    correlation: float = 0.0
    runner_up: float = 0.0
    deviations: float = math.nan
    scale_ratio: float = 1.0
    scale_sd: float = math.nan
    tilt_deg: float = 0.0
    shift_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    num_marks: int = 0
    residual_mm: float = math.nan
    registration_mm: float = math.nan

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON types; what is not known is null."""
        record = asdict(self) | {
            "transform": {
                "scale": self.transform.scale,
                "rotation": self.transform.rotation.tolist(),
                "translation": self.transform.translation.tolist(),
            }
        }
        return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in record.items()}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Alignment:
        """The inverse of :meth:`to_dict`."""
        transform = record["transform"]
        fields: dict[str, Any] = {k: math.nan if v is None else v for k, v in record.items()}
        fields["shift_mm"] = tuple(record["shift_mm"])
        fields["transform"] = Similarity(
            transform["scale"], np.array(transform["rotation"]), np.array(transform["translation"])
        )
        return cls(**fields)


@dataclass(frozen=True)
class _Found:
    """What was found on one face in both: where it lies in both frames.

    Args:
        new: ``(M, 3)`` metres.
        other: ``(M, 3)`` metres.
        angle: ``(M,)`` clockwise for an eye before the face, radians.
        ring: ``(M,)`` whether it is a point of a circle, of which only the radius is known.
    """

    new: FloatArray
    other: FloatArray
    angle: FloatArray
    ring: NDArray[np.bool_]

    @property
    def outwards(self) -> FloatArray:
        """``(M, 2)`` unit vectors from the axle."""
        return np.asarray(self.new[:, :2] / np.linalg.norm(self.new[:, :2], axis=1, keepdims=True))


def align_scans(new: Scan, other: Scan, config: CompareConfig) -> Alignment:
    """Bring another reconstruction of a tyre onto the new one.

    Args:
        new: The new tyre.
        other: The damaged one; where its diameter differs by more than :data:`SAME_SIZE`, it is
            first brought to that of the new one.
        config: Parameters.
    """
    sizes = [float(s.profile.points[:, 0].max()) for s in (new, other)]
    scale = sizes[0] / sizes[1]
    scale = scale if abs(scale - 1) > SAME_SIZE else 1.0
    unaligned = Alignment(
        Similarity(scale, np.eye(3), np.zeros(3)), "diameter", scale_ratio=1.0 / scale
    )
    found = None
    for _ in range(_ROUNDS):  # at the scale that was found all fits better
        spin = _spin(new, other, scale, config)
        found = None if spin is None else _by_marks(new, other, spin, scale, config)
        if found is None:
            return unaligned
        scale = found.transform.scale
    return found or unaligned


def _spin(new: Scan, other: Scan, scale: float, config: CompareConfig) -> Spin | None:
    """How the other tyre is turned, by its sidewalls at a scale; None where nothing tells it."""
    walls = [[scan.parts[n] for n in (OUTER, INNER) if n in scan.parts] for scan in (new, other)]
    images = _common([*((p, 1.0) for p in walls[0]), *((p, scale) for p in walls[1])])
    if not all(walls) or images is None:
        return None
    count = len(walls[0])
    return find_spin(
        {p.name: image for p, image in zip(walls[0], images[:count], strict=True)},
        {p.name: image for p, image in zip(walls[1], images[count:], strict=True)},
        config,
    )


def _by_marks(
    new: Scan, other: Scan, spin: Spin, scale: float, config: CompareConfig
) -> Alignment | None:
    """The alignment by marks; None where too few are on both."""
    faces, columns = spin.turn.faces, spin.turn.columns
    sets = []
    for name in (OUTER, INNER):
        here, there = new.parts.get(name), other.parts.get(other_face(name, faces))
        if here is None or there is None:
            continue
        images = _common([(here, 1.0), (there, scale)])
        if images is not None:
            turn = columns if name == OUTER else -columns
            sets.append(_found(images, turn, here, there, scale))
    sets = [s for s in sets if len(s.new)]
    num_marks = sum(int((~s.ring).sum()) for s in sets)
    if num_marks < _MIN_MARKS:
        return None
    placement, residuals = _fit(sets, _start(faces, columns), scale)
    reach = float(np.mean([np.hypot(s.new[:, 0], s.new[:, 1]).mean() for s in sets]))
    registration_sd = random_effects_sd(_sector_means(sets, residuals))
    flat = np.concatenate([r[~s.ring, :2] for s, r in zip(sets, residuals, strict=True)])
    axle = placement.rotation @ np.array([0.0, 0.0, 1.0 if faces == "same" else -1.0])
    base = np.eye(3) if faces == "same" else _TURN_OVER
    turned = placement.rotation @ base.T
    spin_deg = math.degrees(math.atan2(turned[1, 0], turned[0, 0])) % 360.0
    return Alignment(
        placement,
        "sidewall-markings",
        faces,
        spin_deg,
        spin.is_certain(config),
        spin.correlation,
        spin.runner_up,
        spin.deviations,
        1.0 / placement.scale,
        registration_sd / reach,
        math.degrees(math.acos(min(1.0, abs(float(axle[2]))))),
        tuple(1000.0 * float(v) for v in placement.translation),  # type: ignore[arg-type]
        num_marks,
        1000.0 * float(np.sqrt(np.median((flat**2).sum(axis=1)))),
        1000.0 * registration_sd,
    )


def _common(parts: Sequence[tuple[FlatPart, float]]) -> list[PolarImage] | None:
    """Sidewalls' images over the radii that all have, each at its scale."""
    low = max((scale * p.section[:, 0].min() for p, scale in parts), default=0.0) + _MARGIN_M
    high = min((scale * p.section[:, 0].max() for p, scale in parts), default=0.0) - _MARGIN_M
    if high - low < 8 * ROW_M:
        return None
    radii = np.arange(high, low, -ROW_M)
    return [polar_image(p, scale, radii) for p, scale in parts]


def _found(
    images: Sequence[PolarImage],
    columns: int,
    new: FlatPart,
    other: FlatPart,
    scale: float,
) -> _Found:
    """Marks and rings of one face, where they lie in both frames."""
    first, second = images
    marks, rings = follow_marks(first, second, columns), match_rings(first, second, columns)
    turn = columns * 2 * math.pi / COLUMNS
    here = np.concatenate([marks.new, np.stack([rings.angle, rings.new], axis=1)])
    there = np.concatenate([marks.other, np.stack([rings.angle + turn, rings.other], axis=1)])
    ring = np.arange(len(here)) >= len(marks.new)
    return _Found(_in_frame(here, new, 1.0), _in_frame(there, other, scale), here[:, 0], ring)


def _in_frame(at: FloatArray, part: FlatPart, scale: float) -> FloatArray:
    """``(M, 3)`` of angles and radii on a face; radii are at ``scale``, points are not."""
    angle, radius = at[:, 0], at[:, 1] / scale
    rising = np.maximum.accumulate(part.section[::-1, 0])
    height = np.interp(radius, rising, part.section[::-1, 1])
    side = 1.0 if part.clockwise else -1.0
    return np.stack([side * radius * np.sin(angle), radius * np.cos(angle), height], axis=1)


def _start(faces: Faces, columns: int) -> FloatArray:
    """``(3, 3)`` rotation of the other tyre onto the new one, at the angle of the images."""
    spin = Rotation.from_rotvec([0.0, 0.0, columns * 2 * math.pi / COLUMNS]).as_matrix()
    return np.asarray(spin if faces == "same" else spin @ _TURN_OVER)


def _fit(
    sets: list[_Found], start: FloatArray, scale: float
) -> tuple[Similarity, list[FloatArray]]:
    """The similarity that brings marks onto each other, and what remains, ``(M, 3)`` each.

    It is looked for around a rotation ``start`` and a ``scale``.
    """
    new = np.concatenate([s.new for s in sets])
    turned = np.concatenate([s.other for s in sets]) @ start.T
    outwards = np.concatenate([s.outwards for s in sets])
    ring = np.concatenate([s.ring for s in sets])

    def similarity(x: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        return scale * math.exp(x[0]), Rotation.from_rotvec(x[1:4]).as_matrix(), x[4:7]

    def residual(x: FloatArray) -> FloatArray:
        s, r, t = similarity(x)
        rest = s * turned @ r.T + t - new
        rest[ring, :2] = outwards[ring] * (rest[ring, :2] * outwards[ring]).sum(1, keepdims=True)
        rest[:, 2] *= _ALONG_AXLE
        return np.asarray(rest.ravel())

    scales = np.array([0.01, 0.01, 0.01, 0.01, 0.002, 0.002, 0.002])
    solved = least_squares(residual, np.zeros(7), x_scale=scales, loss="soft_l1", f_scale=_ROBUST_M)
    s, r, t = similarity(solved.x)
    rest = np.split(new - (s * turned @ r.T + t), np.cumsum([len(f.new) for f in sets])[:-1])
    return Similarity(s, r @ start, t), rest


def _sector_means(sets: list[_Found], residuals: list[FloatArray]) -> list[FloatArray]:
    """Radial part of what remains, its median in every sector of each face, metres.

    Where few marks were followed in a sector, false ones outweigh the true. Sectors of a face share
    its errors.
    """
    faces = []
    for found, rest in zip(sets, residuals, strict=True):
        radial = (rest[:, :2] * found.outwards).sum(axis=1)
        sector = (found.angle / (2 * math.pi) * _SECTORS).astype(int) % _SECTORS
        means = []
        for k in range(_SECTORS):
            rings, marks = (radial[(sector == k) & here] for here in (found.ring, ~found.ring))
            kinds = [rings] if len(marks) < _MIN_SECTOR_MARKS else [rings, marks]
            medians = [float(np.median(v)) for v in kinds if len(v)]
            if medians:
                means.append(float(np.mean(medians)))
        if len(means) >= _MIN_SECTORS:
            faces.append(np.array(means))
    return faces
