"""Texts stand out from what is behind them, in light and in dark."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

STYLE = (Path(__file__).parents[3] / "tasks/report/assets/style.css").read_text()
LEAST = 4.5
"""Source: WCAG 2.2, 1.4.3."""
Colour = tuple[float, float, float]


def _colours(dark: bool) -> dict[str, Colour]:
    """The sheet's colours by name, red, green and blue from 0 to 1."""
    light, _, rest = STYLE.partition("@media")
    text = light + (rest.partition("* {")[0] if dark else "")
    told = dict(re.findall(r"--([\w-]+): #([0-9a-f]{6})", text))  # the last one counts
    return {
        name: (int(c[:2], 16) / 255, int(c[2:4], 16) / 255, int(c[4:], 16) / 255)
        for name, c in told.items()
    }


def _luminance(colour: Colour) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _contrast(one: Colour, other: Colour) -> float:
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _of(value: str, colours: dict[str, Colour]) -> Colour:
    """A colour as a rule gives it: a variable, or a mix of two."""
    mix = re.fullmatch(r"color-mix\(in srgb, var\(--([\w-]+)\) (\d+)%, var\(--([\w-]+)\)\)", value)
    if not mix:
        return colours[value.removeprefix("var(--").removesuffix(")")]
    share = int(mix[2]) / 100
    r, g, b = (
        share * x + (1 - share) * y for x, y in zip(colours[mix[1]], colours[mix[3]], strict=True)
    )
    return r, g, b


@pytest.mark.parametrize("dark", [False, True])
def test_texts_can_be_read(dark: bool) -> None:
    colours = _colours(dark)
    rules = dict(re.findall(r"(\S+ text\.zone-\d) \{ fill: ([^;]+); \}", STYLE))  # the last counts
    badges = dict(re.findall(r"\.(\w+) \.badge \{ background: ([^;]+); \}", STYLE))
    assert len(rules) == 5
    assert {"pass", "review", "fail", "failed", "pending"} <= set(badges)
    plain = {name: f"var(--{name})" for name in ("text", "soft", "accent")}
    for name, value in {**rules, **badges, **plain}.items():
        ratio = _contrast(_of(value, colours), colours["card"])
        assert ratio >= LEAST, (name, ratio)
