"""The table of results as Markdown."""

from __future__ import annotations

from typing import Any

TITLES = {
    "extraction": "1. Surface extraction",
    "forward": "2. Forward pass",
    "start": "3. Start",
    "backgrounds": "4. Background removal",
    "frames": "5. Extraction of frames",
    "orchestration": "6. Orchestration",
    "scale": "7. Scale",
    "workers": "7. Scale: two workers",
    "cuda": "8. CUDA",
}
HEAD = """# Benchmarks

Written by `make bench` (`python -m bench`; `--only ITEM` measures one and keeps the others); the
figures are in `benchmarks.json`. Each kind of machine has a table of its own. What is compared runs
in turn in one process, on the same weights and threads. Seconds are medians, with the range and the
number of runs in brackets. They are **CPU seconds** of the process (which other programs on the
machine hardly change) unless a row says wall; seconds on the wall depend on what else the machine
does. The matrix peak is a product of 3072 × 1024 × 4096, measured in the same run.
"""


def render(results: dict[str, Any]) -> str:
    """Results as ``benchmarks.json`` holds them to a document."""
    parts = [HEAD]
    for name, items in results.get("items", {}).items():
        parts.append(f"\n## {TITLES[name]}\n")
        for item in items:
            parts += _table(item)
    return "".join(parts)


def _table(item: dict[str, Any]) -> list[str]:
    """The results of one machine."""
    m = item["machine"]
    threads = f"{m['torch_threads']} thread{'s' if m['torch_threads'] != 1 else ''}"
    versions = ", ".join(f"{k} {v}" for k, v in m["versions"].items())
    quick = " **Quick run: too few repeats to publish.**" if item["quick"] else ""
    features = ", ".join([*m["features"], *([] if m["bfloat16"] else ["no bfloat16"])])
    lines = [
        f"\n{item['at']}; {m['processor']} ({m['family_model_stepping']}; {features}), "
        f"{m['cores_used']} of {m['cores']} cores, {threads}; "
        f"Python {m['python']}, {versions}.{quick}{item.get('remark', '')}\n\n"
        "| what | goal | measured | met | note |\n|---|---|---|---|---|\n"
    ]
    for row in item["rows"]:
        met = {True: "yes", False: "**no**", None: ""}[row["met"]]
        cells = (row["what"], row["goal"], row["measured"], met, row["note"])
        lines.append("| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |\n")
    return lines
