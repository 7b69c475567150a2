"""Draws colours, finishes, bands and lettering."""

from __future__ import annotations

import math

import numpy as np

from tasks.synthetic.tyres.profile import FloatArray
from tasks.synthetic.tyres.spec import Band, Colour, Lettering, LookSpec

Rng = np.random.Generator

PAINTS: dict[str, Colour] = {
    "red": (0.55, 0.02, 0.02),
    "yellow": (0.75, 0.50, 0.02),
    "white": (0.72, 0.72, 0.70),
    "green": (0.02, 0.33, 0.08),
    "blue": (0.02, 0.10, 0.52),
    "orange": (0.70, 0.18, 0.02),
    "purple": (0.25, 0.03, 0.35),
}

RIM_FINISHES: dict[str, tuple[Colour, float, float, float]] = {
    # albedo, specular, roughness, weight
    "silver": ((0.45, 0.45, 0.46), 0.55, 0.40, 3.0),
    "bright": ((0.60, 0.60, 0.61), 0.80, 0.22, 1.0),
    "grey": ((0.17, 0.17, 0.18), 0.35, 0.45, 1.5),
    "black": ((0.022, 0.022, 0.024), 0.25, 0.40, 2.6),
    "matt black": ((0.030, 0.030, 0.030), 0.06, 0.80, 1.0),
    "gold": ((0.42, 0.26, 0.06), 0.55, 0.35, 0.8),
    "bronze": ((0.20, 0.11, 0.05), 0.45, 0.42, 0.9),
    "white": ((0.70, 0.70, 0.68), 0.20, 0.35, 0.9),
    "red": ((0.45, 0.02, 0.02), 0.25, 0.35, 0.5),
    "blue": ((0.02, 0.07, 0.35), 0.25, 0.35, 0.4),
    "green": ((0.03, 0.25, 0.06), 0.25, 0.35, 0.2),
    "orange": ((0.60, 0.16, 0.02), 0.25, 0.35, 0.2),
    "yellow": ((0.65, 0.45, 0.02), 0.25, 0.35, 0.2),
}

ONSETS = [
    "B",
    "K",
    "V",
    "R",
    "T",
    "M",
    "P",
    "ST",
    "GR",
    "D",
    "L",
    "Z",
    "F",
    "N",
    "TR",
    "S",
    "C",
    "H",
]
VOWELS = ["A", "E", "I", "O", "U", "Y", "EO", "IA"]
CODAS = ["", "", "N", "R", "X", "L", "S", "RO", "NT", "K"]
SUFFIXES = ["", "", "", " GP", " RS", " SPORT", " 4x4", " TERRA", " PRO", " R2", " WET", " ZERO"]


def invented_word(rng: Rng) -> str:
    """A word that looks like a tyre maker's name and is none."""
    syllables = int(rng.integers(2, 4))
    word = "".join(str(rng.choice(ONSETS)) + str(rng.choice(VOWELS)) for _ in range(syllables))
    word += str(rng.choice(CODAS)) + str(rng.choice(SUFFIXES))
    return word if rng.random() < 0.8 else word.title()


def _size_label(rng: Rng) -> str:
    width, aspect, rim = rng.integers((31, 5, 13), (68, 16, 23))
    return f"{5 * width}/{5 * aspect} R{rim}"


