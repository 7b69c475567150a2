"""Damaged pictures are told from sound ones; the truth is the same film undamaged."""

from __future__ import annotations

import os
from pathlib import Path

import av
import numpy as np
import pytest
from av.packet import Packet

from configs.stages import ExtractConfig
from tasks.video.decode import Decoding, all_frames
from tasks.video.timeline import read_timeline
from tests.tasks.video.films import flip_bits, picture, pictures, remux, write_film

SMEARED = 5.0
"""Mean difference to the undamaged picture, in levels of 255, above which it is seen;
decoders do not notice all of what is less."""


def _decoding(path: Path, *, threads: bool = False) -> Decoding:
    return Decoding(path, read_timeline(path), ExtractConfig(), threads=threads)


def _shown(path: Path, *, threads: bool = False) -> dict[int, np.ndarray]:
    """Grey pictures by number of a tenth of a second."""
    return {
        round(p.time_s * 10): p.frame.to_ndarray(format="gray").astype(int)
        for p in _decoding(path, threads=threads)
    }


def _sound(path: Path) -> tuple[set[int], int]:
    """Sound pictures by number of a tenth of a second; how many there are."""
    decoding = _decoding(path)
    for _ in decoding:
        pass
    sound, count = decoding.sound()
    return {round(10 * time_s) for _, time_s in sound}, count


FILMS = [
    ("libx264", "mp4", {}),
    ("libx264", "ts", {"bf": "2", "preset": "veryfast"}),
    ("libx264", "mkv", {"bf": "2", "preset": "veryfast", "x264-params": "open-gop=1"}),
    ("libx265", "mp4", {}),
    ("libvpx-vp9", "webm", {}),
    ("libsvtav1", "mp4", {}),
    ("mpeg4", "avi", {}),
    ("mjpeg", "avi", {}),
    ("prores_ks", "mov", {}),
]
PIXELS = {"mjpeg": "yuvj420p", "prores_ks": "yuv422p10le"}


@pytest.mark.parametrize(("codec", "suffix", "options"), FILMS)
def test_a_sound_film_has_no_damage_with_any_number_of_threads(
    tmp_path: Path, codec: str, suffix: str, options: dict[str, str]
) -> None:
    path = write_film(
        tmp_path / f"v.{suffix}", pictures(24), codec,
        options=options, pixels=PIXELS.get(codec, "yuv420p"),
    )  # fmt: skip
    several, one = (_decoding(path, threads=threads) for threads in (True, False))
    images = [[p.frame.to_ndarray() for p in decoding] for decoding in (several, one)]
    np.testing.assert_array_equal(images[0], images[1])
    assert several.damaged() == one.damaged() == set()
    assert _sound(path) == (set(range(24)), 24)


@pytest.mark.parametrize(
    ("codec", "suffix", "options"),
    [
        ("libx264", "mp4", {}),
        ("libx264", "ts", {"bf": "2", "preset": "veryfast"}),
        ("libx264", "mkv", {"bf": "2", "preset": "veryfast", "x264-params": "open-gop=1"}),
        ("mpeg4", "avi", {}),
        ("prores_ks", "mov", {}),
    ],
)
def test_no_smeared_picture_counts_as_sound(
    tmp_path: Path, codec: str, suffix: str, options: dict[str, str]
) -> None:
    path = write_film(
        tmp_path / f"v.{suffix}", pictures(30), codec,
        options=options, pixels=PIXELS.get(codec, "yuv420p"),
    )  # fmt: skip
    bad = flip_bits(path, tmp_path / f"bad.{suffix}", [12, 13, 14])
    whole, damaged = _shown(path), _shown(bad)
    smeared = {
        n for n in whole if n not in damaged or np.abs(whole[n] - damaged[n]).mean() > SMEARED
    }
    sound, count = _sound(bad)
    assert smeared, "nothing was damaged"
    assert count == 30
    assert not smeared & sound
    assert len(sound) >= 15, "damage ends at the next key picture"
    threaded = _decoding(bad, threads=True)
    for _ in threaded:
        pass
    assert threaded.damaged(), "noticed with several threads, too"


@pytest.mark.parametrize(
    ("codec", "options"),
    [("libx264", {}), ("libx265", {"x265-params": "log-level=none:pools=1:bframes=0"})],
)
def test_a_lost_picture_damages_what_builds_upon_it(
    tmp_path: Path, codec: str, options: dict[str, str]
) -> None:
    path = write_film(tmp_path / "v.mp4", pictures(30), codec, options=options)

    def emptied(number: int, packet: Packet) -> Packet:
        if number != 13:
            return packet
        zeros = Packet(bytes(packet.size))
        zeros.pts, zeros.dts, zeros.time_base = packet.pts, packet.dts, packet.time_base
        return zeros

    bad = remux(path, tmp_path / "bad.mp4", emptied)
    sound, count = _sound(bad)
    assert count == 30
    assert set(range(10)) <= sound
    assert set(range(20, 30)) <= sound
    assert not sound & set(range(13, 19))


def test_half_a_picture_of_motion_jpeg_is_left_out(tmp_path: Path) -> None:
    path = write_film(tmp_path / "v.avi", pictures(8), "mjpeg", pixels="yuvj420p")

    def halved(number: int, packet: Packet) -> Packet:
        if number != 4:
            return packet
        half = Packet(bytes(packet)[: packet.size // 2])
        half.pts, half.dts, half.time_base = packet.pts, packet.dts, packet.time_base
        return half

    assert _sound(remux(path, tmp_path / "bad.avi", halved)) == ({0, 1, 2, 3, 5, 6, 7}, 8)


def test_a_recording_entered_in_its_middle_begins_with_its_first_key_picture(
    tmp_path: Path,
) -> None:
    path = write_film(tmp_path / "v.mp4", pictures(30), "mpeg4")

    def late(number: int, packet: Packet) -> Packet | None:
        return packet if number >= 5 else None

    entered = remux(path, tmp_path / "late.mkv", late)
    sound, count = _sound(entered)
    assert count == 25
    assert sound == set(range(5, 25)), "which were numbers 10 to 29"


def test_pictures_larger_than_stated_are_not_decoded(tmp_path: Path) -> None:
    small = write_film(tmp_path / "small.ts", pictures(10)).read_bytes()
    large = write_film(tmp_path / "large.ts", pictures(10, (400, 300))).read_bytes()
    path = tmp_path / "v.ts"
    path.write_bytes(small + large)
    config = ExtractConfig(max_source_px=150 * 120)
    decoding = Decoding(path, read_timeline(path), config, threads=False)
    assert {(p.frame.width, p.frame.height) for p in decoding} == {(160, 120)}
    assert decoding.damaged()


def test_a_video_of_our_own_comes_back(tmp_path: Path) -> None:
    path = write_film(tmp_path / "v.mp4", pictures(5), options={"crf": "5"})
    frames = list(all_frames(path))
    assert len(frames) == 5
    for number, frame in enumerate(frames):
        assert np.abs(frame[..., ::-1].astype(int) - picture(number)).mean() < 12


def test_the_library_notices_what_is_relied_upon() -> None:
    assert {"av1", "h264", "hevc", "vp9"} <= set(av.codec.codecs_available)


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="Linux only")
def test_filming_leaves_the_process_scheduled_as_it_was(tmp_path: Path) -> None:
    before = os.sched_getscheduler(0)
    write_film(tmp_path / "v.mp4", pictures(3), "libsvtav1")
    assert os.sched_getscheduler(0) == before
