"""How much of a file is missing, by what the file itself states of its size.

A count of frames may be an estimate (duration times rate) and a duration that of the sound; the
sizes of the outermost boxes are neither: where they end beyond the file, it was cut off.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_KNOWN_BOXES = {b"mdat", b"moov", b"moof"}
_RIFF_UNKNOWN = 0xFFFFFF00
"""Sizes from here on, and zero, stand for "not known": recorders write them before they finish."""
_EBML, _SEGMENT = 0x1A45DFA3, 0x18538067


def missing_share(path: Path) -> float:
    """Share of the bytes that a container says it has, and which are not there.

    Args:
        path: An MP4 or MOV, AVI, Matroska or WebM file; of others nothing is known.

    Returns:
        0 to 1; 0 where the file is whole or does not state its size.

    Source: ISO/IEC 14496-12, 4.2 (boxes); Microsoft's AVI RIFF reference with OpenDML 1.02;
    RFC 8794 (EBML) and RFC 9559 (Matroska), of which a size of all ones means that it is unknown.
    """
    there = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] == b"RIFF":
            ends = list(_riff_ends(file, there))
        elif head[:4] == _EBML.to_bytes(4, "big"):
            ends = list(_segment_ends(file))
        else:
            ends = list(_box_ends(file, there))
    stated = max([there, *ends])
    return (stated - there) / stated if stated else 0.0


def _box_ends(file: BinaryIO, there: int) -> Iterator[int]:
    """Ends of the boxes that hold frames and their index, in bytes from the start."""
    at = 0
    while at + 8 <= there:
        file.seek(at)
        size, kind = struct.unpack(">I4s", file.read(8))
        if size == 1:
            size = int.from_bytes(file.read(8), "big")
        if size < 8 or not kind.isalnum():
            return
        at += size
        if kind in _KNOWN_BOXES:
            yield at


def _riff_ends(file: BinaryIO, there: int) -> Iterator[int]:
    """Ends of the RIFF chunks; large files have several, one after the other."""
    at = 0
    while at + 8 <= there:
        file.seek(at)
        kind, size = struct.unpack("<4sI", file.read(8))
        if kind != b"RIFF" or not 0 < size < _RIFF_UNKNOWN:
            return
        at += 8 + size + size % 2
        yield at - size % 2


def _segment_ends(file: BinaryIO) -> Iterator[int]:
    """The end of the segment, which holds everything but the header before it."""
    file.seek(0, os.SEEK_SET)
    for expected in (_EBML, _SEGMENT):
        identity = int.from_bytes(file.read(4), "big")
        first = file.read(1)
        if identity != expected or not first or not first[0]:
            return
        length = 9 - first[0].bit_length()
        value = first[0] & (0xFF >> length)
        value = int.from_bytes(bytes([value]) + file.read(length - 1), "big")
        if value == (1 << 7 * length) - 1:
            return
        if expected == _SEGMENT:
            yield file.tell() + value
        file.seek(value, os.SEEK_CUR)
