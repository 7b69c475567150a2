"""Selection: known sharp frames, known viewpoints, a reason for everyone."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from configs.stages import SelectConfig
from tasks.core.errors import ReconstructionError
from tasks.geometry.camera import look_at
from tasks.geometry.crop import Crop
from tasks.matting.quality import Mask
from tasks.poses.record import ObjectEstimate, PoseEstimate
from tasks.selection.choose import (
    Selection,
    choose_farthest,
    select_frames,
    viewpoints,
)
from tasks.selection.scores import Scores, measure, relative_sharpness
from tasks.storage.artifacts import Artifact
from tests.conftest import disc_picture


def mask(index: int, **change: object) -> Mask:
    base = {
        "index": index,
        "file": "",
        "crop": Crop(80, 60, 90),
        "area": 0.2,
        "touches_border": False,
        "fragments": 1,
        "solidity": 0.98,
        "confidence": 0.95,
        "peak": 1.0,
        "from_source": False,
        "refused": "",
    }
    return Mask(**{**base, **change})  # type: ignore[arg-type]


def orbit(count: int, span_deg: float = 360.0) -> PoseEstimate:
    cameras = {}
    for i in range(count):
        a = math.radians(span_deg * i / count)
        eye = np.array([3 * math.sin(a), 0.5, 3 * math.cos(a)])
        cameras[i] = look_at(eye, np.zeros(3), focal_px=150, width=160, height=120)
    tyre = ObjectEstimate(np.zeros(3), np.array([0, 0, 1.0]), np.array([0, 1.0, 0]), 0.36, 0.15)
    return PoseEstimate("test", "orbit", cameras, tyre)


GOOD = Scores(sharpness=1.0, brightness=120.0, clipped=0.0)


def test_blur_lowers_sharpness_and_brightness_does_not_raise_it() -> None:
    sharp = measure(*disc_picture(0))
    picture, alpha = disc_picture(0)
    dim = measure((picture // 2).astype(np.uint8), alpha)
    blurred = measure(*disc_picture(0, blur=2.0))
    assert blurred.sharpness < 0.7 * sharp.sharpness
    assert dim.sharpness == pytest.approx(sharp.sharpness, rel=0.1)


def test_exposure_is_measured_inside_the_mask() -> None:
    picture, alpha = disc_picture(0)
    assert measure(picture, alpha).clipped == 0.0
    white = picture.copy()
    white[alpha > 0] = 255
    assert measure(white, alpha).clipped == 1.0
    assert measure(np.zeros_like(picture), alpha).brightness == 0.0


def test_sharpness_is_held_to_the_neighbours() -> None:
    relative = relative_sharpness({0: 1.0, 1: 1.0, 2: 0.2, 3: 1.0, 10: 5.0, 11: 5.0, 12: 5.0}, 2)
    assert relative[2] == pytest.approx(0.2)
    assert relative[11] == pytest.approx(1.0)


def test_viewpoints_are_azimuths_about_the_tyre() -> None:
    views = viewpoints(orbit(4))
    assert [round(views[i][0]) % 360 for i in range(4)] == [0, 90, 180, 270]
    assert views[0][1] == pytest.approx(math.degrees(math.asin(0.5 / math.hypot(3, 0.5))))


def test_the_orbit_is_covered() -> None:
    verdicts = select_frames(
        [mask(i) for i in range(48)], dict.fromkeys(range(48), GOOD), orbit(48), SelectConfig()
    ).verdicts
    azimuths = sorted(v.azimuth_deg for v in verdicts if v.taken and v.azimuth_deg is not None)
    gaps = np.diff([*azimuths, azimuths[0] + 360])
    assert len(azimuths) == 8
    assert gaps.max() <= 75


def test_blurred_dark_cut_and_unposed_frames_are_refused_with_a_reason() -> None:
    masks = [mask(i) for i in range(24)]
    scores = dict.fromkeys(range(24), GOOD)
    scores[3] = Scores(0.2, 120.0, 0.0)
    scores[4] = Scores(1.0, 3.0, 0.0)
    scores[5] = Scores(1.0, 255.0, 0.9)
    masks[6] = mask(6, touches_border=True)
    masks[7] = mask(7, refused="nothing stands out from the background")
    masks[9] = mask(9, solidity=0.3)
    del scores[7]
    poses = orbit(24)
    del poses.cameras[8]
    verdicts = select_frames(masks, scores, poses, SelectConfig(num_frames=12)).verdicts
    reasons = {v.index: v.reason for v in verdicts if not v.taken}
    assert reasons[3].startswith("blurred")
    assert reasons[4] == "too dark"
    assert reasons[5] == "overexposed"
    assert "leaves the frame" in reasons[6]
    assert "nothing stands out" in reasons[7]
    assert "pose" in reasons[8]
    assert "ragged" in reasons[9]
    assert sum(v.taken for v in verdicts) == 12
    assert all(v.reason for v in verdicts)


def test_the_sharpest_of_a_side_is_taken() -> None:
    scores = {i: Scores(1.0 + (0.3 if i % 6 == 2 else 0.0), 120.0, 0.0) for i in range(48)}
    verdicts = select_frames(
        [mask(i) for i in range(48)], scores, orbit(48), SelectConfig(num_frames=8)
    ).verdicts
    assert sum(v.index % 6 == 2 for v in verdicts if v.taken) >= 6


def test_flawed_frames_are_better_than_none() -> None:
    masks = [mask(i, touches_border=True) for i in range(6)]
    verdicts = select_frames(
        masks, dict.fromkeys(range(6), GOOD), orbit(6), SelectConfig()
    ).verdicts
    assert sum(v.taken for v in verdicts) == 6
    assert all("leaves the frame" in v.reason for v in verdicts)


def test_nothing_usable_is_an_error() -> None:
    masks = [mask(i, refused="no background was found") for i in range(4)]
    with pytest.raises(ReconstructionError, match="no-good-frame"):
        select_frames(masks, {}, orbit(4), SelectConfig())


def test_spread_takes_each_once() -> None:
    rng = np.random.default_rng(0)
    rays = {i: r / np.linalg.norm(r) for i, r in enumerate(rng.normal(size=(30, 3)))}
    chosen = choose_farthest(rays, {i: float(rng.random()) for i in rays}, 12)
    assert len(chosen) == 12


def test_a_selection_survives_the_record() -> None:
    masks = [mask(0, refused="no background was found"), *(mask(i) for i in range(1, 6))]
    selection = select_frames(masks, {i: GOOD for i in range(1, 6)}, orbit(6), SelectConfig())
    record = json.loads(json.dumps(selection.record()))
    assert Selection.read(Artifact(Path(), record, ())) == selection
    assert selection.chosen == [1, 2, 3, 4, 5]
