"""Sidewalls over radius and angle: brightness at known places, turns and rings that are known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from tasks.atlas.flattened import FlatPart
from tasks.atlas.record import Provenance
from tasks.comparison.polar import (
    COLUMNS,
    PolarImage,
    elsewhere,
    follow_marks,
    match_rings,
    polar_image,
    strip_image,
)
from tests.tasks.comparison.made import BEAD, SHOULDER, scan

RADII = np.arange(SHOULDER - 0.002, BEAD + 0.002, -0.001)


def part(grey: np.ndarray, section: np.ndarray, name: str = "outer-sidewall") -> FlatPart:
    colours = np.repeat(np.rint(grey).astype(np.uint8)[..., None], 3, axis=2)
    measured = np.full(grey.shape, Provenance.MEASURED, np.uint8)
    return FlatPart(name, colours, measured, True, section)


def sidewall(seed: int = 0) -> PolarImage:
    return polar_image(scan(seed=seed).parts["outer-sidewall"], 1.0, RADII)


def turned(picture: PolarImage, columns: int) -> PolarImage:
    moved = (
        np.roll(v, columns, axis=1) for v in (picture.brightness, picture.marks, picture.known)
    )
    return PolarImage(*moved, picture.radii)


def test_brightness_stands_at_its_radius_and_angle() -> None:
    """Rows of the part every millimetre from 0.3, grey falls along the radius and round it."""
    own = np.arange(0.3, 0.2, -0.001)
    turn = (np.arange(512) + 0.5) / 512
    grey = 1000 * (own[:, None] - 0.15) + 40 * np.cos(2 * np.pi * turn)
    found = polar_image(part(grey, np.stack([own, 0 * own], axis=1)), 1.0, RADII)
    assert found.brightness.shape == (len(RADII), COLUMNS)
    angle = 2 * np.pi * (np.arange(COLUMNS) + 0.5) / COLUMNS
    expected = 1000 * (RADII[:, None] - 0.15) + 40 * np.cos(angle)
    away = slice(8, COLUMNS - 8)  # the part's columns do not go round
    np.testing.assert_allclose(
        np.exp(found.brightness[1:-1, away]) - 8, expected[1:-1, away], atol=0.8
    )
    assert found.known[1:-1, away].all()


def test_a_scale_brings_marks_to_other_radii_and_beyond_the_part_nothing_is_known() -> None:
    own = np.arange(0.3, 0.2, -0.001)
    grey = np.full((100, 512), 60.0)
    grey[40] = 200.0  # at 0.26
    radii = np.arange(0.35, 0.15, -0.001)
    section = np.stack([own, 0 * own], axis=1)
    for scale in (1.0, 1.1):
        found = polar_image(part(grey, section), scale, radii)
        bright = radii[found.brightness[:, COLUMNS // 2].argmax()]
        assert bright == pytest.approx(0.26 * scale, abs=0.0006)
        known = radii[found.known[:, COLUMNS // 2]]
        assert known.max() == pytest.approx(0.3 * scale, abs=0.0021)
        assert known.min() == pytest.approx(0.201 * scale, abs=0.0021)
    hidden = part(grey, section)
    hidden.provenance[:, :256] = Provenance.NETWORK
    found = polar_image(hidden, 1.0, RADII)
    assert not found.known[:, : COLUMNS // 2 - 4].any()
    assert not found.marks[:, : COLUMNS // 2 - 4].any()
    assert found.known[1:-1, COLUMNS // 2 + 4 : -4].all()


def test_a_strip_lies_along_the_axle() -> None:
    height = np.linspace(-0.08, 0.08, 81)
    grey = np.full((81, 512), 60.0)
    grey[60] = 200.0  # at 0.04
    tread = part(grey, np.stack([np.full(81, 0.3), height], axis=1), "tread")
    heights = np.arange(-0.1, 0.1, 0.001)
    found = strip_image(tread, 1.0, heights)
    assert heights[found.brightness[:, 99].argmax()] == pytest.approx(0.04, abs=0.0011)
    assert np.ptp(heights[found.known[:, 99]]) == pytest.approx(0.16, abs=0.003)
    np.testing.assert_allclose(found.radii, 0.3)


def test_what_lies_elsewhere_is_counted_over_the_seam() -> None:
    found = elsewhere(3)
    lobe = math.floor(0.012 * COLUMNS)
    assert np.flatnonzero(~found).tolist() == sorted(
        (3 + k) % COLUMNS for k in range(-lobe, lobe + 1)
    )


def test_marks_are_followed_finer_than_a_column() -> None:
    picture = sidewall()
    half = 0.5 * (turned(picture, 40).marks + turned(picture, 41).marks)
    other = replace(picture, marks=half)
    found = follow_marks(picture, other, 40)
    assert len(found.new) > 300
    column = 2 * math.pi / COLUMNS
    assert np.median(found.other - found.new, axis=0) == pytest.approx([40.5 * column, 0], abs=1e-4)
    assert (found.new[:, 1] < SHOULDER).all()
    blank = replace(picture, marks=np.zeros_like(picture.marks))
    assert follow_marks(blank, blank, 0).new.shape == (0, 2)


def test_circles_that_lie_farther_out_are_matched_sector_by_sector() -> None:
    def ring(radius: float) -> PolarImage:
        bright = np.where(radius > RADII, 0.8, 0.0)[:, None] * np.ones((1, COLUMNS))
        brightness = bright.astype(np.float32)
        return PolarImage(brightness, brightness, np.ones(bright.shape, np.bool_), RADII)

    found = match_rings(ring(0.2505), ring(0.2535), 0)
    assert len(found.angle) == 36
    np.testing.assert_allclose(found.new, 0.25, atol=0.001)
    np.testing.assert_allclose(found.other - found.new, 0.003, atol=1e-4)
    plain = ring(0.0)
    assert len(match_rings(plain, plain, 0).angle) == 0


def test_what_was_measured_all_round_is_known_all_round() -> None:
    """The columns at the seam were unknown, and with them whatever lay within 5° of it."""
    part = scan().parts["outer-sidewall"]
    radii = np.arange(part.section[:, 0].max() - 0.004, part.section[:, 0].min() + 0.004, -0.001)
    assert polar_image(part, 1.0, radii).known.all()
