"""Frames out of videos and folders; every kind of bad input told apart."""

from __future__ import annotations

import struct
import wave
import zlib
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest

from configs.stages import ExtractConfig
from tasks.core.errors import InputError
from tasks.storage.inputs import check_input, images_in, input_digest
from tasks.video.convert import image_of
from tasks.video.decode import Decoding
from tasks.video.extraction import extract_frames
from tasks.video.frames import Frames
from tasks.video.timeline import read_timeline
from tests.conftest import disc_picture, write_video
from tests.tasks.video.films import flip_bits, pictures, write_film


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


CONTAINERS = [
    ("v.mp4", "libx264", {}, {}),
    ("v.mp4", "libx265", {}, {}),
    ("v.mp4", "libsvtav1", {}, {}),
    ("v.mp4", "libx264", {}, {"movflags": "frag_keyframe+empty_moov+default_base_moof"}),
    ("v.mov", "prores_ks", {"pixels": "yuv422p10le"}, {}),
    ("v.mov", "prores_ks", {"pixels": "yuva444p10le"}, {}),
    ("v.webm", "libvpx-vp9", {}, {}),
    ("v.webm", "libvpx-vp9", {"pixels": "yuva420p"}, {}),
    ("v.mkv", "ffv1", {"pixels": "gbrp12le"}, {}),
    ("v.mkv", "ffv1", {"pixels": "gray"}, {}),
    ("v.avi", "mjpeg", {"pixels": "yuvj420p"}, {}),
    ("v.mts", "libx264", {"options": {"bf": "2"}}, {"suffix": "ts"}),
    ("v.wmv", "wmv2", {}, {}),
    ("v.flv", "flv", {}, {}),
]


@pytest.mark.parametrize(("name", "codec", "stream", "muxer"), CONTAINERS)
def test_containers_and_codecs(
    tmp_path: Path,
    name: str,
    codec: str,
    stream: dict[str, object],
    muxer: dict[str, str],
) -> None:
    smooth = [cv2.GaussianBlur(image, (0, 0), 3) for image in pictures(20)]
    kind = muxer.get("suffix")
    path = tmp_path / (f"v.{kind}" if kind else name)
    write_film(path, smooth, codec, container_options={} if kind else muxer, **stream)
    frames = extract_all(path.rename(tmp_path / name), tmp_path / "out")
    assert frames.warnings == ()
    assert [c.source for c in frames.candidates] == [str(n) for n in range(20)]
    np.testing.assert_allclose([c.time_s for c in frames.candidates], np.arange(20) / 10, atol=0.01)
    for number in (0, 7, 19):
        shown = cv2.imread(str(frames.path(number))).astype(int)
        grey = "gray" in str(stream)
        truth = smooth[number][..., ::-1].astype(int)
        difference = shown.mean(2) - truth.mean(2) if grey else shown - truth
        assert np.abs(difference).mean() < 12
        assert np.abs(shown - smooth[(number + 4) % 20][..., ::-1]).mean() > 15


def extract_all(path: Path, folder: Path, **config: float) -> Frames:
    folder.mkdir()
    return extract_frames(path, folder, ExtractConfig.model_validate(config))


def test_counts_that_are_wrong_refuse_nothing(tmp_path: Path) -> None:
    path = write_film(tmp_path / "v.avi", pictures(12), "mjpeg", pixels="yuvj420p")
    content = bytearray(path.read_bytes())
    at = content.index(b"avih") + 8
    content[at + 16 : at + 20] = struct.pack("<I", 1071)
    at = content.index(b"strh") + 8
    content[at + 32 : at + 36] = struct.pack("<I", 1071)
    path.write_bytes(content)
    frames = extract_all(path, tmp_path / "out")
    assert len(frames.candidates) == 12
    assert frames.warnings == ()


