"""Which stream is the film, and at which times its pictures are shown."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.packet import Packet
from av.stream import Disposition

from tasks.core.errors import InputError
from tasks.video import timeline
from tasks.video.timeline import evenly_in_time, read_timeline, straightened
from tests.tasks.video.films import add_stream, encode, pictures, remux, repeating, write_film


def _shifted(seconds: float, path: Path, target: Path, **options: str) -> Path:
    """A copy whose clock is shifted."""

    def shift(_: int, packet: Packet) -> Packet:
        ticks = int(seconds / packet.time_base)
        assert packet.pts is not None
        assert packet.dts is not None
        packet.pts, packet.dts = packet.pts + ticks, packet.dts + ticks
        return packet

    return remux(path, target, shift, options)


def test_a_film_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_film(tmp_path / "v.mp4", pictures(16))
    path.write_bytes(repeating(path.read_bytes(), 3))
    assert len(read_timeline(path).times_s) == 3000
    monkeypatch.setattr(timeline, "_MOST_PACKETS", 2999)
    with pytest.raises(InputError, match=r"\[video-too-long\].*more pictures than 2,999"):
        read_timeline(path)


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_what_an_edit_list_hides_is_not_shown(tmp_path: Path, codec: str) -> None:
    whole = write_film(tmp_path / "v.mp4", pictures(30), codec)
    cut = _shifted(-1.5, whole, tmp_path / "cut.mp4", avoid_negative_ts="disabled")
    timeline = read_timeline(cut)
    times_s = timeline.shown_times_s()
    assert len(times_s) == 15
    np.testing.assert_allclose(times_s, np.arange(15) / 10, atol=1e-6)
    assert timeline.missing == 0


@pytest.mark.parametrize("suffix", ["mkv", "ts", "mp4"])
def test_a_clock_that_starts_late_starts_at_zero(tmp_path: Path, suffix: str) -> None:
    whole = write_film(tmp_path / "v.mp4", pictures(12))
    late = _shifted(20, whole, tmp_path / f"late.{suffix}", avoid_negative_ts="disabled")
    times_s = read_timeline(late).shown_times_s()
    np.testing.assert_allclose(times_s, np.arange(12) / 10, atol=1e-3)


@pytest.mark.parametrize(("suffix", "codec"), [("mkv", "libx264"), ("webm", "libvpx")])
def test_a_variable_rate(tmp_path: Path, suffix: str, codec: str) -> None:
    times_ms = [33 * n for n in range(10)] + [330 + 400 * n for n in range(10)]
    path = write_film(tmp_path / f"v.{suffix}", pictures(20), codec, times_ms=times_ms)
    times_s = read_timeline(path).shown_times_s()
    np.testing.assert_allclose(times_s, np.array(times_ms) / 1000, atol=1e-3)


def test_joined_recordings_share_one_clock(tmp_path: Path) -> None:
    one = write_film(tmp_path / "v.ts", pictures(12), options={"bf": "2"}).read_bytes()
    (tmp_path / "joined.ts").write_bytes(one + one)
    times_s = read_timeline(tmp_path / "joined.ts").shown_times_s()
    np.testing.assert_allclose(times_s, np.arange(24) / 10, atol=0.051)


def test_clocks_are_straightened() -> None:
    pts = [0.0, 0.2, 0.1, 5.0, 5.1, 0.0, 0.1]
    dts = [-0.1, 0.0, 0.1, 5.0, 5.1, 0.0, 0.1]
    found = straightened(pts, dts, step_s=0.1, joined=False)
    np.testing.assert_allclose(found, [0, 0.2, 0.1, 5, 5.1, 5.2, 5.3])
    ahead = straightened([0.0, 0.1, 95.0, 95.1], [0.0, 0.1, 95.0, 95.1], step_s=0.1, joined=True)
    np.testing.assert_allclose(ahead, [0, 0.1, 0.2, 0.3])
    slow = straightened([0.0, 0.1, 95.0], [0.0, 0.1, 95.0], step_s=0.1, joined=False)
    np.testing.assert_allclose(slow, [0, 0.1, 95], err_msg="a camera that waited")
    nothing = straightened([None] * 3, [None] * 3, step_s=0.04, joined=False)
    np.testing.assert_allclose(nothing, [0, 0.04, 0.08])


def test_a_preview_is_not_the_film(tmp_path: Path) -> None:
    path = tmp_path / "v.mov"
    with av.open(path, "w") as container:
        preview = add_stream(container, "mjpeg", (320, 240), pixels="yuvj420p")
        film = add_stream(container, "libx264", (160, 120))
        encode(container, preview, pictures(1, (320, 240)))
        encode(container, film, pictures(12))
    timeline = read_timeline(path)
    assert timeline.stream == 1
    assert len(timeline.times_s) == 12


def test_the_film_is_larger_than_its_proxy(tmp_path: Path) -> None:
    path = tmp_path / "v.mov"
    with av.open(path, "w") as container:
        proxy = add_stream(container, "libx264", (80, 60))
        film = add_stream(container, "libx264", (160, 120))
        encode(container, proxy, pictures(12, (80, 60)))
        encode(container, film, pictures(12))
    assert read_timeline(path).stream == 1


def test_a_cover_picture_is_no_film(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    with av.open(path, "w") as container:
        cover = add_stream(container, "mjpeg", (640, 480), pixels="yuvj420p")
        cover.disposition = Disposition.attached_pic
        film = add_stream(container, "libx264", (160, 120))
        encode(container, cover, pictures(1, (640, 480)))
        encode(container, film, pictures(12))
    with av.open(path) as container:
        assert len(container.streams.video) == 2
    assert len(read_timeline(path).times_s) == 12


def test_a_stream_without_pictures(tmp_path: Path) -> None:
    path = tmp_path / "v.mkv"
    with av.open(path, "w") as container:
        add_stream(container, "libx264", (160, 120))
        container.start_encoding()
    with pytest.raises(InputError, match=r"video-(no-picture|unreadable)"):
        read_timeline(path)


def test_the_aspect_of_pixels(tmp_path: Path) -> None:
    def anamorphic(stream: av.video.stream.VideoStream) -> None:
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)

    path = write_film(tmp_path / "v.mp4", pictures(3), prepare=anamorphic)
    assert read_timeline(path).aspect == Fraction(4, 3)


def test_even_times() -> None:
    times_s = np.arange(60) / 20
    chosen = evenly_in_time(list(times_s), 10)
    np.testing.assert_allclose(np.diff(times_s[chosen]), 0.3, atol=0.051)
    assert times_s[chosen[0]] == pytest.approx(0.15, abs=0.03)
    assert evenly_in_time([0.0, 0.1], 5) == [0, 1]
    assert evenly_in_time([0.0] * 9, 4) == sorted(set(evenly_in_time([0.0] * 9, 4)))
    assert len(evenly_in_time([0.0] * 9, 4)) == 4


def test_even_times_of_a_variable_rate_are_as_many_as_asked_for() -> None:
    times_s = [n / 100 for n in range(90)] + [1.0 + n for n in range(10)]
    chosen = evenly_in_time(times_s, 30)
    assert len(chosen) == 30
    assert set(range(90, 100)) <= set(chosen), "all of the slow part"
    fast = np.diff([times_s[i] for i in chosen if i < 90])
    assert fast.max() <= 2.1 * fast.min()
