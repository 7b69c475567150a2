"""The drawings of a comparison, as SVG: zones, crown profiles, roundness, the map of the change.

Colours of lines come from the page's style sheet by class, so that they follow light and dark.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import escape

from tasks.core.phrasing import signed

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 720.0, 260.0, 76.0, 30.0, 14.0, 32.0
_ROW = 17.0
"""Height of a line of text."""
_NAMES = 110.0
"""Width for the names of lines at their right ends,"""
_NAME_STEP = 15.0
"""and how far they are apart."""
_LETTER = 8.0
"""Width of a letter, about."""
_LONGEST = 18
"""Longer labels are cut short."""


class _Axes:
    """A drawing with two linear scales.

    Args:
        name: What its title's element is called.
        title: What it shows, in words.
        x: Ends of the horizontal scale.
        y: Ends of the vertical one.
        height: The drawing's height.
        rows: Lines of text below it.
    """

    def __init__(
        self,
        name: str,
        title: str,
        x: tuple[float, float],
        y: tuple[float, float],
        height: float = _HEIGHT,
        rows: int = 1,
    ) -> None:
        self._x, self._y, self._height = x, y, height
        self._bottom = _BOTTOM + _ROW * (rows - 1)
        self.parts = [
            f'<svg viewBox="0 0 {_WIDTH:.0f} {height:.0f}" role="img" class="chart" '
            f'aria-labelledby="{name}">',
            f'<title id="{name}">{title}</title>',
        ]

    def x(self, value: float) -> float:
        low, high = self._x
        return round(_LEFT + (value - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT), 1)

    def y(self, value: float) -> float:
        low, high = self._y
        room = self._height - _TOP - self._bottom
        return round(_TOP + (high - value) / (high - low) * room, 1)

    def scale_y(self, values: Sequence[float], unit: str) -> None:
        for value in values:
            y = self.y(value)
            self.parts.append(
                f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>'
                f'<text class="tick end" x="{_LEFT - 6}" y="{y + 4}">{value:g}{unit}</text>'
            )

    def scale_x(self, values: Sequence[float], unit: str) -> None:
        for value in values:
            self.label(value, f"{value:g}{unit}")

    def label(self, x: float, text: str, row: int = 0) -> None:
        y = self._height - self._bottom + 20 + _ROW * row
        self.parts.append(
            f'<text class="tick" style="text-anchor:middle" x="{self.x(x)}" y="{y}">{text}</text>'
        )

    def label_aslant(self, x: float, text: str, whole: str) -> None:
        at = self.x(x), self._height - self._bottom + 14
        self.parts.append(
            f'<text class="tick end" transform="rotate(-50 {at[0]} {at[1]})" x="{at[0]}" '
            f'y="{at[1]}"><title>{whole}</title>{text}</text>'
        )

    def line(self, x: Sequence[float], y: Sequence[float | None], kind: str) -> None:
        """A line, broken where a value is missing."""
        run: list[str] = []
        for a, b in [*zip(x, y, strict=True), (0.0, None)]:
            if b is not None:
                run.append(f"{self.x(a)},{self.y(b)}")
            elif run:
                self.parts.append(f'<polyline class="line {kind}" points="{" ".join(run)}"/>')
                run = []

    def done(self) -> str:
        return "".join([*self.parts, "</svg>"])


def zones_chart(zones: Sequence[Mapping[str, Any]]) -> str:
    """The mean change of each zone of the tread, within the band that cannot be told."""
    measured = [z for z in zones if _is_measured(z)]
    most = max(
        [
            1.0,
            *(abs(z["mean_change_mm"]) + 0.2 for z in measured),
            *(z["lod95_mm"] for z in measured),
        ]
    )
    end = float(math.ceil(most))
    axes = _Axes(
        "zones-chart",
        "Mean change of the zones of the tread",
        (-0.5, len(zones) - 0.5),
        (-end, end),
        rows=3,
    )
    axes.scale_y([-end, -end / 2, 0, end / 2, end], " mm")
    for k, zone in enumerate(zones):
        axes.label(k, zone["name"].replace("-", " "))
        if not _is_measured(zone):
            axes.label(k, "not seen" if zone["mean_change_mm"] is None else "not told", 1)
            continue
        lod, mean = zone["lod95_mm"], zone["mean_change_mm"]
        left, right = axes.x(k - 0.32), axes.x(k + 0.32)
        axes.parts.append(
            f'<rect class="lod" x="{left}" width="{right - left:.1f}" y="{axes.y(lod)}" '
            f'height="{axes.y(-lod) - axes.y(lod):.1f}"><title>not told apart from no change: '
            f"±{lod:.2f} mm</title></rect>"
        )
        kind = "told" if zone["significant"] else "untold"
        top, bottom = axes.y(max(mean, 0)), axes.y(min(mean, 0))
        left, right = axes.x(k - 0.14), axes.x(k + 0.14)
        axes.parts.append(
            f'<rect class="change {kind}" x="{left}" width="{right - left:.1f}" y="{top}" '
            f'height="{max(bottom - top, 1.5):.1f}"><title>{signed(mean)} mm</title></rect>'
        )
        axes.label(k, signed(mean), 1)  # in two lines: beside each other they would collide
        axes.label(k, f"± {lod:.2f} mm", 2)
    return axes.done()


def zones_over_films(name: str, films: Sequence[tuple[str, Sequence[Mapping[str, Any]]]]) -> str:
    """The mean change of each zone from film to film, with the band that cannot be told.

    Args:
        name: The drawing's name, unique in its page.
        films: Each film's label, in anybody's words, and its zones.
    """
    measured = [z for _, zones in films for z in zones if _is_measured(z)]
    changes = [z["mean_change_mm"] for z in measured]
    lods = [1.0, *(z["lod95_mm"] for z in measured)]
    low = float(math.floor(min([*(-lod for lod in lods), *(c - 0.2 for c in changes)])))
    high = float(math.ceil(max([*lods, *(c + 0.2 for c in changes)])))
    plain = _WIDTH - _LEFT - _RIGHT - _NAMES
    slot = plain / len(films)
    labels = [_shortened(label) for label, _ in films]
    longest = max(len(label) for label in labels)
    aslant = _LETTER * longest > slot
    below = math.ceil(_LETTER * longest / _ROW) if aslant else 1
    axes = _Axes(
        name,
        "Mean change of the zones from film to film",
        (-0.5, -0.5 + (1.0 + _NAMES / plain) * len(films)),
        (low, high),
        _HEIGHT + _ROW * (below - 1),
        below,
    )
    axes.scale_y(sorted({low, low / 2, 0.0, high}), " mm")
    every = math.ceil(_ROW / slot)
    for k, (label, zones) in enumerate(films):
        shown, whole = str(escape(labels[k])), str(escape(label))
        if aslant and k % every == 0:
            axes.label_aslant(k, shown, whole)
        elif not aslant:
            axes.label(k, shown if label == labels[k] else f"<title>{whole}</title>{shown}")
        lod = max((z["lod95_mm"] for z in zones if _is_measured(z)), default=0.0)
        left, right = axes.x(k - 0.4), axes.x(k + 0.4)
        axes.parts.append(
            f'<rect class="lod" x="{left}" width="{right - left:.1f}" y="{axes.y(lod)}" '
            f'height="{axes.y(-lod) - axes.y(lod):.1f}"><title>not told apart from no change: '
            f"±{lod:.2f} mm</title></rect>"
        )
    names = dict.fromkeys(zone["name"] for _, zones in films for zone in zones)
    ends: list[tuple[float, int, str]] = []
    for number, zone_name in enumerate(names):
        same = [{z["name"]: z for z in zones}.get(zone_name) for _, zones in films]
        heights = [z["mean_change_mm"] if z and _is_measured(z) else None for z in same]
        axes.line(range(len(films)), heights, f"zone-{number}")
        words = zone_name.replace("-", " ")
        for k, (zone, height) in enumerate(zip(same, heights, strict=True)):
            if zone is None or height is None:
                continue
            kind = "told" if zone["significant"] else "untold"
            axes.parts.append(
                f'<circle class="zone-{number} {kind}" cx="{axes.x(k)}" cy="{axes.y(height)}" '
                f'r="4"><title>{words}: {signed(height)} mm, told from {zone["lod95_mm"]:.2f} mm'
                "</title></circle>"
            )
        last = next((h for h in reversed(heights) if h is not None), None)
        if last is not None:
            ends.append((axes.y(last), number, words))
    ends.sort()
    for y, (_, number, words) in zip(_apart([e[0] for e in ends], axes.y(low)), ends, strict=True):
        x = axes.x(len(films) - 1) + 10
        axes.parts.append(
            f'<text class="tick zone-{number}" style="text-anchor:start" x="{x}" '
            f'y="{y + 4:.1f}">{words}</text>'
        )
    return axes.done()


def _shortened(label: str) -> str:
    return label if len(label) <= _LONGEST else f"{label[: _LONGEST - 1]}…"


def _apart(positions: Sequence[float], lowest: float) -> list[float]:
    """Sorted places of names, moved as little as keeps them apart and above the lowest."""
    moved: list[float] = []
    for position in positions:
        moved.append(max(position, moved[-1] + _NAME_STEP) if moved else position)
    below = lowest + _NAME_STEP
    for k in reversed(range(len(moved))):
        below = moved[k] = min(moved[k], below - _NAME_STEP)
    return moved


def _is_measured(zone: Mapping[str, Any]) -> bool:
    return zone["mean_change_mm"] is not None and zone["lod95_mm"] is not None


def crown_chart(crown: Mapping[str, Any]) -> str:
    """Both crown profiles over each other, heights widened."""
    across, new, damaged = crown["across_mm"], crown["new_mm"], crown["damaged_mm"]
    known = [v for v in [*new, *damaged] if v is not None] or [0.0]
    low, high = math.floor(min(known)), math.ceil(max(known))
    axes = _Axes(
        "crown-chart", "Crown profiles of both tyres", (across[0], across[-1]), (low, high + 1)
    )
    axes.scale_y([low, (low + high) / 2, high], " mm")
    axes.scale_x([round(across[0]), 0, round(across[-1])], " mm")
    axes.line(across, new, "first")
    axes.line(across, damaged, "second")
    return axes.done()


def roundness_chart(new: Sequence[float | None], damaged: Sequence[float | None]) -> str:
    """Roundness of both treads by angle."""
    known = [v for v in [*new, *damaged] if v is not None]
    end = max(1.0, math.ceil(max(map(abs, known), default=1.0)))
    axes = _Axes("round-chart", "Roundness of both treads by angle", (0.0, 360.0), (-end, end))
    axes.scale_y([-end, 0, end], " mm")
    axes.scale_x([0, 90, 180, 270, 360], "°")
    angles = [(k + 0.5) * 360 / len(new) for k in range(len(new))]
    axes.line(angles, new, "first")
    axes.line(angles, damaged, "second")
    return axes.done()


def map_chart(content: Mapping[str, Any]) -> str:
    """The change over angle and arc length, one rectangle a cell; hatched is inferred or unseen."""
    cells = content["cells"]
    rows, columns = len(cells["colours"]), len(cells["colours"][0])
    axes = _Axes("map-chart", "Map of the change", (0.0, 360.0), (0.0, rows), 320.0)
    axes.parts.append(
        '<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)"><line class="hatch" x1="0" y1="0" x2="0" y2="6"/>'
        "</pattern></defs>"
    )
    width = axes.x(360.0 / columns) - axes.x(0.0)
    height = axes.y(0.0) - axes.y(1.0)
    for r, line in enumerate(cells["colours"]):
        for c, colour in enumerate(line):
            rectangle = (
                f'x="{axes.x(360.0 * c / columns)}" y="{axes.y(r + 1)}" width="{width + 0.3:.1f}" '
                f'height="{height + 0.3:.1f}"'
            )
            text = cells["texts"][r][c]
            axes.parts.append(f'<rect {rectangle} fill="{colour}"><title>{text}</title></rect>')
            if not cells["measured"][r][c]:
                axes.parts.append(f'<rect {rectangle} fill="url(#hatch)"/>')
    for share, text in content["parts"]:
        y = axes.y(share * rows)
        axes.parts.append(
            f'<line class="border" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>'
        )
        axes.parts.append(f'<text class="tick end" x="{_LEFT - 4}" y="{y - 4}">{text}</text>')
    axes.scale_x([0, 90, 180, 270, 360], "°")
    for number, finding in enumerate(content["findings"], 1):
        if finding["row_share"] is not None:
            x, y = axes.x(finding["angle_deg"] or 0.0), axes.y(finding["row_share"] * rows)
            axes.parts.append(
                f'<circle class="mark" cx="{x}" cy="{y}" r="9"/>'
                f'<text class="mark" x="{x}" y="{y + 4}">{number}</text>'
            )
    return axes.done()