@pytest.mark.parametrize("suffix", ["mkv", "avi", "mp4"])
def test_a_file_that_is_cut_off_is_refused_or_told_of(tmp_path: Path, suffix: str) -> None:
    options = {"movflags": "faststart"} if suffix == "mp4" else {}
    codec = "mpeg4" if suffix == "avi" else "libx264"
    path = write_film(tmp_path / f"v.{suffix}", pictures(40), codec, container_options=options)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 6 // 10])
    assert _code(path, tmp_path) == "video-truncated"
    path.write_bytes(content[: len(content) * 95 // 100])
    frames = extract_all(path, tmp_path / "some")
    assert 30 <= len(frames.candidates) <= 40
    assert "the last 5.0% of the video are missing" in frames.warnings


def test_smeared_pictures_are_left_out_with_a_warning(tmp_path: Path) -> None:
    path = write_film(tmp_path / "v.mp4", pictures(60), key_every=20)
    bad = flip_bits(path, tmp_path / "bad.mp4", [25])
    frames = extract_all(bad, tmp_path / "out", max_candidates=30)
    taken = [int(c.source) for c in frames.candidates]
    assert len(taken) == 30, "taken among the sound ones"
    assert not set(range(26, 40)) & set(taken)
    (warning,) = frames.warnings
    assert warning.startswith("damaged pictures of the video were left out: ")
    assert warning.endswith(" of 60 (copy it from the camera again, or export it again)")
    names = sorted(p.name for p in (tmp_path / "out/frames").iterdir())
    assert names == [f"{n:06d}.jpg" for n in range(30)]


def test_a_video_of_which_little_is_sound_is_refused(tmp_path: Path) -> None:
    path = write_film(tmp_path / "v.mp4", pictures(60), key_every=60)
    bad = flip_bits(path, tmp_path / "bad.mp4", [5])
    assert _code(bad, tmp_path) == "video-damaged"


def test_a_change_of_resolution_is_scaled_and_one_of_shape_left_out(tmp_path: Path) -> None:
    parts = [
        write_film(tmp_path / f"{n}.ts", pictures(10, size)).read_bytes()
        for n, size in enumerate([(160, 120), (80, 60), (80, 120)])
    ]
    (tmp_path / "v.ts").write_bytes(b"".join(parts))
    frames = extract_all(tmp_path / "v.ts", tmp_path / "out")
    assert {(c.width, c.height) for c in frames.candidates} == {(160, 120)}
    assert 16 <= len(frames.candidates) <= 20
    assert "pictures of another shape were left out: 10" in frames.warnings


def test_threads_and_repetition_change_nothing(tmp_path: Path) -> None:
    path = write_film(tmp_path / "v.mp4", pictures(40), options={"bf": "2", "preset": "veryfast"})
    contents = []
    for name in ("one", "two"):
        frames = extract_all(path, tmp_path / name, max_candidates=10)
        contents.append([frames.path(c.index).read_bytes() for c in frames.candidates])
    assert contents[0] == contents[1]
    timeline = read_timeline(path)
    single = Decoding(path, timeline, ExtractConfig(), threads=False)
    chosen = {int(c.source) for c in frames.candidates}
    images = [image_of(p.frame, None, (160, 120)) for p in single if p.number in chosen]
    for image, candidate in zip(images, frames.candidates, strict=True):
        encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
        assert frames.path(candidate.index).read_bytes() == encoded


def test_folders_are_read_in_natural_order(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in (10, 2, 1):
        cv2.imwrite(str(folder / f"{number}.jpg"), disc_picture(number)[0])
    (folder / "notes.txt").write_text("x")
    (folder / ".hidden.png").write_bytes(b"x")
    assert [p.name for p in images_in(folder)] == ["1.jpg", "2.jpg", "10.jpg"]
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
    (folder / "e.jpg").write_bytes((folder / "a.png").read_bytes())  # whatever it is called
    found = extract(folder, tmp_path / "out")
    assert [f["has_alpha"] for f in found] == [True, False, False, False, True]
    for number in (0, 4):
        path = tmp_path / f"out/frames/{number:06d}.png"
        kept = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(kept[..., 3], alpha)
    grey = cv2.imread(str(tmp_path / "out/frames/000003.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(grey[..., 1], picture[..., 0])


def _code(source: Path, tmp_path: Path, *, name: str = "", **config: int) -> str:
    with pytest.raises(InputError) as caught:
        extract(source, tmp_path / "out", **config)
    assert (name or source.name) in str(caught.value) or caught.value.code == "input-missing"
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


def test_a_folder_of_broken_images(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.png").write_text("no picture")
    with pytest.raises(InputError, match=r"image-unreadable.*a\.png"):
        extract(folder, tmp_path / "out")


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_an_image_that_is_cut_off_is_left_out_with_a_warning(tmp_path: Path, suffix: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(5):
        cv2.imwrite(str(folder / f"{number}.{suffix}"), disc_picture(number)[0])
    content = (folder / f"3.{suffix}").read_bytes()
    (folder / f"3.{suffix}").write_bytes(content[: len(content) // 2])
    (tmp_path / "out").mkdir()
    frames = extract_frames(folder, tmp_path / "out", ExtractConfig())
    assert [c.source for c in frames.candidates] == [f"{n}.{suffix}" for n in (0, 1, 2, 4)]
    assert [c.index for c in frames.candidates] == [0, 1, 2, 3]
    assert frames.warnings == (f"3.{suffix} cannot be decoded and was left out",)
    assert frames.record()["warnings"] == list(frames.warnings)


def test_a_folder_of_which_most_is_broken_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(4):
        cv2.imwrite(str(folder / f"{number}.jpg"), disc_picture(number)[0])
    for number in (1, 2):
        content = (folder / f"{number}.jpg").read_bytes()
        (folder / f"{number}.jpg").write_bytes(content[: len(content) // 2])
    assert _code(folder, tmp_path, name="1.jpg") == "image-unreadable"


def test_digits_that_are_no_numbers_name_pictures_too(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for number, name in enumerate(("①", "②10", "②2", "٣", "x²")):
        content = cv2.imencode(".png", disc_picture(number)[0])[1].tobytes()
        (folder / f"{name}.png").write_bytes(content)
    names = [p.stem for p in images_in(folder)]
    assert sorted(names) == sorted(("①", "②10", "②2", "٣", "x²"))
    assert names.index("②2") < names.index("②10")
    assert len(extract(folder, tmp_path / "out")) == 5


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


def test_the_digest_of_what_is_missing_is_an_error_of_the_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="input-missing"):
        input_digest(tmp_path / "gone.mp4")


@pytest.mark.parametrize(
    ("told", "fov_deg"),
    [
        ([27, 27, 27], 65.31),
        ([26, 27, 27], 65.31),  # Exif tells whole millimetres
        ([27, 27, None], None),
        ([27, 27, 77], None),  # another lens, or a zoom
    ],
)
def test_photos_of_one_lens_tell_the_field_of_view(
    tmp_path: Path, told: list[int | None], fov_deg: float | None
) -> None:
    (tmp_path / "photos").mkdir()
    for number, length_mm in enumerate(told):
        exif = PIL.Image.Exif()
        if length_mm is not None:
            exif.get_ifd(0x8769)[0xA405] = length_mm
        photo = PIL.Image.new("RGB", (400, 300), (number, 0, 0))
        photo.save(tmp_path / "photos" / f"{number}.jpg", exif=exif)
    (tmp_path / "out").mkdir()
    frames = extract_frames(tmp_path / "photos", tmp_path / "out", ExtractConfig())
    assert frames.fov_deg == (None if fov_deg is None else pytest.approx(fov_deg, abs=0.01))
    assert frames.record()["fov_deg"] == frames.fov_deg
