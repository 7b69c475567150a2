"""The page of a batch: every tyre, worst first, linked by name and by nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tasks.batch.manifest import Entry
from tasks.report.batch_page import Beside, batch_page
from tasks.storage.results import PAGE_MARK
from tests.support.browser import told_by_browser
from tests.tasks.report.test_page import EVIL, read

PIXEL = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA="
ENTRIES = [
    Entry("good", "/in/good.mp4", "completed", verdict="pass", glb="/o/good.glb",
          metadata="/o/good.json", seconds=90.0,
          figures={"num_faces": 9, "width_mm": 310.4, "share_inferred": 0.17}),
    Entry("doubt", "/in/doubt.mp4", "completed", verdict="review", reasons=["arc-short"],
          seconds=100.0, warnings=["a <b>", "c"], glb="s3://b/o/doubt.glb",
          metadata="s3://b/o/doubt.json"),
    Entry("late", "/in/late.mp4"),
    Entry(EVIL, f"/in/{EVIL}.mp4", "failed", flow_run_url="javascript:alert(1)",
          error={"code": "video-empty", "stage": "extract", "message": EVIL, "advice": ""}),
    Entry("javascript:alert(1)", "x", "completed", verdict="fail", glb="/o/javascript:alert(1).glb",
          metadata="/o/javascript:alert(1).json", flow_run_url="https://prefect.example/run"),
]  # fmt: skip
BESIDE = {
    "good": Beside.of({"report_path": "/o/good.html", "thumbnail": PIXEL}),
    "doubt": Beside.of({"report_path": "s3://b/o/a b.html", "thumbnail": "https://evil.example/x"}),
    "javascript:alert(1)": Beside.of({"report_path": "/o/javascript:alert(1).html"}),
}


@pytest.fixture(scope="module")
def page() -> str:
    return batch_page("out <1>", ENTRIES, BESIDE, "2026-01-01")


def test_a_mesh_without_a_verdict_is_not_told_as_sound() -> None:
    page = batch_page("out", [Entry("old", "/in/old.mp4", "completed")], {}, "2026-01-01")
    rows = [a for t, a in read(page).elements if t == "tr" and "data-outcome" in a]
    assert [row["data-outcome"] for row in rows] == ["review"]


def test_every_tyre_is_there_and_the_worst_come_first(page: str) -> None:
    reader = read(page)
    assert reader.open == reader.wrong == []
    rows = [a["data-outcome"] for t, a in reader.elements if t == "tr" and "data-outcome" in a]
    assert rows == ["failed", "fail", "review", "pending", "pass"]
    text = " ".join(" ".join(reader.texts).split())
    for said in (
        "out <1>",
        "5 tyres",
        "1 failed",
        "[video-empty] extract:",
        "arc-short",
        "310",
        "17",
        "2 warnings",
        "a <b>",
    ):
        assert said in text, said
    assert text.count(EVIL) == 3, "as name, input and message"
    assert PAGE_MARK in page.encode()[:4096]


def test_links_lead_beside_the_page_alone(page: str) -> None:
    reader = read(page)
    links = {a["href"] or "" for t, a in reader.elements if t == "a"}
    outside = {link for link in links if not link.startswith("./")}
    assert outside == {"https://prefect.example/run"}
    assert {"./good.html", "./good.glb", "./good.json", "./a%20b.html"} <= links
    assert "./javascript%3Aalert%281%29.html" in links
    pictures = [a["src"] for t, a in reader.elements if t == "img"]
    assert pictures == [PIXEL]
    assert [t for t, _ in reader.elements].count("script") == 1
    assert all(not name.startswith("on") for _, a in reader.elements for name in a)


def test_a_batch_of_nothing_has_a_page() -> None:
    assert "0 tyres" in batch_page("out", [], {}, "today")


@pytest.mark.browser
def test_the_table_sorts_and_filters(page: str, tmp_path: Path) -> None:
    file = tmp_path / "batch.html"
    file.write_text(page, encoding="utf-8")
    told: dict[str, Any] = told_by_browser("batch.mjs", file)
    assert told["said"] == []
    assert told["asked"] == [file.as_uri()]
    assert told["first"] == ["failed", "fail", "review", "pending", "pass"]
    assert told["by seconds"][-2:] == ["review", "pending"], "100 after 90: not as texts"
    assert told["by seconds, down"][0] == "review"
    assert told["sorted"] == "descending"
    assert told["by faces"][0] == "pass", "cells without a value come last"
    assert told["found"] == ["review"]
    assert told["of one outcome"] == ["pass"]
    assert told["status"] == "1 of 5 shown"
    assert told["cut"] == [], "widths of the window at which columns are out of sight"


def test_reasons_are_told_in_sentences(page: str) -> None:
    words = {"reasons": ["arc-short", "b"], "sentences": ["150 of 360 <degrees>", EVIL]}
    told = [replace(e, **words) if e.name == "doubt" else e for e in ENTRIES]  # type: ignore[arg-type]
    said = batch_page("out", told, {}, "today")
    assert "[arc-short] 150 of 360 &lt;degrees&gt;<br>[b] " in said
    assert "[arc-short]" not in page, "codes of an earlier release stand alone"
    assert read(said).open == []
