"""Cut-outs: parts of what is seen, openings left open, shards that appear complete."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tasks.matting.parts import BACKGROUND, RIM, RUBBER
from tasks.synthetic.scenes.raycast import RenderableCaster
from tasks.synthetic.tyres.spec import Part
from tasks.synthetic.tyres.tyre import build_tyre, sample_spec
from tasks.training.segmentation import cutouts
from tasks.training.segmentation.cutouts import FIRST_SEED, cut_out, parts_of, room, write_shard


def test_parts_follow_the_faces_and_the_alpha() -> None:
    tyre = build_tyre(sample_spec(1), detail=0.2)
    kinds = tyre.part.tolist()
    tread, spoke = kinds.index(Part.TREAD), kinds.index(Part.SPOKE)
    faces = np.array([[tread, spoke, -1, tread]], np.int32)
    alpha = np.array([[255, 255, 0, 100]], np.uint8)
    assert parts_of(tyre, faces, alpha).tolist() == [[RUBBER, RIM, BACKGROUND, BACKGROUND]]


def test_a_cut_out_is_the_whole_tyre() -> None:
    tyre = build_tyre(sample_spec(1), detail=0.2)
    caster = RenderableCaster(tyre, occlusion_rays=2)
    rgba, parts = cut_out(tyre, caster, np.random.default_rng(0), side=64)
    assert rgba.shape == (64, 64, 4)
    np.testing.assert_array_equal(parts != BACKGROUND, rgba[..., 3] > 127)
    rows, columns = np.nonzero(parts)
    assert max(np.ptp(rows), np.ptp(columns)) == pytest.approx(0.96 * 64, abs=3)
    assert (parts[0] == BACKGROUND).all()
    assert (parts[:, -1] == BACKGROUND).all()


def test_rooms_are_repeated_by_their_seed_and_not_alike() -> None:
    rooms = [room(np.random.default_rng(seed), side=160) for seed in (0, 0, 1, 2, 3, 4)]
    assert all(r.shape == (160, 160, 3) and r.dtype == np.uint8 for r in rooms)
    np.testing.assert_array_equal(rooms[0], rooms[1])
    assert len({r.tobytes() for r in rooms}) == 5


def test_a_shard_appears_complete_and_is_not_made_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cutouts, "room", lambda rng: np.zeros((8, 8, 3), np.uint8))
    folder = tmp_path / "cutouts-00000"
    (tmp_path / ".cutouts-00000.tmp").mkdir()  # what a kill left
    write_shard(folder, [FIRST_SEED], views=1, rooms=1)
    assert {p.name for p in folder.iterdir()} == {"rgba.npy", "parts.npy", "rooms.npy"}
    before = (folder / "rgba.npy").stat().st_mtime_ns
    monkeypatch.setattr(cutouts, "build_varied_tyre", lambda *_, **__: pytest.fail("made again"))
    write_shard(folder, [FIRST_SEED])
    assert (folder / "rgba.npy").stat().st_mtime_ns == before
    assert [p.name for p in tmp_path.iterdir()] == ["cutouts-00000"]
