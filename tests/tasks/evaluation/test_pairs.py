"""Scores of comparisons: what is told rightly counts, whatever frame it is told in; else not."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tasks.evaluation.pairs import Stand, score_comparison, stand_of
from tasks.geometry.camera import Camera, look_at
from tasks.synthetic.tyres.pair_truth import PairTruth, truth_of_pair
from tasks.synthetic.tyres.pairs import PAIR_VALIDATION_SEEDS, plan_pair
from tasks.synthetic.tyres.profile import FloatArray

SEED = PAIR_VALIDATION_SEEDS[100]
FLIP = np.diag([-1.0, 1.0, -1.0])


def turned_by(degrees: float) -> FloatArray:
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


STANDS = {
    "as generated": (Stand(np.eye(3), 1.0), Stand(np.eye(3), 1.0)),
    "turned and flipped": (
        Stand(turned_by(70) @ FLIP, 1.01),
        Stand(turned_by(-30), 0.99),
    ),
}


def perfect(truth: PairTruth, new: Stand, damaged: Stand, lod: float = 0.5) -> dict[str, Any]:
    """What a comparison without error tells, in the frames of its meshes."""
    place = new.rotation.T @ truth.rotation @ damaged.rotation
    zones = list(truth.zones)[::-1] if new.flipped else list(truth.zones)
    swap = {"outer-sidewall": "inner-sidewall", "inner-sidewall": "outer-sidewall"}
    findings = []
    for f in truth.findings:
        a = math.radians(90 - (f.angle_deg or 0.0))
        x, y, _ = np.array([math.cos(a), math.sin(a), 0.0]) @ new.rotation
        across = f.across_mm
        if new.flipped and across is not None:
            across = -across
        findings.append(
            {
                "kind": {"scuff": "visual", "graining": "visual"}.get(f.kind, f.kind),
                "part": swap.get(f.part, f.part) if new.flipped else f.part,
                "angle_deg": (
                    None if f.angle_deg is None else (90 - math.degrees(math.atan2(y, x))) % 360
                ),
                "across_mm": across,
                "radius_mm": f.radius_mm,
                "length_mm": f.length_mm,
                "width_mm": f.width_mm,
                "depth_mm": f.depth_mm,
                "certainty": 0.9,
            }
        )
    worn = any(abs(z.change_mm) > lod for z in zones)
    names = [z.name for z in truth.zones]
    return {
        "verdict": "changed" if worn or findings else "not detectable",
        "reasons": [],
        "alignment": {
            "anchor": "sidewall-markings",
            "scale_ratio": damaged.size / new.size,
            "faces": "turned" if place[2, 2] < 0 else "same",
            "transform": {"rotation": place.tolist()},
        },
        "zones": [
            {
                "name": name,
                "mean_change_mm": z.change_mm,
                "lod95_mm": lod,
                "significant": abs(z.change_mm) > lod,
            }
            for name, z in zip(names, zones, strict=True)
        ],
        "cells": {"measured": 0.8, "significant": 0.0},
        "findings": findings,
        "seconds": 20.0,
    }


def truth_of(kind: str) -> PairTruth:
    return truth_of_pair(plan_pair(SEED, kind))


@pytest.mark.parametrize("stands", STANDS.values(), ids=STANDS)
@pytest.mark.parametrize(
    "kind", ["null", "zones", "flat-spots", "cuts+bulge", "chunks", "graining", "turned"]
)
def test_a_comparison_without_error_has_none(kind: str, stands: tuple[Stand, Stand]) -> None:
    truth = truth_of(kind)
    score = score_comparison(perfect(truth, *stands), truth, *stands)
    assert score["verdict"] == score["verdict_expected"]
    assert score["faces_right"]
    assert score["scale_error_percent"] == pytest.approx(0, abs=1e-9)
    assert score["spin_error_deg"] == pytest.approx(0, abs=1e-6)
    assert score["axle_error_deg"] == pytest.approx(0, abs=1e-4)
    assert [z["error_mm"] for z in score["zones"]] == pytest.approx([0.0] * 5)
    assert all(z["holds"] for z in score["zones"])
    assert all(p["found"] for p in score["planted"])
    assert len(score["planted"]) == len(truth.findings)
    assert score["false_findings"] == []


def test_errors_are_told_as_what_they_are() -> None:
    truth = truth_of("zones")
    stands = STANDS["turned and flipped"]
    record = perfect(truth, *stands)
    record["alignment"]["scale_ratio"] *= 1.002
    rotation = np.array(record["alignment"]["transform"]["rotation"])
    record["alignment"]["transform"]["rotation"] = (turned_by(2.0) @ rotation).tolist()
    record["zones"][0]["mean_change_mm"] += 0.8  # told as the inner shoulder, is the outer one
    record["zones"][1]["mean_change_mm"] = None
    score = score_comparison(record, truth, *stands)
    assert score["scale_error_percent"] == pytest.approx(0.2)
    assert score["spin_error_deg"] == pytest.approx(2.0)
    assert score["zones"][4]["error_mm"] == pytest.approx(0.8)
    assert score["zones"][4]["holds"] is False
    assert score["zones"][3]["error_mm"] is None
    assert score["zones"][3]["holds"] is None


def test_without_an_anchor_the_alignment_has_no_errors() -> None:
    truth, stands = truth_of("null"), STANDS["as generated"]
    record = perfect(truth, *stands)
    record["alignment"] = {"anchor": "none", "scale_ratio": 1.0, "faces": "same"}
    score = score_comparison(record, truth, *stands)
    assert score["scale_error_percent"] is None
    assert score["faces_right"] is None


def test_a_flat_spot_off_its_place_or_depth_is_not_found_and_none_of_it_is_false() -> None:
    truth, stands = truth_of("flat-spots"), STANDS["as generated"]
    for change, found in (
        ({"angle_deg": 2.5}, True),
        ({"angle_deg": 4.0}, False),
        ({"depth_mm": -0.6}, True),
        ({"depth_mm": -0.8}, False),
    ):
        record = perfect(truth, *stands)
        for name, by in change.items():
            record["findings"][0][name] += by
        score = score_comparison(record, truth, *stands)
        assert score["planted"][0]["found"] == found
        assert score["planted"][0]["told_as"] == "flat-spot"
        assert score["false_findings"] == []


def test_findings_elsewhere_are_false_and_what_they_should_have_been_is_missed() -> None:
    truth, stands = truth_of("cuts"), STANDS["turned and flipped"]
    record = perfect(truth, *stands)
    record["findings"][0]["angle_deg"] += 40.0
    record["findings"][1]["part"] = "tread"
    record["findings"].append({**record["findings"][0], "kind": "flat-spot", "part": "tread"})
    score = score_comparison(record, truth, *stands)
    assert [p["found"] for p in score["planted"]] == [False, False]
    assert len(score["false_findings"]) == 3


def test_wear_is_a_false_finding_only_where_there_is_none() -> None:
    stands = STANDS["as generated"]
    wear = {"kind": "wear", "part": "tread", "angle_deg": None, "depth_mm": 2.0}
    for kind, false in (("even", 0), ("null", 1)):
        truth = truth_of(kind)
        record = perfect(truth, *stands)
        record["findings"].append(wear)
        assert len(score_comparison(record, truth, *stands)["false_findings"]) == false


def test_a_mark_in_one_place_does_not_tell_of_graining_nor_a_band_of_a_chunk() -> None:
    truth, stands = truth_of("graining+chunks"), STANDS["turned and flipped"]
    record = perfect(truth, *stands)
    graining, *chunks = record["findings"]
    assert graining["angle_deg"] is None
    record["findings"] = [{**graining, "angle_deg": 20.0}, *chunks]
    score = score_comparison(record, truth, *stands)
    assert [p["found"] for p in score["planted"]] == [False] + len(chunks) * [True]
    assert score["false_findings"] == []
    other = graining["across_mm"] + (graining["width_mm"] / 2 + 40)
    record["findings"] = [{**graining, "across_mm": other}]
    score = score_comparison(record, truth, *stands)
    assert not any(p["found"] for p in score["planted"])
    assert len(score["false_findings"]) == 1


def test_a_mesh_stands_where_its_cameras_say() -> None:
    true = {
        i: look_at(np.array([2 * math.cos(a), 0.4, 2 * math.sin(a)]), np.zeros(3),
                   focal_px=100, width=64, height=48)
        for i, a in enumerate(np.linspace(0, 6, 9))
    }  # fmt: skip
    rotation, size, shift = turned_by(33) @ FLIP, 1.07, np.array([0.01, -0.02, 0.03])

    def seen_from_mesh(c: Camera) -> Camera:
        centre = size * rotation.T @ c.centre + shift
        own = c.rotation @ rotation
        return replace(c, rotation=own, translation=-own @ centre)

    stand = stand_of({i: seen_from_mesh(c) for i, c in true.items()}, true)
    assert stand.rotation == pytest.approx(rotation, abs=1e-9)
    assert stand.size == pytest.approx(size)
    assert stand.flipped
    with pytest.raises(ValueError, match="2 cameras"):
        stand_of({0: true[0], 1: true[1]}, true)
