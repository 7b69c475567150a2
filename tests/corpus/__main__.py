"""Write ``docs/reliability.md`` of what was tried: ``python -m tests.corpus work/fuzz.jsonl``.

What a report does not tell of stays on the page as it is there: each harness writes its own lines.
"""

from __future__ import annotations

import json
import os
import platform
import re
import sys
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from tests.corpus.all import CASES

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
HEAD = """# What was tried

`make fuzz` makes bad inputs and faults from small seeds (`tests/corpus`), sends the API requests
that schemathesis makes of its schema, and tries functions with what hypothesis makes. Each case
states what must come of it: *made* (it is sound, or is healed), *refused*, or an error code of
[the runbook](runbook.md); anything else, an exception that nobody foresaw or a file left behind,
is a failure. A part of it runs in every `make test`. `make load`, `make kills` and
`make endurance` try the whole service: server, workers and API on one machine. Each of them
writes its lines here.
"""
_SERVICE = "## The whole service"
_ROW = re.compile(r"^\| ([^|*]+) \| (\d+) \| (\d+) \|(?: ([^|]*) \|)?$", re.MULTILINE)


class Tally(NamedTuple):
    """How often something was tried and came out as it should, and what was measured."""

    tried: int
    passed: int
    figures: str = ""


def by_name(report: Path) -> dict[str, Tally]:
    """What a report tells of each thing; figures are the latest."""
    counts: dict[str, Tally] = defaultdict(lambda: Tally(0, 0))
    for line in report.read_text().splitlines():
        name, tried, passed, *figures = json.loads(line)
        before = counts[name]
        said = "".join(figures) or before.figures
        counts[name] = Tally(before.tried + tried, before.passed + int(passed), said)
    return counts


def on_page(text: str) -> dict[str, Tally]:
    """What the page tells of each thing."""
    cases, _, service = text.partition(_SERVICE)
    found = {n: Tally(int(t), int(p)) for n, t, p, _ in _ROW.findall(cases)}
    return found | {n: Tally(int(t), int(p), f) for n, t, p, f in _ROW.findall(service)}


def page(counts: dict[str, Tally]) -> str:
    """The page.

    Args:
        counts: By name: how often it was tried, and how often it came out as it should.
    """
    kinds: dict[str, set[str]] = defaultdict(set)
    for case in CASES:
        kinds[case.kind] |= set(case.expected)
    cases = {name: counts[name] for name in kinds if name in counts}
    others = {name: told for name, told in counts.items() if name not in kinds}
    lines = [HEAD, "## Cases", "", "| fault of | tried | passed | what must come of it |"]
    lines.append("|---|---|---|---|")
    for name, told in sorted(cases.items()):
        codes = ", ".join(f"`{code}`" for code in sorted(kinds[name]))
        lines.append(f"| {name} | {told.tried} | {told.passed} | {codes} |")
    tried, passed = (sum(told[k] for told in cases.values()) for k in (0, 1))
    lines += [f"| **all** | **{tried}** | **{passed}** | |", "", "## At random", ""]
    lines += ["| what | tried | passed |", "|---|---|---|"]
    lines += [
        f"| {n} | {t} | {p} |" for n, (t, p, figures) in sorted(others.items()) if not figures
    ]
    lines += ["", _SERVICE, "", "| what | tried | passed | figures |", "|---|---|---|---|"]
    for name, (tried, passed, figures) in sorted(others.items()):
        if figures:
            lines.append(f"| {name} | {tried} | {passed} | {figures} |")
    here = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    return "\n".join([*lines, "", f"On {here}, {os.cpu_count()} cores.", ""])


def main() -> int:
    """Write the page; the exit code is 0 only if everything passed."""
    told = by_name(Path(sys.argv[1]))
    PAGE.write_text(page({**on_page(PAGE.read_text()), **told}))
    sys.stdout.write(f"{PAGE}\n")
    return 0 if all(each.tried == each.passed for each in told.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
