"""What changed between the tyres of a pair, in the frame of the new one.

Angles are degrees clockwise from the top as one who looks at the outer face sees them; ``across``
is along the axle from the middle of the tread towards the outer face; changes are along the normals
of the new profile, minus is material lost, all in millimetres.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tasks.surface.profile import ZONES
from tasks.synthetic.tyres.damage import sidewall_shift
from tasks.synthetic.tyres.pairs import Pair, normal_of_top, tread_edge
from tasks.synthetic.tyres.profile import FloatArray, Section, outer_section
from tasks.synthetic.tyres.rubber import Rubber
from tasks.synthetic.tyres.spec import TyreSpec
from tasks.synthetic.tyres.tread import build_pattern

_COLUMNS = 72
_ROW_MM = 10.0


@dataclass(frozen=True)
class TrueZone:
    """A fifth of the tread, all round; positions across and mean change in millimetres."""

    name: str
    from_mm: float
    to_mm: float
    change_mm: float


@dataclass(frozen=True)
class Planted:
    """One damage.

    Args:
        kind: ``flat-spot``, ``cut``, ``chunk``, ``bulge``, ``dent``, ``scuff``, ``blisters`` or
            ``graining``.
        part: ``tread``, ``outer-sidewall`` or ``inner-sidewall``.
        angle_deg: Where its middle is; None for what goes all round.
        across_mm: Where its middle is on the tread, None on a sidewall.
        radius_mm: Where its middle is on a sidewall, None on the tread.
        length_mm, width_mm: Its longer and its shorter side.
        depth_mm: Material lost at its deepest, negative where it swells; None where only the look
            changes.
    """

    kind: str
    part: str
    angle_deg: float | None
    across_mm: float | None
    radius_mm: float | None
    length_mm: float
    width_mm: float
    depth_mm: float | None


@dataclass(frozen=True)
class PairTruth:
    """All that is known of a pair.

    Args:
        seed: The pair's seed.
        kind: What changed.
        diameter_mm, width_mm: The new tyre's outer diameter and section width.
        faces: ``same``, or ``turned`` where the rubber's other face looks outwards.
        spin_deg: What is at angle 0 of the new tyre is at this angle of the used one.
        rotation: ``(3, 3)`` from the used film's tyre frame to the new film's, for the rubber.
        zones: Five.
        findings: What was planted.
        profile: ``(R, 2)`` radius and position across of rows, from the inner bead to the outer.
        field: ``(R, 72)`` change at the middles of 5° from angle 0 on.
        specs: Digest of all that both tyres are made of.
    """

    seed: int
    kind: str
    diameter_mm: float
    width_mm: float
    faces: Literal["same", "turned"]
    spin_deg: float
    rotation: FloatArray
    zones: tuple[TrueZone, ...]
    findings: tuple[Planted, ...]
    profile: FloatArray
    field: FloatArray
    specs: str

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON types."""
        record = asdict(self)
        record["rotation"] = self.rotation.tolist()
        record["profile"] = np.round(self.profile, 2).tolist()
        record["field"] = np.round(self.field, 3).tolist()
        return record

    @staticmethod
    def from_dict(record: dict[str, Any]) -> PairTruth:
        """From what :meth:`to_dict` gave."""
        values = dict(record)
        for name in ("rotation", "profile", "field"):
            values[name] = np.array(values[name])
        values["zones"] = tuple(TrueZone(**z) for z in values["zones"])
        values["findings"] = tuple(Planted(**f) for f in values["findings"])
        return PairTruth(**values)


def truth_of_pair(pair: Pair) -> PairTruth:
    """What changed in a pair, from its two specs."""
    section = outer_section(pair.new.profile)
    rubber = _rubber(pair.damaged, section)
    rotation = _to_tyre(pair.new) @ _to_tyre(pair.damaged).T
    top = rotation.T @ np.array([0.0, 1.0, 0.0])
    turned = pair.damaged.mount.turned
    # Clockwise is as one sees it who looks at the face that was the outer one of that film.
    spin = 90.0 - math.degrees(math.atan2(top[1], top[0]))
    profile = _rows(section)
    angles = (np.arange(_COLUMNS) + 0.5) * 360 / _COLUMNS
    return PairTruth(
        seed=pair.seed,
        kind=pair.kind,
        diameter_mm=2000 * rubber.radius,
        width_mm=2000 * section.half_width,
        faces="turned" if turned else "same",
        spin_deg=spin % 360,
        rotation=rotation,
        zones=tuple(_zones(rubber, section)),
        findings=tuple(_findings(pair, rubber, section)),
        profile=1000 * profile,
        field=_field(pair, rubber, section, profile, angles),
        specs=hashlib.sha256(repr(pair).encode()).hexdigest(),
    )


def write_pair_truth(path: Path, truth: PairTruth) -> None:
    """Write a truth as JSON."""
    path.write_text(json.dumps(truth.to_dict()) + "\n")


def read_pair_truth(path: Path) -> PairTruth:
    """Read what :func:`write_pair_truth` wrote."""
    return PairTruth.from_dict(json.loads(path.read_text()))


def _rubber(spec: TyreSpec, section: Section) -> Rubber:
    """The rubber without its grooves' edges, which no change depends on."""
    pattern = build_pattern(spec.tread, section, float(section.top_z[-1]))
    return Rubber(section, None, pattern, spec.wear, spec.damage)


