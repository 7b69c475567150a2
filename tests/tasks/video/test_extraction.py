"""Frames out of videos and folders; every kind of bad input told apart."""

from __future__ import annotations

import struct
import wave
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from configs.stages import ExtractConfig
from tasks.core.errors import InputError
from tasks.storage.inputs import check_input, input_digest, pictures_in
from tasks.video.extraction import evenly, extract_frames
from tests.conftest import disc_picture, write_video


def extract(source: Path, folder: Path, **config: int) -> list[dict[str, object]]:
    folder.mkdir()
    return [
        vars(c)
        for c in extract_frames(source, folder, ExtractConfig.model_validate(config)).candidates
    ]


def test_candidates_are_even_in_time(video: Path, tmp_path: Path) -> None:
    found = extract(video, tmp_path / "out", max_candidates=10)
    assert [f["index"] for f in found] == list(range(10))
    times = np.array([f["time_s"] for f in found])
    np.testing.assert_allclose(np.diff(times), 0.3, atol=0.051)
    assert 0.1 <= times[0] <= 0.2
    assert sorted(p.name for p in (tmp_path / "out/frames").iterdir()) == [
        f"{i:06d}.jpg" for i in range(10)
    ]


def test_the_right_pictures_are_taken(video: Path, tmp_path: Path) -> None:
    for entry in extract(video, tmp_path / "out", max_candidates=10):
        shown = cv2.imread(str(tmp_path / "out" / str(entry["file"])))
        right = disc_picture(int(str(entry["source"])))[0]
        others = [disc_picture(int(str(entry["source"])) + d)[0] for d in (-2, 2)]
        error = np.abs(shown.astype(int) - right).mean()
        assert error < min(np.abs(shown.astype(int) - o).mean() for o in others)


def test_short_videos_give_every_frame(tmp_path: Path) -> None:
    write_video(tmp_path / "v.mp4", 7)
    found = extract(tmp_path / "v.mp4", tmp_path / "out", max_candidates=48)
    assert [f["source"] for f in found] == [str(i) for i in range(7)]


@pytest.mark.parametrize(("suffix", "codec"), [("avi", "MJPG"), ("mkv", "VP80"), ("webm", "VP80")])
def test_other_containers(tmp_path: Path, suffix: str, codec: str) -> None:
    write_video(tmp_path / f"v.{suffix}", 30, codec=codec)
    assert len(extract(tmp_path / f"v.{suffix}", tmp_path / "out", max_candidates=6)) == 6


def test_large_frames_are_bounded(tmp_path: Path) -> None:
    write_video(tmp_path / "v.avi", 5, size=(640, 320), codec="MJPG")
    found = extract(tmp_path / "v.avi", tmp_path / "out", max_side_px=320)
    assert {(f["width"], f["height"]) for f in found} == {(320, 160)}


def test_rotation_metadata_is_honoured(video: Path, tmp_path: Path) -> None:
    content = bytearray(video.read_bytes())
    at = content.index(b"tkhd") + 4
    matrix = at + (40 if content[at] == 0 else 52)
    quarter = (0, 0x10000, 0, -0x10000, 0, 0, 0, 0, 0x40000000)
    content[matrix : matrix + 36] = struct.pack(">9i", *quarter)
    turned = tmp_path / "turned.mp4"
    turned.write_bytes(content)
    found = extract(turned, tmp_path / "out", max_candidates=4)
    assert {(f["width"], f["height"]) for f in found} == {(120, 160)}


