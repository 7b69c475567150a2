"""Each fault changes a film as it says, and sound changes leave the tyre in every frame."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.evaluation.spoiled import DEFECTS, SOUND, Film, box_film, origins
from tests.conftest import disc_picture


def film(count: int = 18, mark: int = 0) -> Film:
    frames = []
    for number in range(count):
        picture, alpha = disc_picture(number)
        frames.append(np.dstack([np.roll(picture, mark, axis=2), alpha]))
    return frames


@pytest.mark.parametrize("name", [*DEFECTS, *SOUND])
def test_films_keep_size_and_type_and_are_not_changed_in_place(name: str) -> None:
    before, other = film(), film(mark=1)
    spoil = DEFECTS[name].spoil if name in DEFECTS else SOUND[name]
    spoiled = spoil(before, other)
    assert len(spoiled) == (4 if name == "short arc" else 18)
    assert all(f.shape == (120, 160, 4) and f.dtype == np.uint8 for f in spoiled)
    assert all((f[..., 3] > 0).any() for f in spoiled)
    for changed, original in zip(before, film(), strict=True):
        np.testing.assert_array_equal(changed, original)


def test_masks_grow_shrink_or_stay() -> None:
    def area(frames: Film) -> float:
        return float(np.mean([(f[..., 3] >= 128).mean() for f in frames]))

    sound = area(film())
    for name in ("stand", "hand", "other tyre"):
        assert area(DEFECTS[name].spoil(film(), film())) > 1.05 * sound
    assert area(DEFECTS["half masks"].spoil(film(), film())) < 0.75 * sound
    for name in ("dark", "blurred", "compressed", "mirrored"):
        assert area(DEFECTS[name].spoil(film(), film())) == pytest.approx(sound)


def test_a_box_is_filmed_from_all_sides() -> None:
    frames = box_film(8, (160, 120))
    assert len(frames) == 8
    areas = [int((f[..., 3] > 0).sum()) for f in frames]
    assert min(areas) > 1000
    assert not np.array_equal(frames[0], frames[2])


@pytest.mark.parametrize("name", [*DEFECTS, *SOUND])
def test_frames_are_seen_from_where_their_origin_was(name: str) -> None:
    """Where frames keep their order, sides and masks, the masks tell which one each was."""
    before, other = film(), film(mark=1)
    spoiled = DEFECTS[name].spoil(before, other) if name in DEFECTS else SOUND[name](before, other)
    found = origins(name, len(before))
    assert len(found) == len(spoiled)
    if name in ("short arc", "still", "mirrored", "two films", *SOUND):
        for frame, origin in zip(spoiled, found, strict=True):
            if origin is not None:
                np.testing.assert_array_equal(frame[..., 3], before[origin][..., 3])


def test_mirrored_and_foreign_frames_have_no_camera() -> None:
    assert origins("the other way round", 4) == [3, 2, 1, 0]
    assert origins("mirrored", 4) == origins("two films", 4) == [0, 1, None, None]
    assert origins("box", 2) == [None, None]
    assert origins("zoom", 2) == [0, 1]
