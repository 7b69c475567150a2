"""Draws tread patterns."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from tasks.synthetic.tyres.spec import Cut, ProfileSpec, TreadSpec

Rng = np.random.Generator
EDGES = 120
"""Most groove edges round the tyre, give or take."""

Sweep = tuple[tuple[float, float], ...]


def sample_tread(rng: Rng, kind: str, profile: ProfileSpec) -> TreadSpec:
    """A random pattern of one kind: slick, grooved, block, winter, vee, inter, wet or lug."""
    half = profile.width / 2
    # Patterns of round tyres cover the shoulders, which their short crown does not.
    edge = float(np.clip(profile.tread_share + rng.uniform(0.02, 0.12), 0.7, 0.97))
    depth = float(rng.uniform(0.004, 0.009))
    if kind == "slick":
        return TreadSpec(kind)
    if kind == "grooved":
        return TreadSpec(kind, tuple(_rings(rng, edge, half, depth, int(rng.integers(2, 6)))))
    if kind == "lug":
        return _limited(_lugs(rng, edge, profile))
    if kind in ("vee", "inter", "wet"):
        return _limited(_swept(rng, kind, edge, half, depth))
    return _limited(_blocks(rng, kind, edge, half, depth))


def _pitches(rng: Rng, low: int, high: int, *, multiple: int = 1) -> tuple[float, ...]:
    n = multiple * max(1, round(int(rng.integers(low, high + 1)) / multiple))
    if rng.random() < 0.4:
        return (1.0,) * n
    return tuple(float(v) for v in rng.choice([0.85, 1.0, 1.15], n))


def _limited(spec: TreadSpec) -> TreadSpec:
    """The same pattern with no more pitches than a mesh for training can show."""
    edges = {u for c in spec.cuts if c.u1 - c.u0 < 1.0 for u in (c.u0, c.u1)}
    return replace(spec, pitches=spec.pitches[: max(12, EDGES // max(len(edges), 1))])


def _rings(rng: Rng, edge: float, half: float, depth: float, n: int) -> list[Cut]:
    """Circumferential grooves, mirrored about the middle as a rule."""
    width = rng.uniform(0.005, 0.013) / half / 2
    centres = (np.arange(n) - (n - 1) / 2) * (2 * edge * rng.uniform(0.75, 0.95) / (n + 1))
    centres = centres + rng.normal(0, 0.02 * edge) * (rng.random() < 0.3)
    scale = rng.uniform(0.6, 1.3, (n + 1) // 2)
    scale = np.concatenate([scale, scale[: n // 2][::-1]])
    return [
        Cut(float(p - width * s), float(p + width * s), depth)
        for p, s in zip(centres, scale, strict=True)
    ]


def _sweep(rng: Rng, amplitude: float, *, mirrored: bool, power: float) -> Sweep:
    z = np.linspace(-1.0, 1.0, 25)
    curve = amplitude * np.abs(z) ** power
    if not mirrored:
        curve = curve * np.sign(z)
    return tuple((float(a), float(b)) for a, b in zip(z, curve, strict=True))


def _blocks(rng: Rng, kind: str, edge: float, half: float, depth: float) -> TreadSpec:
    """Ribs between circumferential grooves, cut into blocks or notched."""
    n = int(rng.integers(2, 5))
    rings = _rings(rng, edge, half, depth, n)
    borders = [-0.99] + [v for c in rings for v in (c.z0, c.z1)] + [0.99]
    cuts = list(rings)
    stagger = float(rng.choice([0.0, 0.25, 0.5]))
    width = float(rng.uniform(0.1, 0.28))
    centre_rib = n % 2 == 0 and rng.random() < 0.4
    sipes = kind == "winter"
    for row in range(n + 1):
        z0, z1 = borders[2 * row], borders[2 * row + 1]
        if centre_rib and row == n // 2:
            continue
        start = 0.05 + stagger * (row % 2)
        u0 = start % 0.7
        style = rng.random()
        if style < 0.3 and 0 < row < n:  # a notch from one side only
            z1 = z0 + 0.55 * (z1 - z0)
        cuts.append(Cut(z0, z1, float(depth * rng.uniform(0.7, 1.0)), u0, u0 + width))
        if sipes and 0 < row < n:
            middle = (u0 + width + (1 - width) / 2) % 0.94
            cuts.append(Cut(z0, z1, 0.6 * depth, middle, middle + 0.05))
    sweep = _sweep(
        rng,
        float(rng.uniform(0.0, 0.12)) * float(rng.choice([-1, 1])),
        mirrored=bool(rng.random() < 0.6),
        power=float(rng.uniform(1.0, 1.8)),
    )
    pitches = _pitches(rng, 24, 34) if sipes or stagger else _pitches(rng, 32, 64)
    return TreadSpec(kind, tuple(cuts), pitches, sweep)


def _swept(rng: Rng, kind: str, edge: float, half: float, depth: float) -> TreadSpec:
    """Grooves that run outwards from near the middle, as on rain and sports tyres."""
    cuts: list[Cut] = []
    gap = float(rng.uniform(0.0, 0.15)) if kind != "inter" else float(rng.uniform(0.05, 0.3))
    width = float(rng.uniform(0.14, 0.32))
    end = 0.99 if rng.random() < 0.7 else edge - 0.05
    offset = float(rng.choice([0.0, 0.5]))
    u_left = (0.05 + offset) % 0.68
    cuts.append(Cut(gap, end, depth, 0.05, 0.05 + width))
    cuts.append(Cut(-end, -gap, depth, u_left, u_left + width))
    if kind == "wet":
        n = int(rng.choice([1, 2, 2, 3, 4]))
        cuts += _rings(rng, edge, half, depth, n)
    elif kind == "vee":
        cuts += _rings(rng, edge, half, depth, int(rng.choice([0, 1, 2, 3, 4])) or 1)
    elif rng.random() < 0.5:
        ring = float(rng.uniform(0.004, 0.008)) / half / 2
        cuts.append(Cut(-ring, ring, depth))
    if rng.random() < 0.5:  # short grooves between the long ones
        a = float(rng.uniform(0.35, 0.6))
        u = 0.05 + width + (1 - width) / 2 - 0.08
        cuts += [
            Cut(a, end, depth, u, min(u + 0.14, 0.99)),
            Cut(-end, -a, depth, u, min(u + 0.14, 0.99)),
        ]
    sweep = _sweep(
        rng,
        float(rng.uniform(0.1, 0.45)) * float(rng.choice([-1, 1])),
        mirrored=bool(rng.random() < 0.8),
        power=float(rng.uniform(0.8, 1.7)),
    )
    return TreadSpec(kind, tuple(cuts), _pitches(rng, 20, 34), sweep)


def _lugs(rng: Rng, edge: float, profile: ProfileSpec) -> TreadSpec:
    """Deep, wide spaces between few large blocks that wrap round the shoulders."""
    sidewall = (profile.diameter - profile.rim_diameter) / 2
    depth = min(float(rng.uniform(0.009, 0.018)), 0.2 * sidewall)
    width = float(rng.uniform(0.3, 0.5))
    inner = float(rng.uniform(0.45, 0.62)) * edge
    cuts = [
        Cut(inner, 0.995, depth, 0.0, width),
        Cut(-0.995, -inner, depth, 0.5 - width / 2, 0.5 + width / 2),
    ]
    lane = float(rng.uniform(0.03, 0.07))
    cuts += [Cut(inner - lane, inner, depth), Cut(-inner, -inner + lane, depth)]
    if rng.random() < 0.6:
        cuts.append(Cut(-lane / 2, lane / 2, depth))
        cuts.append(Cut(0.0, inner, depth, 0.55, 0.55 + 0.7 * width))
        cuts.append(Cut(-inner, 0.0, depth, 0.05, 0.05 + 0.7 * width))
    else:
        cuts.append(Cut(-inner, inner, depth, 0.3, 0.3 + 0.8 * width))
    sweep = _sweep(
        rng,
        float(rng.uniform(0.0, 0.12)),
        mirrored=bool(rng.random() < 0.5),
        power=float(rng.uniform(0.9, 1.5)),
    )
    low = round(math.pi * profile.diameter / 0.12)
    return TreadSpec("lug", tuple(cuts), _pitches(rng, min(low, 18), min(low + 10, 28)), sweep)
