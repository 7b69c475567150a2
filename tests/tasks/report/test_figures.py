"""Figures in words: all that a mesh is judged by has a meaning, and its limits are told."""

from __future__ import annotations

from typing import Any

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
    assert all(rows[name].limits.startswith("review at ") for name in JUDGED)
    assert rows["silhouette_iou"].limits == "review at 0.940, fail at 0.850"


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
    assert rows["outer_face_seen"].limits == "review at 50.0\N{NO-BREAK SPACE}%"
    assert rows["watertight"].value == "no"
    assert rows["width_mm"].value == "–"
    assert rows["axle_lean_deg"].value == "2.0°"
    assert (rows["odd"].label, rows["odd"].value) == ("odd", "0.123")
    assert "faces" not in rows
    assert told[-1].name == "odd", "what is unknown comes last"
