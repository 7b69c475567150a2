"""Films at the bit rates of phones and messengers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.synthetic.scenes import encoding
from tasks.synthetic.scenes.encoding import CODECS, VideoCodec, encode_video


def frames(count: int = 60) -> Iterator[NDArray[np.uint8]]:
    """A textured picture that moves, with a sensor's noise: hard to compress."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 255, (30, 40, 3)).astype(np.uint8)
    picture = cv2.resize(coarse, (320, 240)).astype(np.float32)
    for index in range(count):
        noisy = np.roll(picture, 3 * index, axis=1) + rng.normal(0, 5, picture.shape)
        yield np.clip(noisy, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("codec", CODECS)
def test_the_bit_rate_is_reached_and_the_frames_are_there(
    tmp_path: Path, codec: VideoCodec
) -> None:
    sizes = {}
    for kbit_s in (150, 600):
        path = tmp_path / f"{kbit_s}.mp4"
        encode_video(path, frames(), fps=15, codec=codec, kbit_s=kbit_s)
        sizes[kbit_s] = path.stat().st_size * 8 / (60 / 15) / 1000
    assert sizes[150] == pytest.approx(150, rel=0.35)
    assert sizes[600] == pytest.approx(600, rel=0.35)
    with av.open(str(tmp_path / "600.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == codec
        assert (stream.width, stream.height, stream.average_rate) == (320, 240, 15)
        shown = [f.to_ndarray(format="rgb24") for f in container.decode(stream)]
    assert len(shown) == 60
    first = next(frames(1)).astype(np.float32)
    assert np.abs(shown[0] - first).mean() < 14, "the picture is the one that was written"


def test_the_same_frames_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        encode_video(tmp_path / f"{name}.mp4", frames(8), fps=15, codec="h264", kbit_s=300)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_no_frames_no_encoder_and_no_room_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="no frames"):
        encode_video(tmp_path / "x.mp4", [], fps=15, codec="h264", kbit_s=300)
    with pytest.raises(OSError, match="cannot write h264"):
        encode_video(tmp_path / "no" / "x.mp4", frames(2), fps=15, codec="h264", kbit_s=300)
    monkeypatch.setitem(encoding._ENCODERS, "hevc", "no-such-encoder")
    with pytest.raises(OSError, match="cannot write hevc"):
        encode_video(tmp_path / "x.mp4", frames(2), fps=15, codec="hevc", kbit_s=300)