def test_a_video_that_does_not_state_its_length(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tasks.video.extraction as module
    from tasks.video.decode import VideoInfo, open_video

    def silent(path: Path, config: ExtractConfig) -> tuple[object, VideoInfo]:
        capture, info = open_video(path, config)
        return capture, VideoInfo(info.width, info.height, 0, 0.0)

    monkeypatch.setattr(module, "open_video", silent)
    found = extract(video, tmp_path / "out", max_candidates=6)
    numbers = np.array([int(str(f["source"])) for f in found])
    assert len(numbers) == 6
    assert np.diff(numbers).max() <= 2 * np.diff(numbers).min()
    assert numbers[0] <= 8
    assert numbers[-1] >= 48


def test_folders_are_read_in_natural_order(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in (10, 2, 1):
        cv2.imwrite(str(folder / f"{number}.jpg"), disc_picture(number)[0])
    (folder / "notes.txt").write_text("x")
    (folder / ".hidden.png").write_bytes(b"x")
    assert [p.name for p in pictures_in(folder)] == ["1.jpg", "2.jpg", "10.jpg"]
    found = extract(folder, tmp_path / "out")
    assert [f["source"] for f in found] == ["1.jpg", "2.jpg", "10.jpg"]
    assert [f["time_s"] for f in found] == [0.0, 1.0, 2.0]


def test_mixed_folders_keep_the_alpha_that_says_something(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    picture, alpha = disc_picture(0)
    cv2.imwrite(str(folder / "a.png"), np.dstack([picture, alpha]))
    cv2.imwrite(str(folder / "b.png"), np.dstack([picture, np.full_like(alpha, 255)]))
    cv2.imwrite(str(folder / "c.jpg"), picture)
    cv2.imwrite(str(folder / "d.png"), (picture[..., 0].astype(np.uint16) * 257))
    found = extract(folder, tmp_path / "out")
    assert [f["has_alpha"] for f in found] == [True, False, False, False]
    kept = cv2.imread(str(tmp_path / "out/frames/000000.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(kept[..., 3], alpha)
    grey = cv2.imread(str(tmp_path / "out/frames/000003.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(grey[..., 1], picture[..., 0])


def _code(source: Path, tmp_path: Path, **config: int) -> str:
    with pytest.raises(InputError) as caught:
        extract(source, tmp_path / "out", **config)
    assert source.name in str(caught.value) or caught.value.code == "input-missing"
    return caught.value.code


def test_missing(tmp_path: Path) -> None:
    assert _code(tmp_path / "none.mp4", tmp_path) == "input-missing"


def test_empty_file(tmp_path: Path) -> None:
    (tmp_path / "v.mp4").touch()
    assert _code(tmp_path / "v.mp4", tmp_path) == "video-empty"


def test_text_renamed(tmp_path: Path) -> None:
    (tmp_path / "v.mp4").write_text("this is no video\n" * 200)
    with pytest.raises(InputError, match="is text") as caught:
        extract(tmp_path / "v.mp4", tmp_path / "out")
    assert caught.value.code == "video-unreadable"


def test_noise(tmp_path: Path) -> None:
    (tmp_path / "v.mp4").write_bytes(np.random.default_rng(1).bytes(5000))
    assert _code(tmp_path / "v.mp4", tmp_path) == "video-unreadable"


def test_index_cut_off(video: Path, tmp_path: Path) -> None:
    content = video.read_bytes()
    (tmp_path / "v.mp4").write_bytes(content[: len(content) // 2])
    assert _code(tmp_path / "v.mp4", tmp_path) == "video-truncated"


def test_pictures_cut_off(video: Path, tmp_path: Path) -> None:
    """The index comes first, as phones and streaming write it, and half the pictures are gone."""
    content = video.read_bytes()
    moov = content.index(b"moov") - 4
    mdat = content.index(b"mdat") - 4
    assert mdat < moov
    index = bytearray(content[moov:])
    at = index.index(b"stco") + 8
    (count,) = struct.unpack(">I", index[at : at + 4])
    for entry in range(count):
        place = at + 4 + 4 * entry
        (offset,) = struct.unpack(">I", index[place : place + 4])
        index[place : place + 4] = struct.pack(">I", offset + len(index))
    fast = content[:mdat] + bytes(index) + content[mdat:moov]
    (tmp_path / "fast.mp4").write_bytes(fast)
    assert len(extract(tmp_path / "fast.mp4", tmp_path / "whole")) == 48
    (tmp_path / "v.mp4").write_bytes(fast[: mdat + len(index) + (moov - mdat) // 2])
    assert _code(tmp_path / "v.mp4", tmp_path) == "video-truncated"


@pytest.mark.parametrize("name", ["v.wav", "v.mp4"])
def test_sound_only(tmp_path: Path, name: str) -> None:
    with wave.open(str(tmp_path / name), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(b"\0\1" * 8000)
    assert _code(tmp_path / name, tmp_path) == "video-no-picture"


def test_one_frame(tmp_path: Path) -> None:
    write_video(tmp_path / "v.mp4", 1)
    assert _code(tmp_path / "v.mp4", tmp_path) == "too-few-frames"


def test_tiny_frames(tmp_path: Path) -> None:
    write_video(tmp_path / "v.avi", 5, size=(16, 16), codec="MJPG")
    assert _code(tmp_path / "v.avi", tmp_path) == "frame-too-small"


def test_absurdly_large_frames_are_not_decoded(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    header = struct.pack(">IIBBBBB", 200_000, 100_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    png = (
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    )
    (folder / "huge.png").write_bytes(png + struct.pack(">I", 0) + b"IDAT")
    with pytest.raises(InputError, match=r"frame-too-large.*huge\.png"):
        extract(folder, tmp_path / "out")


def test_absurdly_large_videos_are_not_decoded(tmp_path: Path) -> None:
    write_video(tmp_path / "v.avi", 5, codec="MJPG")
    assert _code(tmp_path / "v.avi", tmp_path, max_source_px=100) == ("frame-too-large")


def test_folder_without_images(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.txt").write_text("x")
    assert _code(tmp_path / "in", tmp_path) == "folder-no-images"


def test_folder_with_a_broken_image(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.png").write_text("no picture")
    with pytest.raises(InputError, match=r"image-unreadable.*a\.png"):
        extract(folder, tmp_path / "out")


def test_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "v.mp4"
    path.write_bytes(b"x")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match="input-unreadable"):
        check_input(path)


def test_digest_is_of_the_content(video: Path, tmp_path: Path) -> None:
    copy = tmp_path / "other name.mp4"
    copy.write_bytes(video.read_bytes())
    assert input_digest(copy) == input_digest(video)
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"1")
    first = input_digest(folder)
    (folder / "notes.txt").write_text("x")
    assert input_digest(folder) == first
    (folder / "a.png").write_bytes(b"2")
    assert input_digest(folder) != first


def test_evenly() -> None:
    assert evenly(3, 5) == [0, 1, 2]
    assert evenly(10, 5) == [1, 3, 5, 7, 9]
    assert len(set(evenly(49, 48))) == 48


def test_the_digest_of_what_is_missing_is_an_error_of_the_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="input-missing"):
        input_digest(tmp_path / "gone.mp4")
