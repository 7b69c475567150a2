"""One reader of images: every stage says the same of an image that cannot be decoded."""

from __future__ import annotations

import ast
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray

from configs.stages import PoseConfig
from tasks.core.errors import InputError, StorageError
from tasks.fusion.evidence.plane_sweep import photo_consistency
from tasks.fusion.grid import make_grid
from tasks.fusion.surface.colour import colour_surface
from tasks.fusion.surface.marching import TriangleMesh
from tasks.fusion.views import load_views, place_tyre
from tasks.geometry.camera import Camera, look_at
from tasks.imaging.images import (
    fov_by_exif,
    read_alpha_channel,
    read_grey,
    read_image,
    read_mask,
    read_source_image,
    write_image,
)
from tasks.poses.estimate import estimate_poses
from tasks.poses.film import Film
from tasks.poses.motion import detect_changes
from tasks.poses.outline import outline_of_mask, read_outline
from tasks.poses.record import ObjectEstimate
from tasks.poses.sfm import SfmSession

ROOT = Path(__file__).parents[3]

DECODERS = {"cv2.imread", "cv2.imdecode", "cv2.VideoCapture", "Image.open", "PIL.Image.open"}
DECODING_MODULE = "tasks/imaging/images.py"


def _cut_off(path: Path) -> Path:
    """Cut a file off within the header of its image."""
    path.write_bytes(path.read_bytes()[:100])
    return path


def _disc(size: int = 64) -> NDArray[np.uint8]:
    y, x = np.mgrid[0:size, 0:size]
    return np.where(np.hypot(x - size / 2, y - size / 2) < size / 3, 255, 0).astype(np.uint8)


def _cameras(count: int) -> dict[int, Camera]:
    return {
        k: look_at(np.array([0.1 * k, 0.0, 1.5]), np.zeros(3), focal_px=60.0, width=64, height=64)
        for k in range(count)
    }


def _frames(folder: Path, count: int = 4) -> tuple[dict[int, Path], dict[int, Path]]:
    """Paths of frames and masks, the last of each cut off."""
    frames = {k: folder / f"{k:06d}.png" for k in range(count)}
    alphas = {k: folder / f"a{k:06d}.png" for k in range(count)}
    rng = np.random.default_rng(0)
    for k in range(count):
        write_image(frames[k], rng.integers(0, 255, (64, 64, 3), np.uint8))
        write_image(alphas[k], _disc())
    _cut_off(frames[count - 1])
    _cut_off(alphas[count - 1])
    return frames, alphas


def _load_views(frames: dict[int, Path], alphas: dict[int, Path], scratch: Path) -> object:
    z, y = np.array([0.0, 0.0, 1.0]), np.array([0.0, 1.0, 0.0])
    tyre = ObjectEstimate(np.zeros(3), z, y, radius=0.3, half_width=0.1)
    return load_views(_cameras(len(alphas)), alphas, place_tyre(tyre, 0.6), longest_px=64)


def _sweep_planes(frames: dict[int, Path], alphas: dict[int, Path], scratch: Path) -> object:
    grid = make_grid(0.3, 0.1, steps=8, angles=16)
    return photo_consistency(grid, _cameras(len(frames)), frames, 1)


def _colour(frames: dict[int, Path], alphas: dict[int, Path], scratch: Path) -> object:
    corners = np.array([[0.0, 0.1, 0.0], [-0.1, -0.1, 0.0], [0.1, -0.1, 0.0]])
    return colour_surface(
        TriangleMesh(corners, np.array([[0, 1, 2]])),
        _cameras(len(frames)),
        frames,
        {},
        [],
        best=2,
        longest_px=64,
        tolerance_m=0.01,
    )


def _outline(frames: dict[int, Path], alphas: dict[int, Path], scratch: Path) -> object:
    return read_outline(alphas[len(alphas) - 1])


def _watch(frames: dict[int, Path], alphas: dict[int, Path], scratch: Path) -> object:
    outline = outline_of_mask(_disc())
    assert outline is not None
    return detect_changes(frames, dict.fromkeys(frames, outline))


def _shrink(frames: dict[int, Path], alphas: dict[int, Path], scratch: Path) -> object:
    outline = outline_of_mask(_disc())
    assert outline is not None
    times = {k: float(k) for k in frames}
    outlines = dict.fromkeys(alphas, outline)
    film = Film(frames, alphas, times, outlines, PoseConfig(), scratch)
    return film._inner_masks(None, scratch / "inner")


def _features(frames: dict[int, Path], alphas: dict[int, Path], scratch: Path) -> object:
    return SfmSession(frames, scratch / "features", PoseConfig())


def _poses(frames: dict[int, Path], alphas: dict[int, Path], scratch: Path) -> object:
    times = {k: float(k) for k in frames}
    return estimate_poses(frames, alphas, times, PoseConfig(), scratch)


@pytest.mark.parametrize(
    "stage", [_load_views, _sweep_planes, _colour, _outline, _watch, _shrink, _features, _poses]
)
def test_an_image_that_is_cut_off_is_a_damaged_artifact_in_every_stage(
    tmp_path: Path, stage: Callable[[dict[int, Path], dict[int, Path], Path], object]
) -> None:
    frames, alphas = _frames(tmp_path)
    with pytest.raises(StorageError) as caught:
        stage(frames, alphas, tmp_path)
    assert caught.value.code == "artifact-damaged"
    assert "000003.png" in caught.value.what


@pytest.mark.parametrize("read", [read_image, read_grey, read_mask, read_alpha_channel])
@pytest.mark.parametrize("content", [b"", b"no image", None])
def test_what_is_no_image_is_damaged(
    tmp_path: Path, read: Callable[[Path], object], content: bytes | None
) -> None:
    path = tmp_path / "000001.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StorageError, match=r"artifact-damaged.*000001\.png"):
        read(path)


