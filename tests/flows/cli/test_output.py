"""What a person reads at the end of a command."""

from __future__ import annotations

from typing import Any

import pytest

from flows.cli.output import (
    batch_table,
    checks_table,
    info_lines,
    models_table,
    pruned_in_words,
    stage_table,
    table,
    verdict_lines,
)
from flows.support.doctor import Check
from tasks.batch.manifest import Entry
from tasks.storage.prune import Pruned

METADATA: dict[str, Any] = {
    "stages": [
        {
            "stage": "extract",
            "seconds": 1.5,
            "state": "Completed",
            "cached": False,
            "made_s": 1.4,
        },
        {
            "stage": "remove-backgrounds",
            "seconds": 0.25,
            "state": "Cached",
            "cached": True,
            "made_s": 12.25,
        },
    ],
    "seconds": 1.75,
    "model": {"name": "tyre-mini", "chosen_because": "bundled"},
    "num_vertices": 3,
    "num_faces": 1,
    "num_frames": 1,
    "warnings": ["odd"],
    "output_path": "/o/a.glb",
    "metadata_path": "/o/a.json",
    "verdict": "review",
    "reasons": [{"code": "film-dark", "message": "it is dark", "advice": "Switch on light"}],
    "retake": ["film the tread"],
}


def test_columns_lie_below_each_other_and_no_line_ends_in_blanks() -> None:
    assert table([("a", "bb", ""), ("ccc", "d", "e")]) == "a    bb\nccc  d   e\n"


def test_the_end_of_a_run_adds_up_and_says_where_all_is() -> None:
    lines = stage_table(METADATA, 0.5).splitlines()
    words = [line.split() for line in lines]
    assert words[0] == ["stage", "seconds", "state"], "what `head -1` shows"
    assert ["start", "0.50"] in words
    assert ["extract", "1.50", "Completed"] in words
    assert "remove-backgrounds     0.25  Cached, made in 12.25 s" in lines
    assert ["all", "2.25"] in words
    assert lines[-7:] == [
        "mesh      3 vertices, 1 faces, from 1 frame",
        "warning   odd",
        "GLB       /o/a.glb",
        "metadata  /o/a.json",
        "verdict   review",
        "reason    [film-dark] it is dark. Switch on light",
        "retake    film the tread",
    ]
    with_report = stage_table({**METADATA, "report_path": "/o/a.html"}, 0.5)
    assert "metadata  /o/a.json\nreport    /o/a.html\nverdict" in with_report


def test_a_verdict_without_reasons_is_one_line() -> None:
    assert verdict_lines({"verdict": "pass", "reasons": [], "retake": []}) == "verdict   pass\n"


def test_reasons_of_a_batch_stand_below_the_result_and_no_name_moves_the_terminal() -> None:
    entries = [
        Entry("a\x1b[2J", "/in/a", "completed", glb="/o/a.glb", verdict="pass", seconds=1.26),
        Entry(
            "b", "/in/b", "completed", glb="/o/b.glb", verdict="fail",
            reasons=["x"], sentences=["it is a pot"],
        ),
        Entry("c", "/in/c", "completed", found_finished=True),
    ]  # fmt: skip
    lines = batch_table(entries, "the end").splitlines()
    assert lines[1].split() == [r"a\x1b[2J", "completed", "pass", "1.3", "/o/a.glb"]
    column = lines[2].index("/o/b.glb")
    assert lines[3] == " " * column + "[x] it is a pot"
    assert lines[4].split()[:3] == ["c", "finished", "before"]
    assert lines[-1] == "the end"


@pytest.mark.parametrize(
    ("dry_run", "parts", "words"),
    [
        (False, 0, "1 artifact (2.0 MB) deleted; 3 (4.5 MB) kept"),
        (True, 0, "1 artifact (2.0 MB) would be deleted; 3 (4.5 MB) kept"),
        (
            True,
            2,
            "1 artifact (2.0 MB) would be deleted; 3 (4.5 MB) kept; "
            "2 files that killed processes left would be deleted",
        ),
    ],
)
def test_what_became_of_old_artifacts(dry_run: bool, parts: int, words: str) -> None:
    pruned = Pruned(1, 2_000_000, 3, 4_500_000, parts)
    assert pruned_in_words(pruned, dry_run=dry_run).splitlines()[0] == words


def test_weights_have_a_line_each() -> None:
    entry = {"name": "m", "kind": "k", "here": "no", "licence": "MIT", "digest": "d", "source": "s"}
    first, second = models_table([entry]).splitlines()
    assert first.split() == ["name", "for", "here", "licence", "digest", "from"]
    assert second.split() == ["m", "k", "no", "MIT", "d", "s"]


def test_what_is_to_be_done_stands_below_what_was_found() -> None:
    checks = [Check("disk", "ok", "much", ""), Check("server", "problem", "none", "Start one")]
    lines = checks_table(checks).splitlines()
    assert lines[1].split() == ["ok", "disk", "much"]
    assert lines[2].split() == ["FAIL", "server", "none"]
    assert lines[3].strip() == "-> Start one"
    assert lines[3].index("->") == lines[2].index("none")


def test_what_a_glb_holds_is_told_as_far_as_it_is_known() -> None:
    info: dict[str, Any] = {
        "file": "a\n.glb",
        "bytes": 2_345_000,
        "sha256": "0" * 64,
        "unchanged": False,
        "num_vertices": 3,
        "num_faces": 1,
        "size_mm": [720.04, 720.0, 255.55],
        "attributes": ["POSITION", "_SEEN_BY"],
        "texture": None,
        "extensions": [],
        "share_inferred": None,
        "generator": "",
    }
    assert info_lines(info).splitlines() == [
        r"GLB       a\n.glb, 2.35 MB",
        f"sha256    {'0' * 64} (NOT the one of its metadata)",
        "mesh      3 vertices, 1 faces",
        "size      720.0 × 720.0 × 255.6 mm (x, y, z)",
        "holds     POSITION, _SEEN_BY",
    ]
    more = {
        "texture": {"width_px": 8, "height_px": 4, "bytes": 10_000},
        "share_inferred": 0.256,
        "warnings": ["w"],
        "verdict": "pass",
    }
    assert info_lines({**info, **more}).splitlines()[5:] == [
        "texture   8 × 4 pixels, 0.01 MB",
        "inferred  25.6% of the vertices",
        "warning   w",
        "verdict   pass",
    ]