def _to_tyre(spec: TyreSpec) -> FloatArray:
    """``(3, 3)`` from the rubber's frame to the tyre's."""
    angle = spec.phase + spec.mount.angle
    c, s = math.cos(angle), math.sin(angle)
    turn = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    return turn @ np.diag([-1.0, 1.0, -1.0]) if spec.mount.turned else turn


def _theta(pair: Pair, angle_deg: NDArray[np.floating[Any]]) -> FloatArray:
    """Angles in the rubber's frame of angles on the new tyre."""
    return np.asarray(np.radians(90.0 - angle_deg) - pair.new.phase)


def _angle(pair: Pair, theta: float) -> float:
    """The angle on the new tyre of one in the rubber's frame, degrees."""
    return (90.0 - math.degrees(theta + pair.new.phase)) % 360


def _zones(rubber: Rubber, section: Section) -> list[TrueZone]:
    edge = tread_edge(section)
    ends = np.linspace(-edge, edge, len(ZONES) + 1)
    theta = np.arange(1440) * (2 * math.pi / 1440)
    found = []
    for name, low, high in zip(ZONES, ends, ends[1:], strict=False):
        z = low + (np.arange(40) + 0.5) / 40 * (high - low)
        t, across = np.meshgrid(theta, z)
        loss = rubber.loss(t.ravel(), across.ravel()).reshape(t.shape)
        change = -1000 * float((loss * normal_of_top(section, z)[:, None]).mean())
        found.append(TrueZone(name, 1000 * float(low), 1000 * float(high), change))
    return found


def _rows(section: Section) -> FloatArray:
    """``(R, 2)`` radius and z along the outer profile, evenly spaced."""
    side = np.stack([section.side_r, section.side_z], axis=1)[:-1]
    upper = np.stack([section.top_r, section.top_z], axis=1)
    line = np.concatenate([side * [1.0, -1.0], upper, side[::-1]])
    way = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    count = max(2, round(1000 * way[-1] / _ROW_MM))
    at = (np.arange(count) + 0.5) * way[-1] / count
    return np.stack([np.interp(at, way, line[:, 0]), np.interp(at, way, line[:, 1])], axis=1)


def _field(
    pair: Pair, rubber: Rubber, section: Section, profile: FloatArray, angles: FloatArray
) -> FloatArray:
    """Change along the normals, ``(R, C)`` millimetres."""
    tangent = np.gradient(profile, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1)[:, None]
    normal_r, normal_z = np.abs(tangent[:, 1]), np.abs(tangent[:, 0])
    theta = np.broadcast_to(_theta(pair, angles), (len(profile), len(angles)))
    r, z = (np.broadcast_to(profile[:, k, None], theta.shape) for k in (0, 1))
    change = np.zeros(theta.shape)
    upper = profile[:, 0] > section.belly_radius
    lost = rubber.loss(theta[upper].ravel(), z[upper].ravel()).reshape(theta[upper].shape)
    change[upper] -= lost * normal_r[upper, None]
    if pair.damaged.damage is not None:
        moved = sidewall_shift(pair.damaged.damage, r.ravel(), theta.ravel(), z.ravel())
        change += moved.reshape(z.shape) * np.sign(z) * normal_z[:, None]
    return np.asarray(1000 * change)


def _findings(pair: Pair, rubber: Rubber, section: Section) -> list[Planted]:
    wear, damage = pair.damaged.wear, pair.damaged.damage
    radius, width = rubber.radius, 2000 * tread_edge(section)
    found = []
    for spot in wear.flat_spots if wear else ():
        ground = wear.uniform if wear else 0.0
        chord = math.sqrt(max(radius**2 - (radius - spot.depth) ** 2, 0.0))
        found.append(
            Planted(
                "flat-spot", "tread", _angle(pair, spot.angle), 0.0, None,
                2000 * chord, width, 1000 * (spot.depth - ground),
            )
        )  # fmt: skip
    if wear and wear.graining > 0:
        half = float(section.top_z[-1])
        found.append(
            Planted(
                "graining", "tread", None, 1000 * wear.graining_centre * half, None,
                2000 * math.pi * radius, 600 * half, 1000 * wear.graining,
            )
        )  # fmt: skip
    if damage is None:
        return found
    for chunk in damage.chunks:
        sides = sorted((2000 * chunk.length, 2000 * chunk.width))
        found.append(
            Planted(
                "chunk", "tread", _angle(pair, chunk.angle), 1000 * chunk.z, None,
                sides[1], sides[0], 1000 * chunk.depth,
            )
        )  # fmt: skip
    for patch in damage.blisters:
        found.append(
            Planted(
                "blisters", "tread", _angle(pair, patch.angle), 1000 * patch.z, None,
                2000 * patch.length, 2000 * patch.width, 1000 * patch.depth,
            )
        )  # fmt: skip
    for bulge in damage.bulges:
        sides = sorted((2000 * bulge.length, 2000 * bulge.height))
        found.append(
            Planted(
                "bulge" if bulge.depth > 0 else "dent", _wall(bulge.face),
                _angle(pair, bulge.angle), None, 1000 * bulge.radius,
                sides[1], sides[0], -1000 * bulge.depth,
            )
        )  # fmt: skip
    for kind, marks in (("cut", damage.cuts), ("scuff", damage.scuffs)):
        for mark in marks:
            found.append(
                Planted(
                    kind, _wall(mark.face), _angle(pair, mark.angle), None, 1000 * mark.radius,
                    2000 * mark.length, 2000 * mark.width, None,
                )
            )  # fmt: skip
    return found


def _wall(face: int) -> str:
    return "outer-sidewall" if face > 0 else "inner-sidewall"
