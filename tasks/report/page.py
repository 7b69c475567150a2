"""The report on one tyre: an HTML page that holds all it shows, and asks nobody for anything.

All texts are escaped by the template engine, whoever wrote them; and the page's own security policy
lets one script run, known by its digest, and forbids every request.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
from markupsafe import Markup

from configs.locations import parent_and_name, printable
from configs.presets import DEFAULT_DIAMETER_MM
from tasks.core.phrasing import bearing, counted, in_seconds, moment
from tasks.mesh.palette import PALETTE
from tasks.report.charts import coverage_chart, sharpness_chart
from tasks.report.figures import rows_of

_ASSETS = Path(__file__).parent / "assets"
SENTENCES = {
    "pass": "The mesh can be used.",
    "review": "A person should look at the mesh before it is used.",
    "fail": "The mesh must not be used.",
}
_MESH_BYTES = 2_000_000
"""A level with more bytes is not shown where there is one with fewer: pages are mailed (5 MB)."""
_PARTS = (
    ("outer_face_seen", "outer face"),
    ("inner_face_seen", "inner face"),
    ("tread_seen", "tread"),
)


def report_page(
    name: str,
    metadata: Mapping[str, Any],
    content: Mapping[str, Any],
    levels: Mapping[str, bytes],
) -> str:
    """The page.

    Args:
        name: The tyre's name, in anybody's words.
        metadata: What lies beside the GLB.
        content: From :func:`tasks.report.content.gather_content`; besides, if there are any,
            ``picture``: a ``data:`` address of the mesh from three sides, and ``flattened``:
            images of the unrolled tyre with ``title``, ``caption`` and ``picture``.
        levels: GLBs of the tyre by the name of their level of detail, the fullest first; the first
            that is small enough is shown.
    """
    level = next((each for each in levels if len(levels[each]) <= _MESH_BYTES), [*levels][-1])
    frames = [_labelled(frame, film=content["is_film"]) for frame in content["frames"]]
    kinds = {k: [f for f in frames if f["kind"] == k] for k in ("chosen", "held-out", "other")}
    coverage, stages = content["coverage"], _stages(metadata)
    name = printable(name)
    return render(
        "report.html.j2",
        name=name,
        verdict=metadata["verdict"],
        sentence=SENTENCES[metadata["verdict"]],
        facts=_facts(metadata),
        reasons=metadata["reasons"],
        retake=metadata["retake"],
        retake_note=_retake_note(metadata["retake"]),
        warnings=[printable(text) for text in metadata["warnings"]],
        parts=_parts(metadata),
        picture=content.get("picture", ""),
        flattened=content.get("flattened", []),
        frame_count=len(frames),
        chosen=kinds["chosen"],
        held_out=kinds["held-out"],
        others=kinds["other"],
        refusals=Counter(f["reason"] for f in kinds["other"]).most_common(),
        card=_card,
        coverage=Markup(coverage_chart(content)),  # numbers and words of ours alone
        coverage_note=_coverage_note(coverage),
        gaps=coverage["gaps_deg"],
        sharpness=Markup(sharpness_chart(content)),  # likewise
        rows=rows_of(metadata),
        stages=stages,
        any_cached=any(stage["cached"] for stage in stages),
        made_s=_sum(stages),
        seconds=metadata["seconds"],
        origin=_origin(metadata, level),
        parameters=list(_parameters(metadata["parameters"])),
        versions=sorted(metadata["code"]["stages"].items()),
        data={"name": name, "cameras": content["cameras"], "palette": PALETTE, "level": level},
        mesh=base64.b64encode(levels[level]).decode(),
        script_name="viewer.js",
        footer=f"Made {moment(metadata['made_at'])} by Tyre3D {metadata['code']['tyre3d']}. "
        "This file holds all that it shows; it loads nothing.",
    )


def render(template: str, *, script_name: str, **values: Any) -> str:
    """A page of a template, with style sheet and one script, whose digest its policy names.

    Args:
        template: Name of the template among the assets.
        script_name: Name of the script there.
        values: What the template shows; texts are escaped.
    """
    script = _asset(script_name)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        _templates()
        .get_template(template)
        .render(
            style=Markup(_asset("style.css")),
            script=Markup(script),
            script_digest=f"sha256-{digest}",
            generator=f"Tyre3D {package_version('tyre3d')}",
            **values,
        )
    )


@functools.cache
def _templates() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_ASSETS),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["counted"] = counted
    made.filters["seconds"] = in_seconds
    return made


@functools.cache
def _asset(name: str) -> str:
    """A file of ours; scripts end no script element."""
    text = (_ASSETS / name).read_text(encoding="utf-8")
    if "</script" in text.lower():
        raise ValueError(f"{name} would end the element that holds it")
    return text.strip()


def _card(frame: Mapping[str, Any]) -> Markup:
    return Markup(_templates().get_template("frame.html.j2").render(frame=frame))


def _labelled(frame: Mapping[str, Any], *, film: bool) -> dict[str, Any]:
    time = f"{frame['time_s']:.1f}\N{NO-BREAK SPACE}s" if film else printable(frame["source"])
    angle = frame["angle_deg"]
    caption = time if angle is None else f"{time}, {bearing(angle)}"
    # why it was kept aside stands above all of them
    return {
        **frame,
        "place": caption,
        "why": "" if frame["kind"] == "held-out" else frame["reason"],
    }


def _facts(metadata: Mapping[str, Any]) -> list[str]:
    low, high = metadata["bounds_m"]
    width, diameter = 1000 * (high[2] - low[2]), metadata["scale"]["nominal_diameter_mm"]
    whence = "the default" if diameter == DEFAULT_DIAMETER_MM else "given"
    return [
        f"{diameter:.0f} mm diameter ({whence}), {width:.0f} mm wide",
        f"{_grouped(metadata['num_faces'])} faces",
        f"{counted(metadata['num_frames'], 'frame')}, {metadata['poses']['motion']}",
        f"model {printable(metadata['model']['name'])}",
        f"preset {metadata['preset']}",
    ]


def _retake_note(lines: Sequence[str]) -> str:
    """What degrees and hours mean, where the card has some."""
    text, notes = " ".join(lines), []
    if "°" in text:
        notes.append("degrees count round the tyre from the first frame, in the walk's direction")
    if "o'clock" in text:
        notes.append("hours are those of a clock, 12 at the top of the picture")
    return f"{notes[0][0].upper()}{'; '.join(notes)[1:]}." if notes else ""


def _grouped(number: int) -> str:
    return f"{number:,}".replace(",", "\N{NO-BREAK SPACE}")


def _parts(metadata: Mapping[str, Any]) -> list[dict[str, Any]]:
    evidence = metadata["evidence"]
    shares = [(label, evidence[key]) for key, label in _PARTS if evidence.get(key) is not None]
    return [{"label": label, "percent": round(100 * share)} for label, share in shares]


def _coverage_note(coverage: Mapping[str, Any]) -> str:
    if coverage["spins"]:
        return (
            "Seen along the axle, as the camera does: every dot is a frame, at the angle by which "
            "the tyre had turned, the way it turned."
        )
    return (
        "Seen from above: every dot is a frame, at its angle round the tyre from the first one, in "
        "the direction of the walk. The ring tells which part is seen from there."
    )


def _stages(metadata: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The stages with the time of the run that made them, which may be an earlier one."""
    stages = metadata["stages"]
    taken = [stage["made_s"] if stage["cached"] else stage["seconds"] for stage in stages]
    longest = max((seconds for seconds in taken if seconds is not None), default=0.0) or 1.0
    return [
        {**stage, "taken": seconds, "percent": round(100 * (seconds or 0.0) / longest)}
        for stage, seconds in zip(stages, taken, strict=True)
    ]