def sample_look(rng: Rng, family: str, *, race: bool) -> LookSpec:
    """A random look; race tyres carry coloured lettering more often."""
    base = float(rng.uniform(0.014, 0.055))
    tint = rng.normal(0.0, 0.03, 3)
    if rng.random() < 0.2:  # brown with age or dust
        base *= 1.5
        tint += np.array([0.12, 0.03, -0.12])
    rubber = _tinted(base, tint)
    worn = float(rng.uniform(0.7, 2.0))
    tread = _tinted(base * worn, tint + rng.normal(0, 0.02, 3))
    name = _weighted(rng)
    second = _weighted(rng) if rng.random() < 0.4 else name
    face, metal, rough, _ = RIM_FINISHES[name]
    rim, _, _, _ = RIM_FINISHES[second]
    accent = RIM_FINISHES[_weighted(rng)][0] if rng.random() < 0.4 else face
    bands, letterings = _sidewall(rng, rubber, race=race)
    dirty = rng.random() < (0.6 if family == "offroad" else 0.25)
    return LookSpec(
        rubber=rubber,
        tread=tread,
        rubber_roughness=float(rng.uniform(0.35, 0.95)),
        bands=bands,
        letterings=letterings,
        both_faces=bool(rng.random() < 0.5),
        rim=rim,
        face=face,
        accent=accent,
        metal=metal * float(rng.uniform(0.7, 1.2)),
        rim_roughness=float(np.clip(rough + rng.uniform(-0.12, 0.2), 0.08, 1.0)),
        polished_lip=bool(rng.random() < 0.25),
        dirt=float(rng.uniform(0.15, 0.8)) if dirty else float(rng.uniform(0.0, 0.1)),
        dirt_colour=_tinted(float(rng.uniform(0.08, 0.3)), np.array([0.25, 0.05, -0.25])),
        seed=int(rng.integers(1 << 30)),
    )


def _tinted(base: float, tint: FloatArray) -> Colour:
    c = np.clip(base * (1.0 + tint), 0.004, 0.9)
    return float(c[0]), float(c[1]), float(c[2])


def _weighted(rng: Rng) -> str:
    p = np.array([v[3] for v in RIM_FINISHES.values()])
    return list(RIM_FINISHES)[int(rng.choice(len(p), p=p / p.sum()))]


def _sidewall(
    rng: Rng, rubber: Colour, *, race: bool
) -> tuple[tuple[Band, ...], tuple[Lettering, ...]]:
    paint = PAINTS[str(rng.choice(list(PAINTS)))]
    raised: Colour = tuple(min(1.7 * c + 0.004, 1.0) for c in rubber)  # type: ignore[assignment]
    phase = float(rng.uniform(0, 2 * math.pi))
    painted = rng.random() < (0.75 if race else 0.25)
    colour = (paint if rng.random() < 0.6 else PAINTS["white"]) if painted else raised
    repeats = int(rng.choice([1, 2, 2, 2, 3, 4]))
    low = float(rng.uniform(0.25, 0.5))
    high = min(low + float(rng.uniform(0.22, 0.45)), 0.9)
    texts = [
        Lettering(
            invented_word(rng),
            repeats,
            low,
            high,
            colour,
            int(rng.integers(4)),
            float(rng.uniform(0.08, 0.24)),
            float(rng.uniform(0.8, 1.8)),
            phase,
        )
    ]
    if rng.random() < 0.6:
        texts.append(
            Lettering(
                invented_word(rng) if rng.random() < 0.5 else _size_label(rng),
                repeats,
                low + 0.05,
                max(low + 0.18, high - 0.1),
                PAINTS["white"] if painted and rng.random() < 0.4 else raised,
                int(rng.integers(4)),
                float(rng.uniform(0.06, 0.16)),
                float(rng.uniform(0.7, 1.2)),
                phase + math.pi / repeats,
            )
        )
    bands: list[Band] = []
    if rng.random() < (0.55 if race else 0.12):
        arcs = int(rng.choice([0, repeats]))
        a = float(rng.choice([rng.uniform(0.1, 0.3), rng.uniform(0.5, 0.8), low]))
        band = paint if rng.random() < 0.8 else PAINTS["white"]
        bands.append(
            Band(
                a,
                min(a + float(rng.uniform(0.04, 0.3)), 0.97),
                band,
                arcs,
                float(rng.uniform(0.25, 0.5)),
                phase + (math.pi / repeats if arcs else 0.0),
            )
        )
    if rng.random() < 0.15:  # thin pinstripe or whitewall
        a = float(rng.uniform(0.15, 0.85))
        bands.append(Band(a, a + float(rng.uniform(0.03, 0.12)), PAINTS["white"], 0, 1.0, 0.0))
    return tuple(bands), tuple(texts)
