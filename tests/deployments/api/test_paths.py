"""Paths and addresses that are let through: below roots, by no link elsewhere, names that fit."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deployments.api.errors import ApiError
from deployments.api.paths import (
    below,
    check_stem,
    folder_below,
    input_below,
    metadata_of_is_folder,
    output_below,
    result_below,
)

S3 = "s3://tyres/in"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root that is reached by a link, with links inside and out of it."""
    real, outside = tmp_path / "real", tmp_path / "outside"
    (real / "frames").mkdir(parents=True)
    outside.mkdir()
    (outside / "a.mp4").write_bytes(b"x")
    (real / "a.mp4").write_bytes(b"x")
    (real / "within.mp4").symlink_to(real / "a.mp4")
    (real / "out.mp4").symlink_to(outside / "a.mp4")
    (real / "away").symlink_to(outside)
    (real / "one").symlink_to(real / "other")
    (real / "other").symlink_to(real / "one")
    (tmp_path / "root").symlink_to(real)
    return tmp_path / "root"


def refused(code: str = "path-refused") -> pytest.RaisesExc[ApiError]:
    return pytest.raises(ApiError, check=lambda e: (e.status, e.code) == (422, code))


@pytest.mark.parametrize(
    ("name", "real"),
    [
        ("a.mp4", "a.mp4"),
        ("within.mp4", "a.mp4"),
        ("frames/../a.mp4", "a.mp4"),
        ("frames/new/b.mp4", "frames/new/b.mp4"),
        ("..glb", "..glb"),
    ],
)
def test_what_lies_below_a_root_is_told_without_links(root: Path, name: str, real: str) -> None:
    assert below(root / name, (S3, root), "x") == root.resolve() / real


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "frames/..",
        "../outside/a.mp4",
        "out.mp4",
        "away/a.mp4",
        "away/new.mp4",
        "one",
        "one/a.mp4",
        "a\nb.mp4",
        "a\u202eb.mp4",
        "b" * 256,
        "b/" * 2000,
    ],
)
def test_what_lies_elsewhere_or_cannot_be_looked_at_is_refused_alike(root: Path, name: str) -> None:
    """In one message, whether or not something is there."""
    with refused() as caught:
        below(root / name, (S3, root), "the input")
    assert caught.value.message == "the input must be an absolute path below a configured root"


def test_a_root_that_is_away_may_come_back(root: Path) -> None:
    """As of a share that is not mounted: nothing is wrong with the request."""
    root.resolve().rename(root.with_name("unmounted"))
    for look in (
        lambda: below(root / "a.mp4", (S3, root), "x"),
        lambda: input_below(root / "a.mp4", (root,), is_video=True),
        lambda: output_below(root / "a.glb", (root,), beside=["a.glb"]),
        lambda: folder_below(root / "new", (root,), "output_dir"),
        lambda: folder_below(root, (root,), "output_dir"),
    ):
        with pytest.raises(ApiError) as caught:
            look()
        assert (caught.value.status, caught.value.code) == (503, "storage-failed")
        assert caught.value.retry_after_s is not None


def test_a_name_beside_a_root_is_not_below_it(root: Path, tmp_path: Path) -> None:
    for path in (Path("a.mp4"), tmp_path / "rooted" / "a.mp4", Path(f"{root}2"), Path("/")):
        with refused():
            below(path, (root,), "x")
    assert below(f"{S3}/a.mp4", (root, S3), "x") == f"{S3}/a.mp4"
    for address in (S3, "s3://tyres/inside/a.mp4", "s3://other/in/a.mp4", f"{S3}/a\x1b.mp4"):
        with refused():
            below(address, (root, S3), "x")


def test_an_input_is_a_film_or_a_folder_that_is_there(root: Path) -> None:
    real = root.resolve()
    assert input_below(root / "a.mp4", (root,), is_video=True) == real / "a.mp4"
    assert input_below(root / "frames", (root,), is_video=False) == real / "frames"
    assert input_below(f"{S3}/a.MOV", (S3,), is_video=True) == f"{S3}/a.MOV"
    (real / "list.m3u8").write_text("#EXTM3U\n/etc/passwd")
    (real / "folder.mp4").mkdir()
    os.mkfifo(real / "pipe.mp4")
    for name, is_video in (
        ("list.m3u8", True),
        ("folder.mp4", True),
        ("pipe.mp4", True),  # a reader would wait for ever
        ("frames", True),
        ("a.mp4", False),
    ):
        with refused():
            input_below(root / name, (root,), is_video=is_video)
    with refused("input-missing"):
        input_below(root / "gone.mp4", (root,), is_video=True)
    with refused():
        input_below(f"{S3}/list.m3u8", (S3,), is_video=True)


def test_a_folder_of_results_may_be_the_root_itself(root: Path) -> None:
    real = root.resolve()
    assert folder_below(root, (root,), "f") == real
    assert folder_below(root / "frames", (root,), "f") == real / "frames"
    assert folder_below(root / "new" / "deeper", (root,), "f") == real / "new" / "deeper"
    assert folder_below(S3, (root, S3), "f") == S3
    for location in (root / "a.mp4", root.parent, root / "away", "s3://tyres", Path("frames")):
        with refused():
            folder_below(location, (root, S3), "f")


def test_a_result_is_a_file_that_is_there(root: Path) -> None:
    (root / "a.glb").write_bytes(b"glTF")
    assert result_below(root / "a.glb", (root,)) == root.resolve() / "a.glb"
    assert result_below(f"{S3}/a.glb", (S3,)) == f"{S3}/a.glb"
    for name in ("b.glb", "frames"):
        with refused("input-missing"):
            result_below(root / name, (root,))


@pytest.mark.parametrize(
    ("name", "longest", "taken"),
    [
        ("a.glb", "a.glb", True),
        ("a.GLB", "a.GLB", False),
        (".glb", ".glb", False),
        (".a.glb", ".a.glb", False),
        ("a.png", "a.png", False),
        ("a.glb", "x" * 255, True),
        ("a.glb", "x" * 256, False),
        ("a.glb", "ü" * 127 + "x", True),
        ("a.glb", "ü" * 128, False),
        ("folder.glb", "a.glb", False),
        ("taken.glb", "a.glb", False),
    ],
)
def test_a_glb_has_a_name_that_fits_with_all_beside_it(
    root: Path, name: str, longest: str, taken: bool
) -> None:
    (root / "folder.glb").mkdir()
    (root / "taken.json").mkdir()
    assert metadata_of_is_folder(root / "taken.glb")
    if taken:
        found = output_below(root / name, (root,), beside=["x.json", longest])
        assert found == root.resolve() / name
        return
    with refused():
        output_below(root / name, (root,), beside=["x.json", longest])


@pytest.mark.parametrize("end", ["medium", "preview", "plain", "atlas", "change", "placed", "new"])
def test_no_result_is_called_as_what_lies_beside_another(end: str) -> None:
    for stem in (f"a.{end}", f"A.{end.upper()}"):
        with pytest.raises(ApiError, match=rf"f: names that end in \.{end} are those of files"):
            check_stem(stem, "f")
    for stem in (end, f"a-{end}", f"a.{end}.b", f"a.{end}s"):
        check_stem(stem, "f")
