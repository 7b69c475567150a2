"""What is opened, what is refused, and in which words."""

from __future__ import annotations

import resource
import struct
import threading
from pathlib import Path

import av
import numpy as np
import pytest

from configs.stages import ExtractConfig
from tasks.core.errors import InputError
from tasks.video import container
from tasks.video.container import bounded_memory, films, opened, probe
from tests.tasks.video.films import add_stream, claiming, encode, pictures, write_film

FRAGMENTED = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}


def _refusal(path: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        probe(path, ExtractConfig())
    return caught.value


@pytest.mark.parametrize("name", ["list.m3u8", "list.mp4", "film.mov"])
@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:3,\n{address}\n#EXT-X-ENDLIST\n",
        "\ufeff#EXTM3U\n{address}\n",
        "ffconcat version 1.0\nfile '{address}'\n",
        "<?xml version='1.0'?><MPD><BaseURL>{address}</BaseURL></MPD>",
        "[playlist]\nFile1={address}\n",
    ],
)
def test_playlists_are_refused_and_read_no_other_file(tmp_path: Path, name: str, text: str) -> None:
    secret = write_film(tmp_path / "secret.ts", pictures(3))
    (tmp_path / name).write_text(text.format(address=f"file://{secret}"), encoding="utf-8")
    error = _refusal(tmp_path / name)
    assert error.code == "video-unreadable"
    assert "playlist" in error.what


@pytest.mark.parametrize("name", ["12:30 film.mp4", "http:x.mp4", "concat:a|b.mp4", "f%03d.mp4"])
def test_any_name_is_the_name_of_a_file(tmp_path: Path, name: str) -> None:
    film = write_film(tmp_path / "v.mp4", pictures(3))
    film.rename(tmp_path / name)
    probe(tmp_path / name, ExtractConfig())


def test_a_path_may_be_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_film(tmp_path / "v.mp4", pictures(3))
    monkeypatch.chdir(tmp_path)
    probe(Path("v.mp4"), ExtractConfig())


@pytest.mark.parametrize(("suffix", "codec"), [(".gif", "gif"), (".webp", "libwebp_anim")])
def test_animated_pictures_are_no_films(tmp_path: Path, suffix: str, codec: str) -> None:
    pixels = "rgb8" if codec == "gif" else "yuv420p"
    path = write_film(tmp_path / f"v{suffix}", pictures(5), codec, pixels=pixels)
    error = _refusal(path)
    assert error.code == "video-unreadable"
    assert "picture" in error.what


def test_sound_alone(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    with av.open(path, "w") as container:
        stream = container.add_stream("aac", rate=8000)
        samples = np.zeros((1, 8000), np.float32)
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert _refusal(path).code == "video-no-picture"


def test_an_mp4_without_its_index(tmp_path: Path) -> None:
    content = write_film(tmp_path / "v.mp4", pictures(5)).read_bytes()
    (tmp_path / "v.mp4").write_bytes(content[: content.index(b"moov") - 4])
    assert _refusal(tmp_path / "v.mp4").code == "video-truncated"


def test_an_unknown_codec(tmp_path: Path) -> None:
    content = write_film(tmp_path / "v.mp4", pictures(5)).read_bytes()
    (tmp_path / "v.mp4").write_bytes(content.replace(b"avc1", b"zzz9"))
    assert _refusal(tmp_path / "v.mp4").code == "video-no-picture"


def test_absurd_sizes_are_refused_before_anything_is_decoded(tmp_path: Path) -> None:
    content = bytearray(write_film(tmp_path / "v.avi", pictures(3), "rawvideo").read_bytes())
    at = content.index(b"strf") + 8
    content[at + 4 : at + 12] = struct.pack("<ii", 12_000, 9_000)
    (tmp_path / "v.avi").write_bytes(content)
    assert _refusal(tmp_path / "v.avi").code == "frame-too-large"


def test_an_index_takes_no_more_memory_than_it_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 240 MB here; of any size once there are many such fragments."""
    path = tmp_path / "v.mp4"
    whole = write_film(path, pictures(8), container_options=FRAGMENTED).read_bytes()
    path.write_bytes(claiming(whole, 10_000_000))
    probe(path, ExtractConfig())
    monkeypatch.setattr(container, "_INDEX_MAY_TAKE", 50_000_000)
    before = resource.getrlimit(resource.RLIMIT_AS)
    error = _refusal(path)
    assert error.code == "video-unreadable"
    assert "more pictures than memory has room for" in error.what
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_threads_that_open_at_once_leave_the_bound_as_it_was() -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)
    entered, leave = threading.Event(), threading.Event()

    def second() -> None:
        with bounded_memory(Path("b.mp4")):
            entered.set()
            leave.wait()

    thread = threading.Thread(target=second)
    with bounded_memory(Path("a.mp4")):
        thread.start()
        assert not entered.wait(0.1)
    assert entered.wait()
    leave.set()
    thread.join()
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_metadata_in_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    with av.open(path, "w") as container:
        stream = add_stream(container, "libx264", (160, 120))
        container.metadata["title"] = "Reifen XXXX"
        encode(container, stream, pictures(3))
    path.write_bytes(path.read_bytes().replace(b"XXXX", b"\xe4\xff\xfe\xf6"))
    with opened(path) as read:
        assert len(films(read)) == 1
        assert read.metadata["title"].startswith("Reifen")
