"""What a batch is made of."""

from __future__ import annotations

from pathlib import Path

import pytest

from configs.settings import Settings
from tasks.batch.sources import find_sources
from tasks.core.errors import InputError
from tests.support.s3 import filesystem, s3_server, s3_settings


def _touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def _names(*inputs: Path | str) -> list[str]:
    return [s.name for s in find_sources([str(i) for i in inputs], Settings())]


def test_a_folder_stands_for_its_videos_and_folders_of_pictures(tmp_path: Path) -> None:
    _touch(tmp_path / "b.MOV", tmp_path / "a.mp4", tmp_path / "notes.txt", tmp_path / ".c.mp4")
    _touch(tmp_path / "frames" / "1.png", tmp_path / "empty" / "readme.md")
    assert _names(tmp_path) == ["a", "b", "frames"]


def test_a_folder_of_pictures_is_one_tyre(tmp_path: Path) -> None:
    _touch(tmp_path / "tyre" / "1.png", tmp_path / "tyre" / "2.png")
    assert _names(tmp_path / "tyre") == ["tyre"]


def test_files_are_taken_as_they_are_and_once(tmp_path: Path) -> None:
    _touch(tmp_path / "a.mp4")
    assert _names(tmp_path / "gone.mp4", tmp_path / "a.mp4", tmp_path) == ["gone", "a"]


def test_same_stems_get_different_names(tmp_path: Path) -> None:
    _touch(tmp_path / "1" / "Tyre.mp4", tmp_path / "2" / "tyre.mp4", tmp_path / "2" / "other.mp4")
    names = _names(tmp_path / "1", tmp_path / "2")
    assert len({n.lower() for n in names}) == 3
    assert "other" in names
    assert names == _names(tmp_path / "1", tmp_path / "2")


def test_nothing_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="batch-empty"):
        _names(tmp_path)
    with pytest.raises(InputError, match="batch-prefix"):
        _names("s3://bucket")


def test_what_holds_nothing_beside_others_is_not_left_out(tmp_path: Path) -> None:
    _touch(tmp_path / "a" / "a.mp4", tmp_path / "not yet" / "readme.md")
    assert _names(tmp_path / "a", tmp_path / "not yet") == ["a", "not yet"]


def test_a_prefix_in_a_bucket_stands_for_folders_of_pictures_too() -> None:
    with s3_server("tyres") as server:
        for key in (
            "a.mp4",
            "deep/er/b.mp4",
            "frames/1.png",
            "frames/2.png",
            "deep/er/c/1.png",
            "._a.mp4",
        ):  # as macOS leaves beside each file that it copies
            filesystem(server.endpoint).pipe(f"tyres/in/{key}", b"x")
        settings = s3_settings(server.endpoint)

        def uris(*inputs: str) -> list[str]:
            return [source.uri for source in find_sources(inputs, settings)]

        below = "s3://tyres/in"
        assert uris(below) == [f"{below}/{k}" for k in ("a.mp4", "deep/er/b.mp4", "frames")]
        assert uris(f"{below}/frames/") == [f"{below}/frames"]
        assert uris(f"{below}/frames", f"{below}/gone") == [f"{below}/frames", f"{below}/gone"]


def test_folders_with_points_in_their_names_are_told_apart(tmp_path: Path) -> None:
    for name in ("25x8.00-12", "25x8.00-14"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.png").touch()
    names = [s.name for s in find_sources([str(tmp_path)], Settings())]
    assert names == ["25x8.00-12", "25x8.00-14"]


def test_a_tyre_called_batch_does_not_take_the_place_of_the_manifest(tmp_path: Path) -> None:
    for name in ("batch.mp4", "Batch.mov", "other.mp4"):
        (tmp_path / name).touch()
    names = [s.name for s in find_sources([str(tmp_path)], Settings())]
    assert "other" in names
    assert not any(f"{name.lower()}.json" == "batch.json" for name in names)
    assert len(set(names)) == 3


def test_a_tyre_called_as_the_atlas_of_another_does_not_take_its_place(tmp_path: Path) -> None:
    for name in ("a.mp4", "a.Atlas.mp4"):
        (tmp_path / name).touch()
    names = {s.name for s in find_sources([str(tmp_path)], Settings())}
    assert "a" in names
    assert len(names) == 2
    assert not any(name.lower().endswith(".atlas") for name in names), "a.atlas.json is a's"
