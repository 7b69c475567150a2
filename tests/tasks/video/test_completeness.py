"""Files that are shorter than they say."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tasks.video.completeness import missing_share


def _box(kind: bytes, length: int, stated: int | None = None) -> bytes:
    return struct.pack(">I4s", stated or length + 8, kind) + bytes(length)


def _share(tmp_path: Path, content: bytes) -> float:
    path = tmp_path / "v"
    path.write_bytes(content)
    return missing_share(path)


def test_boxes_of_mp4(tmp_path: Path) -> None:
    whole = _box(b"ftyp", 8) + _box(b"moov", 76) + _box(b"mdat", 892)
    assert len(whole) == 1000
    assert _share(tmp_path, whole) == 0
    assert _share(tmp_path, whole[:250]) == pytest.approx(0.75)
    assert _share(tmp_path, whole[:50]) == pytest.approx(0.5), "as far as the last box says"


def test_large_and_open_boxes_of_mp4(tmp_path: Path) -> None:
    head = _box(b"ftyp", 8)
    large = struct.pack(">I4sQ", 1, b"mdat", 984) + bytes(968)
    assert _share(tmp_path, head + large) == 0
    assert _share(tmp_path, (head + large)[:500]) == pytest.approx(0.5)
    until_the_end = struct.pack(">I4s", 0, b"mdat") + bytes(100)
    assert _share(tmp_path, head + until_the_end) == 0


def test_what_a_camera_appends_is_no_box(tmp_path: Path) -> None:
    whole = _box(b"ftyp", 8) + _box(b"moov", 76)
    assert _share(tmp_path, whole + _box(b"DJI!", 4, stated=1 << 30)) == 0
    assert _share(tmp_path, whole + _box(b"vndr", 4, stated=1 << 30)) == 0
    assert _share(tmp_path, whole + b"\xff" * 30) == 0


def test_riff(tmp_path: Path) -> None:
    def riff(kind: bytes, size: int) -> bytes:
        return b"RIFF" + struct.pack("<I", size) + kind + bytes(488)

    assert _share(tmp_path, riff(b"AVI ", 492)) == 0
    assert _share(tmp_path, riff(b"AVI ", 492) + riff(b"AVIX", 492)) == 0
    assert _share(tmp_path, riff(b"AVI ", 992)) == pytest.approx(0.5)
    assert _share(tmp_path, riff(b"AVI ", 492) + riff(b"AVIX", 1492)) == pytest.approx(0.5)
    assert _share(tmp_path, riff(b"AVI ", 0)) == 0, "a recorder that was not finished"
    assert _share(tmp_path, riff(b"AVI ", 0xFFFFFFFF)) == 0


def test_matroska(tmp_path: Path) -> None:
    header = b"\x1a\x45\xdf\xa3" + b"\x84" + bytes(4)
    segment = b"\x18\x53\x80\x67"

    def of_size(size: int) -> bytes:
        return header + segment + b"\x01" + size.to_bytes(7, "big")

    assert _share(tmp_path, of_size(979) + bytes(979)) == 0
    assert _share(tmp_path, of_size(979) + bytes(479)) == pytest.approx(0.5)
    unknown = header + segment + b"\x01" + b"\xff" * 7
    assert _share(tmp_path, unknown + bytes(100)) == 0
    assert _share(tmp_path, header + segment + b"\xff" + bytes(100)) == 0, "unknown, in one byte"
    assert _share(tmp_path, header[:6]) == 0


@pytest.mark.parametrize("content", [b"", b"\0", b"RIFF", b"G@\0\x10" * 50, b"\x1a\x45\xdf\xa3"])
def test_of_others_nothing_is_known(tmp_path: Path, content: bytes) -> None:
    assert _share(tmp_path, content) == 0
