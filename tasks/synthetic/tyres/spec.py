"""What a generated tyre is made of: plain frozen records, lengths in metres, angles in radians.

Angles count counter-clockwise from +X about the axle (+Z, towards the outer face).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum

from tasks.synthetic.tyres.damage import ON_ITS_WHEEL, DamageSpec, Mount

TRAIN_SEEDS = range(0, 1_000_000)
VALIDATION_SEEDS = range(1_000_000, 1_100_000)
TEST_SEEDS = range(2_000_000, 2_100_000)

Colour = tuple[float, float, float]
"""Linear RGB, 0..1."""


class Part(IntEnum):
    """What a face belongs to."""

    TREAD = 0
    SIDEWALL = 1
    BEAD = 2
    INNER = 3
    RIM = 4
    SPOKE = 5
    HUB = 6
    COVER = 7
    BOLT = 8
    BRAKE = 9


@dataclass(frozen=True)
class ProfileSpec:
    """The rubber's cross-section.

    Args:
        diameter: Outer diameter at the crown.
        width: Section width without the rim protector.
        rim_diameter: Diameter of the bead seat.
        tread_share: Half width of the crown arc as a share of half the section width.
        crown_drop: Height by which the crown falls from the centre to the end of its arc.
        shoulder_reach: Handles of the shoulder curve, 0.4 (round) .. 1 (square), along the width
        shoulder_height: and along the sidewall.
        belly: Height of the widest point, share of the sidewall's height.
        bead_share: Half width between the beads as a share of half the section width.
        rib: Height of the rim protector, 0 for none.
        tread_wall: Thickness of the wall under the crown, tread included.
        side_wall: Thickness of the sidewall.
        bead_wall: Thickness of the bead's foot.
    """

    diameter: float
    width: float
    rim_diameter: float
    tread_share: float
    crown_drop: float
    shoulder_reach: float
    shoulder_height: float
    belly: float
    bead_share: float
    rib: float
    tread_wall: float
    side_wall: float
    bead_wall: float


@dataclass(frozen=True)
class Cut:
    """One group of grooves: a strip of the tread, whole or repeated once per pitch.

    Args:
        z0, z1: The strip, as shares of half the section width (-1..1).
        depth: Below the crown.
        u0, u1: The cut part of each pitch, shares 0..1; ``(0, 1)`` cuts all the way round.
        every: Cut only every so many pitches.
    """

    z0: float
    z1: float
    depth: float
    u0: float = 0.0
    u1: float = 1.0
    every: int = 1


@dataclass(frozen=True)
class TreadSpec:
    """The tread's pattern.

    Args:
        kind: Name of the family, for statistics.
        cuts: All grooves; empty for a slick.
        pitches: Relative lengths of the pitches round the tyre.
        sweep: Knots ``(z, angle)`` of the curve that lateral grooves follow; z as in :class:`Cut`.
    """

    kind: str
    cuts: tuple[Cut, ...] = ()
    pitches: tuple[float, ...] = (1.0,)
    sweep: tuple[tuple[float, float], ...] = ((-1.0, 0.0), (1.0, 0.0))


@dataclass(frozen=True)
class RimSpec:
    """The wheel inside a mounted tyre; depths count inwards from the outer lip's plane.

    Args:
        kind: Name of the face: ``straight``, ``twisted``, ``split``, ``double``, ``mesh``,
            ``disc``, ``holes``, ``slots``, ``cover``.
        spokes: Number of spokes, holes or slots.
        spoke_width: Width of a spoke at mid radius (of a hole: its share of the free space).
        spoke_taper: Width at the rim over width at the hub.
        twist: Angle by which a spoke turns from hub to rim.
        chamfer: Bevel at the front edges of the spokes.
        edge_depth: Where the face meets the barrel.
        hub_depth: Where the face meets the hub (more than ``edge_depth``: concave).
        curve: Exponent of the face's profile between hub and edge.
        thickness: Thickness of the spokes at the rim.
        hub_thickness: Thickness of the spokes at the hub.
        hub_radius: Radius of the hub's face.
        flange: Height of the lip over the bead seat.
        lip: Thickness of the lip along the axle.
        barrel: Thickness of the barrel wall.
        drop: Extra depth of the barrel's drop centre.
        cap: ``cap``, ``nut``, ``bore`` or ``dome``.
        bolts: Number of bolts, 0 for none.
        rivets: Number of small screws round the lip, 0 for none.
        back: What fills the inner face: ``open``, ``brake``, ``drum``, ``closed``.
        cover_hole: Radius of the hole in a cover, 0 for none.
    """

    kind: str
    spokes: int
    spoke_width: float
    spoke_taper: float
    twist: float
    chamfer: float
    edge_depth: float
    hub_depth: float
    curve: float
    thickness: float
    hub_thickness: float
    hub_radius: float
    flange: float
    lip: float
    barrel: float
    drop: float
    cap: str
    bolts: int
    rivets: int
    back: str
    cover_hole: float


@dataclass(frozen=True)
class FlatSpot:
    """A chord worn off the tread: its angle and its greatest depth."""

    angle: float
    depth: float


@dataclass(frozen=True)
class TreadCut:
    """A gouge: centre (angle, z in metres), half length, half width, depth, direction."""

    angle: float
    z: float
    length: float
    width: float
    depth: float
    direction: float


@dataclass(frozen=True)
class WearSpec:
    """Rubber lost from the tread.

    Args:
        uniform: Loss everywhere.
        inner, centre, outer: Further loss at the inner edge, the middle and the outer edge.
        conical: Further loss that grows evenly from nothing at the inner edge to this at the outer;
            negative, it grows towards the inner edge.
        flat_spots: Chords.
        graining: Height of the roughness.
        graining_centre: Where the graining is strongest, share of half the section width.
        cuts: Gouges.
        run_out: Amplitude of the loss that varies once per turn.
        seed: Seed of the roughness.
    """

    uniform: float = 0.0
    inner: float = 0.0
    centre: float = 0.0
    outer: float = 0.0
    flat_spots: tuple[FlatSpot, ...] = ()
    graining: float = 0.0
    graining_centre: float = 0.0
    cuts: tuple[TreadCut, ...] = ()
    run_out: float = 0.0
    seed: int = 0
    conical: float = 0.0


@dataclass(frozen=True)
class Band:
    """A coloured ring on a sidewall, between shares of its height, over some arcs.

    Args:
        low, high: Shares of the sidewall's height, 0 at the bead.
        colour: Linear RGB.
        arcs: Number of arcs round the tyre, 0 for a closed ring.
        fill: Share of each arc's room that is coloured.
        phase: Angle of the first arc's centre.
    """

    low: float
    high: float
    colour: Colour
    arcs: int
    fill: float
    phase: float


@dataclass(frozen=True)
class Lettering:
    """Words written round a sidewall.

    Args:
        text: The word.
        repeats: Number of times that it is written round the tyre.
        low, high: Shares of the sidewall's height.
        colour: Linear RGB.
        font: Index of the stroke font.
        bold: Stroke width, share of the letters' height.
        stretch: Width over natural width.
        phase: Angle of the first word's centre.
    """

    text: str
    repeats: int
    low: float
    high: float
    colour: Colour
    font: int
    bold: float
    stretch: float
    phase: float


@dataclass(frozen=True)
class LookSpec:
    """Colours and finish.

    Args:
        rubber: Albedo of the sidewalls.
        tread: Albedo of the running surface.
        rubber_roughness: 0 (wet shine) .. 1.
        bands, letterings: On the outer face; ``both_faces`` repeats them on the inner one.
        rim, face, accent: Albedo of barrel, spokes or disc, and hub or lip.
        metal: Specular strength of the rim.
        rim_roughness: 0..1.
        polished_lip: True for a lip of bright metal.
        dirt: Amount of dust, 0..1, and its colour.
        seed: Seed of the noise.
        mottle: Share by which the noise changes all albedos.
        dirt_seed: Seed of where dust lies; None: where the noise is.
    """

    rubber: Colour
    tread: Colour
    rubber_roughness: float
    bands: tuple[Band, ...]
    letterings: tuple[Lettering, ...]
    both_faces: bool
    rim: Colour
    face: Colour
    accent: Colour
    metal: float
    rim_roughness: float
    polished_lip: bool
    dirt: float
    dirt_colour: Colour
    seed: int
    mottle: float = 0.3
    dirt_seed: int | None = None


@dataclass(frozen=True)
class TyreSpec:
    """Everything that defines one tyre; ``rim`` is None for a tyre without one.

    ``phase`` turns wheel and rubber about the axle, ``mount`` the rubber on the wheel.
    """

    seed: int
    family: str
    profile: ProfileSpec
    tread: TreadSpec
    rim: RimSpec | None
    look: LookSpec
    wear: WearSpec | None
    phase: float
    damage: DamageSpec | None = None
    mount: Mount = ON_ITS_WHEEL


def with_wear(spec: TyreSpec, wear: WearSpec) -> TyreSpec:
    """The same tyre, worn."""
    return replace(spec, wear=wear)


def without_wear(spec: TyreSpec) -> TyreSpec:
    """The same tyre, new."""
    return replace(spec, wear=None)
