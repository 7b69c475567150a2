"""Inputs: the same in a folder and in a bucket."""

from __future__ import annotations

from pathlib import Path

import pytest

from configs.locations import inside
from tasks.core.errors import InputError
from tasks.storage.inputs import check_input, input_mark, local_input
from tasks.storage.scratch import sweep
from tests.tasks.storage.conftest import Where


def test_a_video_is_brought_here_and_its_copy_removed(where: Where) -> None:
    where.storage.write({"tyre.mp4": b"moving pictures"})
    video = inside(where.location, "tyre.mp4")
    with local_input(video, where.settings) as path:
        assert path.name == "tyre.mp4"
        assert path.read_bytes() == b"moving pictures"
    assert not list(where.settings.scratch_dir.rglob("*.mp4"))
    mark = input_mark(video, where.settings)
    assert mark == input_mark(video, where.settings)
    where.storage.write({"tyre.mp4": b"other pictures."})
    assert mark != input_mark(video, where.settings)


def test_frames_are_brought_here(where: Where) -> None:
    for name in ("1.png", "2.JPG", "notes.txt", "sub/3.png"):
        where.storage.write({f"frames/{name}": b"x"})
    with local_input(inside(where.location, "frames"), where.settings) as folder:
        names = {p.name for p in folder.iterdir() if p.is_file()} - {"notes.txt"}
    assert names == {"1.png", "2.JPG"}


def test_a_folder_of_videos_is_one_for_batch(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"x")
    with pytest.raises(InputError, match=r"folder-no-images.*for a folder of videos: tyre3d batch"):
        check_input(tmp_path)


def test_what_cannot_be_an_input_is_refused(where: Where) -> None:
    where.storage.write({"empty.mp4": b"", "texts/a.txt": b"x"})
    with pytest.raises(InputError, match="video-empty"):
        input_mark(inside(where.location, "empty.mp4"), where.settings)
    with pytest.raises(InputError, match="folder-no-images"):
        input_mark(inside(where.location, "texts"), where.settings)
    for name in ("gone.mp4", "gone"):
        with pytest.raises(InputError, match="input-missing"):
            input_mark(inside(where.location, name), where.settings)
        with (
            pytest.raises(InputError, match="input-missing"),
            local_input(inside(where.location, name), where.settings),
        ):
            pass


def test_a_copy_that_is_in_use_is_not_swept_whatever_the_clock_says(where: Where) -> None:
    where.storage.write({"tyre.mp4": b"moving pictures"})
    with local_input(inside(where.location, "tyre.mp4"), where.settings) as path:
        sweep(where.settings.scratch_dir, now=1e12)
        assert path.read_bytes() == b"moving pictures"
