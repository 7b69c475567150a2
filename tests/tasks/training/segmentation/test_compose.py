"""Composed images: what is tyre is known to the pixel, and the same choices give the same image."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.matting.parts import BACKGROUND, RIM, RUBBER
from tasks.training.segmentation import compose as composing
from tasks.training.segmentation.compose import Library, compose, photographed
from tests.tasks.training.tiny import drawn_wheel

PLAIN = np.full((1, 64, 64, 3), 250, np.uint8)


@pytest.fixture
def library() -> Library:
    rgba, parts = drawn_wheel(96)
    return Library([rgba[None]], [parts[None]], [PLAIN])


@pytest.mark.parametrize("cropped", [True, False])
def test_the_same_choices_give_the_same_image(library: Library, cropped: bool) -> None:
    first, again, other = (
        compose(library, np.random.default_rng(seed), 96, 160, cropped=cropped)
        for seed in (3, 3, 4)
    )
    assert first[0].shape == (96, 160, 3)
    assert first[0].dtype == first[1].dtype == np.uint8
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert (first[0] != other[0]).any()


def test_parts_lie_where_the_tyre_is_seen(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without paint, things and camera, rubber is dark, the rim bright and the opening the room."""
    monkeypatch.setattr(composing, "photographed", lambda image, rng: image.round().astype("u1"))
    scene = composing._Scene
    for step in ("stand_things_behind", "stand_things_before"):
        monkeypatch.setattr(scene, step, lambda *_: None)
    monkeypatch.setattr(scene, "_shadow", lambda *_: None)
    monkeypatch.setattr(scene, "_painted", lambda _, image, parts: image)
    monkeypatch.setattr(
        scene, "_ground", lambda self: np.full((*self.size[::-1], 3), 120, np.float32)
    )
    for seed in range(5):
        rng = np.random.default_rng(seed)
        image, parts = compose(library, rng, 128, 128, cropped=True)
        level = image.mean(axis=2)
        inside = {part: level[parts == part] for part in (BACKGROUND, RUBBER, RIM)}
        assert np.median(inside[RUBBER]) < 60
        assert np.median(inside[RIM]) > 160
        shares = [len(v) / parts.size for v in inside.values()]
        assert shares[1] > 0.15
        assert shares[2] > 0.05
        # the middle of the wheel is open, and so background
        rows, columns = np.nonzero(parts)
        middle = (rows.min() + rows.max()) // 2, (columns.min() + columns.max()) // 2
        assert parts[middle] == BACKGROUND


def test_the_ground_may_have_the_colour_of_the_rim(library: Library) -> None:
    for seed in range(8):
        scene = composing._Scene(library, np.random.default_rng(seed), 96, 96, largest_other=0.8)
        tyre = image, _, parts = scene.tyre_at(np.array([48.0, 48.0]), 70.0)
        scene.paint_ground_like_rim(tyre)
        shown = np.median(image[(parts == RIM) & (tyre[1] == 255)], axis=0)
        ground = np.median(scene.image, axis=(0, 1))
        assert (np.abs(ground - shown) < 0.6 * shown + 40).all()


def test_what_covers_the_tyre_is_background(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(composing._Scene, "_sticker", lambda *_: None)
    covered = 0
    for seed in range(30):
        scene = composing._Scene(library, np.random.default_rng(seed), 96, 96, largest_other=0.8)
        centre = np.array([48.0, 48.0])
        scene.place_tyre(scene.tyre_at(centre, 70.0), 70.0)
        before, image = scene.parts.copy(), scene.image.copy()
        scene.stand_things_before(centre, 70.0)
        changed = before != scene.parts
        covered += bool(changed.any())
        assert (scene.parts[changed] == BACKGROUND).all()
        unchanged = (np.abs(image - scene.image).max(axis=2) < 1e-3) & (before != BACKGROUND)
        assert (scene.parts[unchanged] == before[unchanged]).all()
    assert covered > 5


def test_a_camera_keeps_size_and_type() -> None:
    image = np.full((40, 60, 3), 128.0, np.float32)
    for seed in range(20):
        out = photographed(image, np.random.default_rng(seed))
        assert out.shape == (40, 60, 3)
        assert out.dtype == np.uint8