def test_a_disk_that_cannot_be_read_is_not_called_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(PermissionError):
        read_image(tmp_path / "a.png")


def test_images_survive_a_round_trip(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    bgra = rng.integers(0, 255, (20, 30, 4), np.uint8)
    write_image(tmp_path / "a.png", bgra)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), bgra[..., :3])
    np.testing.assert_array_equal(read_alpha_channel(tmp_path / "a.png"), bgra[..., 3])
    write_image(tmp_path / "m.png", bgra[..., 0])
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png"), bgra[..., 0])
    np.testing.assert_array_equal(read_grey(tmp_path / "m.png"), bgra[..., 0])


def test_a_jpeg_is_turned_as_its_orientation_says(tmp_path: Path) -> None:
    image = np.zeros((16, 32, 3), np.uint8)
    image[:, 16:] = 255
    content = cv2.imencode(".jpg", image)[1].tobytes()
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)  # orientation 6: turn right by 90 degrees
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 1) + entry + b"\0" * 4
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    (tmp_path / "a.jpg").write_bytes(content[:2] + segment + content[2:])
    turned = read_image(tmp_path / "a.jpg")
    assert turned.shape == (32, 16, 3)
    (tmp_path / "a.png").write_bytes((tmp_path / "a.jpg").read_bytes())  # whatever it is called
    for name in ("a.jpg", "a.png"):
        given = read_source_image(tmp_path / name, lambda *_: None)
        np.testing.assert_array_equal(given, turned)
    assert turned[:14].max() < 40
    assert turned[-14:].min() > 215


@pytest.mark.parametrize(
    ("told", "size", "fov_deg"),
    [
        (27, (400, 300), 65.31),  # the wide lens of a phone, upright or not
        (27, (300, 400), 65.31),
        (36, (360, 240), 53.13),  # as wide as it is long, on the frame that it is told for
        (0, (400, 300), None),  # Exif's word for unknown
        (70000, (400, 300), None),
        (None, (400, 300), None),
    ],
)
def test_the_field_of_view_that_a_photo_tells(
    tmp_path: Path, told: int | None, size: tuple[int, int], fov_deg: float | None
) -> None:
    photo = PIL.Image.new("RGB", size)
    exif = PIL.Image.Exif()
    if told is not None:
        exif.get_ifd(0x8769)[0xA405] = told
    photo.save(tmp_path / "a.jpg", exif=exif)
    found = fov_by_exif(tmp_path / "a.jpg")
    assert found == (None if fov_deg is None else pytest.approx(fov_deg, abs=0.01))


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_damaged_exif_data_tell_no_field_of_view(tmp_path: Path, suffix: str) -> None:
    photo = PIL.Image.new("RGB", (40, 30))
    exif = PIL.Image.Exif()
    exif.get_ifd(0x8769)[0xA405] = 27
    content = exif.tobytes()
    for end in range(6, len(content)):
        path = tmp_path / f"{end}{suffix}"
        photo.save(path, exif=content[:end] + b"\xff" * (len(content) - end))
        assert fov_by_exif(path) is None or 0 < (fov_by_exif(path) or 0) < 180


def _any_size(width: int, height: int) -> None:
    """Accept every size."""


SHORT_HEADER = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 5) + b"IHDR" + bytes(9)


@pytest.mark.parametrize("content", [b"", b"no image", SHORT_HEADER, None])
def test_an_image_of_the_user_that_cannot_be_decoded_is_an_unusable_input(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "a.png"
    if content is None:
        write_image(path, _disc())
        _cut_off(path)
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"image-unreadable.*a\.png"):
        read_source_image(path, _any_size)


def test_a_size_is_refused_before_anything_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write_image(path, np.zeros((20, 30), np.uint8))
    _cut_off(path)  # the header is left: only who decodes notices
    sizes = []

    def refuse(width: int, height: int) -> None:
        sizes.append((width, height))
        raise InputError("frame-too-small", stage="extract", what="a.png", advice="")

    with pytest.raises(InputError, match="frame-too-small"):
        read_source_image(path, refuse)
    assert sizes == [(30, 20)]


def test_images_of_the_user_become_eight_bits_of_colour(tmp_path: Path) -> None:
    grey = np.arange(0, 240, dtype=np.uint8).reshape(12, 20)
    write_image(tmp_path / "deep.png", grey.astype(np.uint16) * 257)
    np.testing.assert_array_equal(
        read_source_image(tmp_path / "deep.png", _any_size), np.dstack([grey] * 3)
    )
    opaque = np.dstack([grey, grey, grey, np.full_like(grey, 255)])
    write_image(tmp_path / "opaque.png", opaque)
    assert read_source_image(tmp_path / "opaque.png", _any_size).shape == (12, 20, 3)
    opaque[0, 0, 3] = 254
    write_image(tmp_path / "clear.png", opaque)
    np.testing.assert_array_equal(read_source_image(tmp_path / "clear.png", _any_size), opaque)


def test_image_files_are_decoded_in_one_module_and_videos_not_by_opencv() -> None:
    calls = {
        f"{path.relative_to(ROOT)}: {name}"
        for package in ("configs", "flows", "tasks")
        for path in sorted((ROOT / package).rglob("*.py"))
        if str(path.relative_to(ROOT)) != DECODING_MODULE
        for name in _attributes(ast.parse(path.read_text()))
        if name in DECODERS
    }
    assert calls == set()


def _attributes(tree: ast.AST) -> Iterator[str]:
    """Every dotted name in a module, and what it imports from others, as dotted names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield ast.unparse(node)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{name.name}" for name in node.names)
