"""How far a face has turned, where its pictures and its matches do not agree."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.geometry.angles import wrapped
from tasks.poses.face_turns import Turns
from tasks.poses.outline import outline_of_mask
from tasks.poses.spin_angles import angles_from_turns, turns_matched
from tasks.poses.spin_film import SpinFilm
from tasks.poses.spin_guess import Guess, flat_tyre
from tests.tasks.poses.test_solid import mask_of
from tests.tasks.poses.test_spin import (
    HALF_WIDTH,
    RADIUS,
    SIZES,
    cameras_of,
    matches_of,
    outlines_of,
    rings,
)

FloatArray = NDArray[np.float64]


@pytest.mark.parametrize("spokes", [6, 7])
def test_angles_that_pictures_support_by_spokes_and_matches_do_not_are_not_taken(
    spokes: int,
) -> None:
    """Pictures of a face that repeats turn as well by some spokes more in each frame."""
    angles = np.radians(8.0) * np.arange(24)
    off = angles - 2 * np.pi / spokes * np.arange(24)
    rng = np.random.default_rng(1)
    pairs = [(i, j) for i in range(24) for j in range(i + 1, 24)]

    def turns(told: dict[str, FloatArray], count: dict[str, int]) -> Turns:
        found = []
        for i, j in pairs:
            each = [told[k][j] - told[k][i] + rng.normal(0, 0.01, count[k]) for k in told]
            found.append((i, j, wrapped(np.concatenate(each))))
        return found

    told = {"right": angles, "off": off}
    shown = turns(told, {"right": 20, "off": 25})
    matched = turns(told, {"right": 20, "off": 16})
    camera = cameras_of(np.zeros(1), SIZES["landscape"], 0.0)[0]
    outline = outline_of_mask(mask_of(camera, rings()))
    assert outline is not None
    outlines, times = dict.fromkeys(range(24), outline), {k: float(k) for k in range(24)}
    film = SpinFilm.of(outlines, times, [], None, shaking=False)
    for sources in ([shown, matched], [shown]):  # by themselves pictures take the slower turn
        found = angles_from_turns(sources, film, None)
        assert found is not None
        assert np.degrees(np.abs(found - angles)).max() < 1.0


def test_matches_on_the_face_tell_by_how_much_it_turned() -> None:
    cameras = cameras_of(np.arange(8) * 15.0, SIZES["landscape"], 0.0)
    times = {i: float(i) for i in cameras}
    film = SpinFilm.of(outlines_of(cameras), times, matches_of(cameras), None, shaking=False)
    camera = cameras[0]
    axle, face = camera.rotation[:, 2], camera.rotation[:, 2] * HALF_WIDTH + camera.translation
    principal = np.array([camera.cx, camera.cy])
    guess = Guess(camera.fx, principal, flat_tyre(face / face[2], axle, RADIUS / face[2]))
    turns, kept = turns_matched(guess, film)
    for (i, j, turned), matches in zip(turns, kept, strict=True):
        assert len(turned) == len(matches.a)
        assert abs(np.median(wrapped(np.abs(turned) - np.radians(15.0 * (j - i))))) < 0.02
