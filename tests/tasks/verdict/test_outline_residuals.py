"""Outlines against the mesh: right cameras leave them on it, cameras that are turned do not."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from configs.stages import JudgeConfig
from tasks.geometry.camera import Camera
from tasks.verdict.decide import judge
from tasks.verdict.evidence import gather_evidence
from tasks.verdict.outline_residuals import outline_misfit
from tests.tasks.verdict.scene import drum, estimate, film, orbit

COUNT = 12
LARGE = 3
"""Frames are so many times larger than those of other tests: edges must be seen to a millimetre."""

Films = tuple[list[Camera], dict[int, Path], dict[int, Path]]


@pytest.fixture(scope="module")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> Films:
    cameras = [c.resized(LARGE * c.width, LARGE * c.height) for c in orbit(COUNT)]
    return cameras, *film(drum(), cameras, tmp_path_factory.mktemp("film"))


def misplaced(cameras: list[Camera], metres: float) -> list[Camera]:
    """Every camera moved by this much in a direction of its own."""
    away = np.random.default_rng(0).normal(size=(len(cameras), 3))
    away *= metres / np.linalg.norm(away, axis=1, keepdims=True)
    return [replace(c, translation=c.translation + a) for c, a in zip(cameras, away, strict=True)]


def judged(filmed: Films, cameras: list[Camera]) -> tuple[float, list[tuple[str, str]]]:
    """Distance of the outlines, percent of the diameter, and what the judge says of them."""
    _, photos, alphas = filmed
    poses = estimate(cameras)
    evidence = gather_evidence(drum(), poses, photos, alphas, [], COUNT, JudgeConfig())
    reasons = judge(evidence, poses, JudgeConfig()).reasons
    return evidence.figures["outlines_off_percent"], [
        (r.code, r.level) for r in reasons if r.code == "cameras-inexact"
    ]


def test_right_cameras_leave_outlines_on_the_mesh(filmed: Films) -> None:
    off, reasons = judged(filmed, filmed[0])
    assert off < 0.15
    assert reasons == []


@pytest.mark.parametrize("metres", [0.004, 0.006])
def test_cameras_that_are_millimetres_off_are_told(filmed: Films, metres: float) -> None:
    off, reasons = judged(filmed, misplaced(filmed[0], metres))
    assert 0.4 < off < 0.9
    assert reasons == [("cameras-inexact", "review")]


def test_what_is_less_than_a_pixel_is_not_told(tmp_path: Path) -> None:
    """Edges in small frames are seen no better than this; the same cameras are told in large."""
    cameras = orbit(COUNT)
    photos, alphas = film(drum(), cameras, tmp_path)
    off, reasons = judged((cameras, photos, alphas), misplaced(cameras, 0.004))
    assert off > 0.4
    assert reasons == []


def test_a_mesh_without_an_outer_surface_has_no_figure(filmed: Films) -> None:
    _, photos, alphas = filmed
    none = replace(drum(), vertices=np.random.default_rng(0).normal(size=drum().vertices.shape))
    found = outline_misfit(none, dict(enumerate(filmed[0])), photos, alphas)
    assert math.isnan(found.percent)
