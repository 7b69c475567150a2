"""Figures in words: all that a mesh is judged by has a meaning, and its limits are told."""

from __future__ import annotations

from typing import Any

import pytest

from configs.stages import JudgeConfig, Limits
from tasks.report.figures import MEANINGS, rows_of

JUDGED = [n for n in JudgeConfig.model_fields if isinstance(getattr(JudgeConfig(), n), Limits)]


def metadata(evidence: dict[str, Any], figures: dict[str, Any]) -> dict[str, Any]:
    judge = JudgeConfig().model_dump(mode="json")
    return {"evidence": evidence, "figures": figures, "parameters": {"judge": judge}}


def test_all_that_is_judged_has_a_meaning() -> None:
    assert len(JUDGED) > 8
    assert set(JUDGED) <= set(MEANINGS)
    rows = {row.name: row for row in rows_of(metadata(dict.fromkeys(JUDGED, 0.5), {}))}
    for name in JUDGED:
        limits = getattr(JudgeConfig(), name)
        side = "below" if limits.fail < limits.review else "above"
        review, fail = rows[name].limits
        assert review.startswith(f"review {side} "), name
        assert fail.startswith(f"fail {side} "), name
    assert rows["silhouette_iou"].limits == ("review below 0.94", "fail below 0.85")
    assert rows["seen_arc_deg"].limits == ("review below 200°", "fail below 75°")


@pytest.mark.parametrize(
    ("name", "value", "level"),
    [
        ("silhouette_iou", 0.95, ""),
        ("silhouette_iou", 0.9, "review"),
        ("share_inferred", 0.7, "fail"),
        ("tread_seen", 0.3, "review"),
        ("tread_seen", 0.5, ""),
        ("axle_lean_deg", 40.0, "review"),
        ("width_ratio", 0.1, "fail"),
        ("width_ratio", 0.8, "fail"),
        ("width_ratio", 0.4, ""),
        ("volume_m3", 1.0, ""),
    ],
)
def test_a_figure_beyond_its_limit_is_marked(name: str, value: float, level: str) -> None:
    (row,) = rows_of(metadata({name: value}, {}))
    assert row.level == level


def test_edges_less_than_some_pixels_off_do_not_count() -> None:
    for pixel, level in ((0.1, "review"), (0.41, "")):
        evidence = {"outlines_off_percent": 0.5, "pixel_percent": pixel}
        rows = {row.name: row for row in rows_of(metadata(evidence, {}))}
        assert rows["outlines_off_percent"].level == level
    assert rows["outlines_off_percent"].limits == ("review above 0.61\N{NO-BREAK SPACE}%",)


def test_values_have_their_units() -> None:
    told = rows_of(
        metadata(
            {"share_inferred": 0.171, "outer_face_seen": 0.97, "bodies": 1.0, "axle_lean_deg": 2.0},
            {
                "watertight": 0.0,
                "width_mm": None,
                "share_inferred": 0.9,
                "odd": 0.123,
                "faces": 1,
            },
        )
    )
    rows = {row.name: row for row in told}
    assert rows["share_inferred"].value == "17.1 %", "the one that was judged"
    assert rows["outer_face_seen"].limits == ("review below 50\N{NO-BREAK SPACE}%",)
    assert rows["watertight"].value == "no"
    assert rows["width_mm"].value == "–"
    assert rows["axle_lean_deg"].value == "2.0°"
    assert (rows["odd"].label, rows["odd"].value) == ("odd", "0.123")
    assert "faces" not in rows
    assert told[-1].name == "odd", "what is unknown comes last"


def test_frames_that_the_merge_used_are_not_told_as_kept_aside() -> None:
    names = ("silhouette_iou", "photo_agreement", "held_out_frames")
    for kept_aside in (6.0, 0.0):
        evidence = {name: 0.9 for name in names} | {"held_out_frames": kept_aside}
        rows = {row.name: row.meaning for row in rows_of(metadata(evidence, {}))}
        assert ("not made of" in rows["silhouette_iou"]) == bool(kept_aside)
        assert ("photos kept aside" in rows["photo_agreement"]) == bool(kept_aside)
        assert ("merge did not see" in rows["held_out_frames"]) == bool(kept_aside)


def test_the_width_is_told_with_the_limits_of_the_run() -> None:
    judge = JudgeConfig(min_width_ratio=0.2, max_width_ratio=0.6).model_dump(mode="json")
    found = {"evidence": {"width_ratio": 0.3}, "figures": {}, "parameters": {"judge": judge}}
    assert rows_of(found)[0].limits == ("fail below 0.2", "fail above 0.6")
    assert rows_of(found | {"parameters": {}})[0].limits == ()
