"""``make bench``: measures, and writes docs/benchmarks.json and the table docs/benchmarks.md.

Figures of other machines are kept beside those of this one.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.measure import ROOT, Row, machine
from bench.report import render

ITEMS = (
    "extraction", "forward", "start", "backgrounds", "frames", "orchestration", "scale", "workers",
    "cuda",
)  # fmt: skip


def merge(told: dict[str, Any], name: str, part: dict[str, Any]) -> dict[str, Any]:
    """The results with one item of this machine replaced, in the items' order."""
    items = told.get("items", {})
    others = [p for p in items.get(name, []) if kind_of(p) != kind_of(part)]
    items = {**items, name: [*others, part]}
    return {**told, "items": {n: items[n] for n in ITEMS if n in items}}


def kind_of(part: dict[str, Any]) -> tuple[str, ...]:
    """What tells machines apart: the processor's name and model, and the accelerator's."""
    m = part["machine"]
    return m["processor"], m["family_model_stepping"], str(part["figures"].get("device"))


def main() -> int:
    """Measure the items asked for, one after the other, and keep the results of the others."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", choices=ITEMS, action="append", help="an item; may be repeated")
    parser.add_argument("--quick", action="store_true", help="few runs: to try, not to publish")
    parser.add_argument("--out", type=Path, default=ROOT / "docs", help="folder of both files")
    options = parser.parse_args()
    results = options.out / "benchmarks.json"
    told = json.loads(results.read_text()) if results.is_file() else {}
    render(told)  # a file that cannot be added to is better found out now than after measuring
    for name in options.only or ITEMS:
        sys.stderr.write(f"{name} ...\n")
        rows, figures = importlib.import_module(f"bench.{name}").run(options.quick)
        part = {
            "at": datetime.now(UTC).isoformat(timespec="minutes"),
            "quick": options.quick,
            "machine": machine(),
            "rows": [asdict(r) for r in rows],
            "figures": figures,
        }
        told = merge(told, name, part)
        results.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")
        results.with_suffix(".md").write_text(render(told))
        for row in rows:
            sys.stderr.write(f"  {line(row)}\n")
    return 0


def line(row: Row) -> str:
    """A row in one line, for the terminal."""
    verdict = {True: "met", False: "NOT MET", None: "-"}[row.met]
    return f"{verdict:8}{row.what}: {row.measured} (goal {row.goal})"


if __name__ == "__main__":
    raise SystemExit(main())