def _sum(stages: Sequence[Mapping[str, Any]]) -> float | None:
    """What making all stages took; None where it is not known of each."""
    taken = [stage["taken"] for stage in stages]
    return None if None in taken else sum(taken)


def _origin(metadata: Mapping[str, Any], level: str) -> list[tuple[str, Any]]:
    """Labels and values, where the full files are linked by their names."""
    shown = metadata["levels"][level]
    lost = (
        f"{level}: {_grouped(shown['num_faces'])} faces, {shown['bytes'] / 1e6:.2f} MB; the full "
        f"mesh is {shown['error_mean_mm']:.2f} mm from it in the mean, "
        f"{shown['error_p99_mm']:.2f} mm at the 99th percentile, "
        f"{shown['error_max_mm']:.2f} mm at most"
    )
    return [
        ("input", f"{printable(metadata['input']['name'])}, sha256 {metadata['input']['sha256']}"),
        (
            "model",
            f"{printable(metadata['model']['name'])} "
            f"({printable(metadata['model']['chosen_because'])}), "
            f"sha256 {metadata['model']['sha256']}",
        ),
        ("full mesh", _link(metadata["output_path"])),
        ("its sha256", metadata["glb_sha256"]),
        ("metadata", _link(metadata["metadata_path"])),
        ("mesh on this page", lost),
        ("cameras", f"by {metadata['poses']['method']}, {metadata['poses']['motion']}"),
        ("device", f"{metadata['device']}, Python {metadata['python']}"),
        ("run", metadata["run_id"] or "–"),
    ]


def _link(location: str) -> Markup:
    """The name of a file that lies beside the page, as a link to it."""
    name = parent_and_name(Path(location) if "://" not in location else location)[1]
    escaped = Markup.escape(printable(name))
    return Markup(f'<a href="{quote(name, errors="surrogateescape")}">{escaped}</a>')


def _parameters(parameters: Mapping[str, Mapping[str, Any]]) -> Iterable[tuple[str, str, str]]:
    for stage, values in parameters.items():
        for name, value in values.items():
            yield stage, name, value if isinstance(value, str) else json.dumps(value)
