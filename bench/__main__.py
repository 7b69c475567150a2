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


def merge(results: dict[str, Any], name: str, part: dict[str, Any]) -> dict[str, Any]:
    """The results with one item of this machine replaced, in the items' order."""
    items = results.get("items", {})
    others = [p for p in items.get(name, []) if kind_of(p) != kind_of(part)]
    items = {**items, name: [*others, part]}
    return {**results, "items": {n: items[n] for n in ITEMS if n in items}}


def kind_of(part: dict[str, Any]) -> tuple[str, ...]:
    """The identity of a machine: the processor's name and model, and the accelerator's."""
    m = part["machine"]
    return m["processor"], m["family_model_stepping"], str(part["figures"].get("device"))


def main() -> int:
    """Measure the requested items one after the other, and keep the results of the others."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", choices=ITEMS, action="append", help="an item; may be repeated")
    parser.add_argument("--quick", action="store_true", help="few runs: to try, not to publish")
    parser.add_argument("--out", type=Path, default=ROOT / "docs", help="folder of both files")
    options = parser.parse_args()
    path = options.out / "benchmarks.json"
    results = json.loads(path.read_text()) if path.is_file() else {}
    render(results)  # a file that cannot be extended fails before the measuring, not after it
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
        results = merge(results, name, part)
        path.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
        path.with_suffix(".md").write_text(render(results))
        for row in rows:
            sys.stderr.write(f"  {line(row)}\n")
    return 0


def line(row: Row) -> str:
    """A row in one line, for the terminal."""
    verdict = {True: "met", False: "NOT MET", None: "-"}[row.met]
    return f"{verdict:8}{row.what}: {row.measured} (goal {row.goal})"


if __name__ == "__main__":
    raise SystemExit(main())
