"""Why structure from motion found nothing is said as it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pycolmap
import pytest

from configs.stages import PoseConfig
from tasks.imaging.images import write_image
from tasks.poses.hypothesis import reconstructed
from tasks.poses.sfm import SfmError, SfmSession


@pytest.fixture
def session(tmp_path: Path) -> SfmSession:
    paths = {i: tmp_path / f"{i}.png" for i in range(3)}
    for i, path in paths.items():
        write_image(path, np.full((64, 64, 3), 40 * i, np.uint8))
    return SfmSession(paths, tmp_path / "features", PoseConfig())


def test_frames_without_anything_to_see_give_no_pair(session: SfmSession) -> None:
    with pytest.raises(SfmError, match="no pair of frames to start from"):
        session.reconstruct()


def test_what_the_library_says_is_kept(
    session: SfmSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise RuntimeError("database or disk is full")

    monkeypatch.setattr(pycolmap, "incremental_mapping", failing)
    hypothesis = reconstructed("sfm", session, {}, 3, PoseConfig())
    assert hypothesis.refused == "sfm: database or disk is full"
