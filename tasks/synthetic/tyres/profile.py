"""The rubber's cross-section as polylines that mesh and inside query share.

Above the widest point the section is the height field ``r <= top(z)``, below it ``|z| <= side(r)``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.synthetic.tyres.spec import ProfileSpec

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Section:
    """One closed half-plane curve, symmetric about z = 0 and open at the bead.

    Args:
        top_z, top_r: ``(N,)`` the upper branch from -half width to +half width.
        side_r, side_z: ``(M,)`` the lower branch on the +z side, r ascending from the bead.
    """

    top_z: FloatArray
    top_r: FloatArray
    side_r: FloatArray
    side_z: FloatArray

    @property
    def bead_radius(self) -> float:
        """Radius at which the section ends towards the axle."""
        return float(self.side_r[0])

    @property
    def belly_radius(self) -> float:
        """Radius of the widest point, where the branches meet."""
        return float(self.side_r[-1])

    @property
    def half_width(self) -> float:
        """Half of the greatest width."""
        return float(max(self.top_z[-1], self.side_z.max()))

    def top(self, z: FloatArray) -> FloatArray:
        """Radius of the upper branch, -1 outside of its width."""
        return np.asarray(np.interp(z, self.top_z, self.top_r, left=-1.0, right=-1.0))

    def side(self, r: FloatArray) -> FloatArray:
        """Half width of the lower branch, -1 beyond its ends."""
        return np.asarray(np.interp(r, self.side_r, self.side_z, left=-1.0, right=-1.0))


def _bezier(p: list[tuple[float, float]], n: int) -> FloatArray:
    t = np.linspace(0.0, 1.0, n)[:, None]
    a, b, c, d = (np.asarray(q) for q in p)
    return np.asarray(
        (1 - t) ** 3 * a + 3 * t * (1 - t) ** 2 * b + 3 * t * t * (1 - t) * c + t**3 * d
    )


def _section(
    radius: float,
    half: float,
    bead_radius: float,
    bead_half: float,
    *,
    tread_half: float,
    crown_drop: float,
    reach: float,
    height: float,
    belly: float,
    points: int = 15,
) -> Section:
    belly_r = bead_radius + belly * (radius - bead_radius)
    edge_r = radius - crown_drop
    z = np.linspace(0.0, tread_half, max(3, points // 3))
    crown = np.stack([z, radius - crown_drop * (z / tread_half) ** 2], axis=1)
    room = half - tread_half
    slope = -2.0 * crown_drop / tread_half
    shoulder = _bezier(
        [
            (tread_half, edge_r),
            (tread_half + reach * room, max(edge_r + slope * reach * room, belly_r)),
            (half, belly_r + height * (edge_r - belly_r)),
            (half, belly_r),
        ],
        points,
    )
    upper = np.concatenate([crown, shoulder[1:]])
    fall = belly_r - bead_radius
    lower = _bezier(
        [
            (half, belly_r),
            (half, belly_r - 0.5 * fall),
            (bead_half + 0.3 * (half - bead_half), bead_radius + 0.3 * fall),
            (bead_half, bead_radius),
        ],
        max(7, points - 4),
    )[::-1]
    return Section(
        np.concatenate([-upper[:0:-1, 0], upper[:, 0]]),
        np.concatenate([upper[:0:-1, 1], upper[:, 1]]),
        lower[:, 1],
        lower[:, 0],
    )


def outer_section(spec: ProfileSpec) -> Section:
    """The outer contour of the new tyre, before grooves."""
    half = spec.width / 2
    section = _section(
        spec.diameter / 2,
        half,
        spec.rim_diameter / 2,
        spec.bead_share * half,
        tread_half=spec.tread_share * half,
        crown_drop=spec.crown_drop,
        reach=spec.shoulder_reach,
        height=spec.shoulder_height,
        belly=spec.belly,
    )
    if spec.rib <= 0.0:
        return section
    fall = section.belly_radius - section.bead_radius
    r0 = section.bead_radius + min(0.45 * fall, 0.022)
    knots = r0 + np.array([-0.004, -0.0015, 0.0015, 0.006])
    r = np.unique(np.concatenate([section.side_r, knots]))
    bump = np.interp(r, knots, [0.0, 1.0, 1.0, 0.0])
    return Section(section.top_z, section.top_r, r, section.side(r) + spec.rib * bump)


def cavity_section(spec: ProfileSpec, outer: Section, depth: float) -> Section:
    """The hollow of a tyre without a rim, at least 4 mm below grooves of a depth."""
    half = spec.width / 2 - spec.side_wall
    bead_half = max(spec.bead_share * spec.width / 2 - spec.bead_wall, 0.3 * half)
    inner = _section(
        spec.diameter / 2 - max(spec.tread_wall, depth + 0.004),
        half,
        spec.rim_diameter / 2,
        bead_half,
        tread_half=min(spec.tread_share * spec.width / 2, 0.8 * half),
        crown_drop=spec.crown_drop,
        reach=0.6,
        height=0.6,
        belly=spec.belly,
        points=9,
    )
    top = np.minimum(inner.top_r, outer.top(inner.top_z) - 0.004 - depth)
    top = np.maximum(top, inner.belly_radius + 1e-4 * np.cos(inner.top_z / half * np.pi / 2))
    side = np.minimum(inner.side_z, outer.side(inner.side_r) - 0.004)
    return Section(inner.top_z, top, inner.side_r, np.maximum(side, 0.2 * half))
