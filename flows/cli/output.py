"""What a person reads at the end of a command: tables."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from configs.locations import printable
from flows.cli.colours import OF_VERDICT, painted
from tasks.core.phrasing import counted

if TYPE_CHECKING:
    from flows.support.doctor import Check
    from tasks.batch.manifest import Entry
    from tasks.storage.prune import Pruned


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows as lines, their columns below each other."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)).rstrip() for r in rows]
    return "\n".join(lines) + "\n"


def stage_table(metadata: Mapping[str, Any], start_s: float) -> str:
    """The end of a run: stages and seconds, what was made, and where.

    Args:
        metadata: Metadata of the run.
        start_s: Seconds until the first stage could begin.
    """
    rows = [("stage", "seconds", "state"), ("start", f"{start_s:7.2f}", "")]
    for stage in metadata["stages"]:
        known = stage["cached"] and stage["made_s"] is not None
        made = f", made in {stage['made_s']:.2f} s" if known else ""
        rows.append((stage["stage"], f"{stage['seconds']:7.2f}", f"{stage['state']}{made}"))
    rows.append(("all", f"{metadata['seconds'] + start_s:7.2f}", ""))
    model = metadata["model"]
    text = table(rows) + "\n"
    text += f"model     {model['name']} ({model['chosen_because']})\n"
    text += (
        f"mesh      {metadata['num_vertices']} vertices, {metadata['num_faces']} faces, "
        f"from {counted(metadata['num_frames'], 'frame')}\n"
    )
    text += "".join(f"warning   {line}\n" for line in metadata["warnings"])
    text += f"GLB       {metadata['output_path']}\nmetadata  {metadata['metadata_path']}\n"
    if "report_path" in metadata:
        text += f"report    {metadata['report_path']}\n"
    return text + verdict_lines(metadata)


def verdict_lines(metadata: Mapping[str, Any]) -> str:
    """The verdict with its reasons, and what to film again; on a terminal in its colour."""
    verdict = metadata["verdict"]
    colour = OF_VERDICT.get(verdict, "bold")
    text = f"verdict   {painted(verdict, colour, sys.stdout)}\n"
    for reason in metadata["reasons"]:
        text += f"reason    [{reason['code']}] {reason['message']}. {reason['advice']}\n"
    return text + "".join(f"retake    {line}\n" for line in metadata["retake"])


def batch_table(entries: Sequence[Entry], message: str) -> str:
    """The end of a batch: every tyre, and why it has no result or what speaks against it."""
    rows = [("tyre", "state", "verdict", "seconds", "result")]
    for entry in entries:
        state = "finished before" if entry.found_finished else entry.state
        seconds = f"{entry.seconds:7.1f}"
        lines = [printable(text) for text in (entry.glb, *entry.why) if text]
        first, *others = lines or [""]
        rows.append((printable(entry.name), state, entry.verdict, seconds, first))
        rows += [("", "", "", "", other) for other in others]
    return f"{table(rows)}\n{message}\n"


def pruned_in_words(pruned: Pruned, *, dry_run: bool) -> str:
    """What became of old artifacts; a further line for each thing to look at."""
    gone = "would be deleted" if dry_run else "deleted"
    left = f"; {counted(pruned.parts, 'file')} that killed processes left {gone}"
    summary = (
        f"{counted(pruned.artifacts, 'artifact')} ({pruned.size / 1e6:.1f} MB) {gone}; "
        f"{pruned.kept} ({pruned.kept_size / 1e6:.1f} MB) kept{left if pruned.parts else ''}"
    )
    return "\n".join([summary, *pruned.remarks])


def models_table(entries: Sequence[Mapping[str, str]]) -> str:
    """All weights that the registry knows."""
    rows = [("name", "for", "here", "licence", "digest", "from")]
    rows += [
        (e["name"], e["kind"], e["here"], e["licence"], e["digest"], e["source"]) for e in entries
    ]
    return table(rows)


def checks_table(checks: Sequence[Check]) -> str:
    """What an installation lacks, and what to do about it."""
    rows = [("", "what", "found")]
    for check in checks:
        sign = {"ok": "ok", "warning": "note", "problem": "FAIL"}[check.level]
        rows.append((sign, check.name, printable(check.found)))
        if check.advice:
            rows.append(("", "", f"-> {printable(check.advice)}"))
    return table(rows)


def info_lines(info: Mapping[str, Any]) -> str:
    """What is in a GLB.

    Args:
        info: From :func:`tasks.report.glb_info.info_of`.
    """
    unchanged = {None: "", True: " (as its metadata say)", False: " (NOT the one of its metadata)"}
    texture = info["texture"]
    size = " × ".join(f"{side:.1f}" for side in info["size_mm"])
    rows = [
        ("GLB", f"{info['file']}, {info['bytes'] / 1e6:.2f} MB"),
        ("sha256", f"{info['sha256']}{unchanged[info['unchanged']]}"),
        ("mesh", f"{info['num_vertices']} vertices, {info['num_faces']} faces"),
        ("size", f"{size} mm (x, y, z)"),
        ("holds", ", ".join(info["attributes"])),
    ]
    if texture is not None:
        pixels = f"{texture['width_px']} × {texture['height_px']} pixels"
        rows.append(("texture", f"{pixels}, {texture['bytes'] / 1e6:.2f} MB"))
    if info["extensions"]:
        rows.append(("uses", ", ".join(info["extensions"])))
    if info["share_inferred"] is not None:
        rows.append(("inferred", f"{info['share_inferred']:.1%} of the vertices"))
    if "model" in info:
        rows.append(("model", f"{info['model']['name']}, sha256 {info['model']['sha256']}"))
    if "input" in info:
        rows.append(("input", f"{info['input']['name']}, sha256 {info['input']['sha256']}"))
    if info["generator"]:
        rows.append(("made by", info["generator"]))
    text = "".join(f"{label:<9} {printable(value)}\n" for label, value in rows)
    text += "".join(f"warning   {printable(line)}\n" for line in info.get("warnings", []))
    if "verdict" in info:
        text += verdict_lines({"reasons": [], "retake": [], **info})
    return text
