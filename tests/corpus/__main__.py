"""Write ``docs/reliability.md`` of what was tried: ``python -m tests.corpus work/fuzz.jsonl``."""

from __future__ import annotations

import json
import platform
import sys
from collections import defaultdict
from pathlib import Path

from tests.corpus.all import CASES

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
HEAD = """# What was tried

`make fuzz` writes this page. It makes bad inputs and faults from small seeds (`tests/corpus`),
sends the API requests that schemathesis makes of its schema, and tries functions with what
hypothesis makes. Each case states what must come of it: *made* (it is sound, or is healed),
*refused*, or an error code of [the runbook](runbook.md); anything else, an exception that nobody
foresaw or a file left behind, is a failure. A part of it runs in every `make test`.
"""


def by_name(report: Path) -> dict[str, tuple[int, int]]:
    """How often each thing was tried and came out as it should."""
    counts: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for line in report.read_text().splitlines():
        name, tried, passed = json.loads(line)
        before = counts[name]
        counts[name] = (before[0] + tried, before[1] + int(passed))
    return counts


def page(counts: dict[str, tuple[int, int]]) -> str:
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
    for name, (tried, passed) in sorted(cases.items()):
        codes = ", ".join(f"`{code}`" for code in sorted(kinds[name]))
        lines.append(f"| {name} | {tried} | {passed} | {codes} |")
    total = [sum(column) for column in zip(*cases.values(), strict=True)] or [0, 0]
    lines += [f"| **all** | **{total[0]}** | **{total[1]}** | |", "", "## At random", ""]
    lines += ["| what | tried | passed |", "|---|---|---|"]
    lines += [f"| {name} | {t} | {p} |" for name, (t, p) in sorted(others.items())]
    here = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    return "\n".join([*lines, "", f"On {here}.", ""])


def main() -> int:
    """Write the page; the exit code is 0 only if everything passed."""
    counts = by_name(Path(sys.argv[1]))
    PAGE.write_text(page(counts))
    sys.stdout.write(f"{PAGE}\n")
    return 0 if all(tried == passed for tried, passed in counts.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
