"""The report's drawings, as SVG: coverage by angle, sharpness over time.

Colours come from the page's style sheet by class, so that they follow light and dark.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tasks.core.phrasing import bearing, counted

_SIZE = 320.0
_RING = 96.0
_PART_CLASS = {"outer face": "outer", "inner face": "inner", "tread": "tread"}
_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP, _RIGHT = 720.0, 248.0, 46.0, 44.0, 14.0, 12.0


def coverage_chart(content: Mapping[str, Any]) -> str:
    """The tyre from above with every frame at its angle, and the gaps.

    Args:
        content: From :func:`tasks.report.content.gather_content`.

    Returns:
        An ``svg`` element; angle 0, the first frame, is at the bottom, where the walk began, and
        angles grow the way the camera went (or the tyre turned).
    """
    coverage, middle = content["coverage"], _SIZE / 2
    sign = -1 if coverage["clockwise"] else 1
    lines = [
        f'<svg viewBox="0 0 {_SIZE:.0f} {_SIZE:.0f}" role="img" class="coverage" '
        'aria-labelledby="coverage-title">',
        f'<title id="coverage-title">{_coverage_in_words(content)}</title>',
    ]
    step = 360 / len(coverage["parts"])
    for number, part in enumerate(coverage["parts"]):
        arc = _arc(_RING, sign, number * step - step / 2, number * step + step / 2)
        lines.append(f'<path class="part {_PART_CLASS[part]}" d="{arc}"/>')
    for low, high in coverage["gaps_deg"]:
        lines.append(f'<path class="gap" d="{_arc(_RING + 20, sign, low, high)}"/>')
    for angle in range(0, 360, 45):
        x, y = _on(_RING + 44, sign * angle)
        lines.append(f'<text class="tick" x="{x:.1f}" y="{y + 4:.1f}">{angle}°</text>')
    order = {"other": 0, "held-out": 1, "chosen": 2}
    for frame in sorted(content["frames"], key=lambda f: order[f["kind"]]):
        if frame["angle_deg"] is not None:
            x, y = _on(_RING + 20, sign * frame["angle_deg"])
            size = 6 if frame["kind"] == "chosen" else 4
            lines.append(
                f'<circle class="dot {frame["kind"]}" cx="{x:.1f}" cy="{y:.1f}" r="{size}">'
                f"<title>frame {frame['index']}, {bearing(frame['angle_deg'])}</title></circle>"
            )
    seen = coverage["seen_deg"]
    lines += [
        f'<text class="big" x="{middle:.0f}" y="{middle + 2:.0f}">{seen:.0f}°</text>',
        f'<text class="tick" x="{middle:.0f}" y="{middle + 22:.0f}">of 360° filmed</text>',
        "</svg>",
    ]
    return "".join(lines)


def _coverage_in_words(content: Mapping[str, Any]) -> str:
    coverage = content["coverage"]
    gaps = ", ".join(
        f"{bearing(low)} to {bearing(high, ends=True)}" for low, high in coverage["gaps_deg"]
    )
    posed = sum(frame["angle_deg"] is not None for frame in content["frames"])
    return (
        f"{counted(posed, 'frame')} round the tyre, "
        f"{coverage['seen_deg']:.0f} of 360 degrees filmed; gaps: {gaps or 'none'}"
    )


def _on(radius: float, angle_deg: float) -> tuple[float, float]:
    """A point of a circle; angle 0 is at the bottom, and angles grow to the right."""
    turn = math.radians(angle_deg)
    return _SIZE / 2 + radius * math.sin(turn), _SIZE / 2 + radius * math.cos(turn)


def _arc(radius: float, sign: int, low_deg: float, high_deg: float) -> str:
    (x0, y0), (x1, y1) = _on(radius, sign * low_deg), _on(radius, sign * high_deg)
    flags = f"{int(high_deg - low_deg > 180)} {int(sign < 0)}"
    return f"M{x0:.2f} {y0:.2f}A{radius:.1f} {radius:.1f} 0 {flags} {x1:.2f} {y1:.2f}"


def sharpness_chart(content: Mapping[str, Any]) -> str:
    """Sharpness of every frame over its time, the chosen ones marked.

    Args:
        content: From :func:`tasks.report.content.gather_content`.

    Returns:
        An ``svg`` element; empty where no frame was measured.
    """
    measured = [f for f in content["frames"] if f["sharpness"] is not None]
    if not measured:
        return ""
    times, highest = [f["time_s"] for f in measured], max(f["sharpness"] for f in measured)
    start, end = min(times), max(max(times), min(times) + 1e-6)
    top = _ceiling(max(highest, 1e-6))

    def position(frame: Mapping[str, Any]) -> tuple[float, float]:
        across = (frame["time_s"] - start) / (end - start)
        x = _LEFT + across * (_WIDTH - _LEFT - _RIGHT)
        return x, _height(frame["sharpness"] / top)

    lines = [
        f'<svg viewBox="0 0 {_WIDTH:.0f} {_HEIGHT:.0f}" role="img" class="sharpness" '
        'aria-labelledby="sharpness-title">',
        f'<title id="sharpness-title">Sharpness of '
        f"{counted(len(measured), 'frame')} over time; "
        f"{sum(f['kind'] == 'chosen' for f in measured)} chosen</title>",
        *_axes(start, end, top, film=content["is_film"]),
    ]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(position, measured))
    lines.append(f'<polyline class="line" points="{path}"/>')
    for frame in measured:
        (x, y), size = position(frame), 6 if frame["kind"] == "chosen" else 3.5
        lines.append(
            f'<circle class="dot {frame["kind"]}" cx="{x:.1f}" cy="{y:.1f}" r="{size}">'
            f"<title>frame {frame['index']}, sharpness {frame['sharpness']:.2f}</title></circle>"
        )
    return "".join([*lines, "</svg>"])


def _axes(start: float, end: float, top: float, *, film: bool) -> Iterable[str]:
    for share in (0.0, 0.5, 1.0):
        y = _height(share)
        yield f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>'
        yield f'<text class="tick end" x="{_LEFT - 6}" y="{y + 4}">{top * share:.3g}</text>'
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        x = _LEFT + share * (_WIDTH - _LEFT - _RIGHT)
        moment = start + share * (end - start)
        label = f"{moment:.1f} s" if film else f"{moment:.0f}"
        anchor = "end" if share == 1.0 else "middle"
        yield (
            f'<text class="tick" style="text-anchor:{anchor}" x="{x:.1f}" '
            f'y="{_HEIGHT - 10}">{label}</text>'
        )


def _height(share: float) -> float:
    return round(_HEIGHT - _BOTTOM - share * (_HEIGHT - _BOTTOM - _TOP), 1)


def _ceiling(value: float) -> float:
    """The next number above that a scale likes to end at."""
    power = 10.0 ** math.floor(math.log10(value))
    steps: Sequence[float] = (1, 1.5, 2, 3, 4, 5, 6, 8, 10)
    return next(float(step * power) for step in steps if step * power >= value * (1 - 1e-9))
