"""The page of what was tried: every harness writes its own lines and leaves those of others."""

from __future__ import annotations

import json
from pathlib import Path

from tests.corpus.__main__ import PAGE, Tally, by_name, on_page, page


def test_the_page_is_read_as_it_is_written() -> None:
    counts = {
        "container": Tally(78, 77),
        "requests of any bytes": Tally(100, 100),
        "kills": Tally(20, 20, "12 × run; GLBs alike"),
    }
    assert on_page(page(counts)) == counts
    there = on_page(PAGE.read_text())
    assert there["API"].tried > 40
    assert on_page(page(there)) == there


def test_what_a_report_tells_is_counted_and_the_latest_figures_stand(tmp_path: Path) -> None:
    lines = [["a", 1, True], ["kills", 2, 2, "first"], ["a", 1, False], ["kills", 3, 3, "second"]]
    report = tmp_path / "report.jsonl"
    report.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert by_name(report) == {"a": Tally(2, 1), "kills": Tally(5, 5, "second")}
