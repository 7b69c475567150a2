"""Containers that are cut, garbled or renamed, films of nothing, files that are no film."""

from __future__ import annotations

import os
import socket
import struct
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np

from tests.corpus.case import MADE, Case, extract
from tests.corpus.seeds import CONTAINERS, film, picture
from tests.tasks.video.films import claiming, pictures, repeating, write_film
from tests.tasks.video.films import picture as pattern

Change = Callable[[bytes], bytes]
CUT, DAMAGED, UNREADABLE = "video-truncated", "video-damaged", "video-unreadable"
CLAIMING = "a fragment of a kilobyte that claims 200 million pictures"
REPEATING = "a film that shows its bytes as a million pictures"
NO_PICTURE, FEW = "video-no-picture", "too-few-frames"


def garbled(content: bytes, first: float = 0.3, last: float = 0.7) -> bytes:
    """Random bytes from one share of the content to another."""
    begin, end = int(len(content) * first), int(len(content) * last)
    noise = np.random.default_rng(5).integers(0, 256, end - begin, np.uint8).tobytes()
    return content[:begin] + noise + content[end:]


CHANGES: dict[str, tuple[Change, dict[str, tuple[str, ...]], tuple[str, ...]]] = {
    "is sound": (lambda c: c, {}, (MADE,)),
    "is empty": (lambda c: b"", {}, ("video-empty",)),
    "is one byte": (lambda c: c[:1], {}, (UNREADABLE,)),
    "is its first 32 bytes": (lambda c: c[:32], {"mp4": (CUT,), "mov": (CUT,)}, (UNREADABLE,)),
    "is cut in half": (
        lambda c: c[: len(c) // 2],
        {"ts": (MADE,)},  # a recording of a broadcast has no end that could be missing
        (CUT, FEW, NO_PICTURE),
    ),
    "lacks its last byte": (
        lambda c: c[:-1],
        {"mov": (CUT,)},
        (MADE,),
    ),
    "lacks its head": (
        lambda c: c[64:],
        {"ts": (MADE,)},
        (UNREADABLE, NO_PICTURE, FEW),
    ),
    "has zeros for its head": (
        lambda c: bytes(64) + c[64:],
        {"ts": (MADE,)},
        (UNREADABLE, NO_PICTURE, FEW),
    ),
    "is garbled within": (garbled, {}, (MADE, DAMAGED, FEW, CUT, UNREADABLE, NO_PICTURE)),
    "has zeros within": (
        lambda c: c[: len(c) // 3] + bytes(len(c) // 3) + c[2 * len(c) // 3 :],
        {},
        (MADE, DAMAGED, FEW, CUT, UNREADABLE, NO_PICTURE),
    ),
    "has zeros after it": (lambda c: c + bytes(4096), {}, (MADE,)),
    "comes twice": (lambda c: c + c, {}, (MADE,)),
}
"""By name: the change, what comes of it in some containers, and in all others."""


def _written(name: str, content: bytes, folder: Path) -> object:
    path = folder / name
    path.write_bytes(content)
    return extract(path, folder)


def containers() -> Iterator[Case]:
    """Every change of every container, and every container under another's name."""
    for suffix in CONTAINERS:
        for name, (change, special, expected) in CHANGES.items():

            def run(folder: Path, suffix: str = suffix, change: Change = change) -> object:
                return _written(f"film.{suffix}", change(film(suffix)), folder)

            told = special.get(suffix, expected)
            slow = name not in ("is sound", "is cut in half", "is garbled within", "lacks its head")
            yield Case("container", f"{suffix} {name}", told, run, slow)
        other = "avi" if suffix != "avi" else "mp4"

        def renamed(folder: Path, suffix: str = suffix, other: str = other) -> object:
            return _written(f"film.{other}", film(suffix), folder)

        yield Case("container", f"{suffix} is called {other}", (MADE,), renamed, slow=True)


def _claims(side: int) -> bytes:
    """A film whose header claims pictures of these sides."""
    content = film("avi")
    at = content.index(b"strf") + 8
    sides = struct.pack("<ii", side, side)
    header = content.index(b"avih") + 8 + 32
    content = content[:header] + sides + content[header + 8 :]
    return content[: at + 4] + sides + content[at + 12 :]


def _wav() -> bytes:
    head = b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16000, 2, 16)
    body = head + b"data" + struct.pack("<I", 1600) + bytes(1600)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _zip() -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("film.mp4", film("mp4"))
    return out.getvalue()


def others() -> Iterator[Case]:
    """Files that are no film, under the name of one."""
    noise = np.random.default_rng(9).integers(0, 256, 20_000, np.uint8).tobytes()
    files: dict[str, tuple[Callable[[], bytes], tuple[str, ...]]] = {
        "text": (lambda: b"A film of a tyre.\n" * 50, (UNREADABLE,)),
        "JSON": (lambda: b'{"video": "a.mp4"}', (UNREADABLE,)),
        "a web page": (lambda: b"<!DOCTYPE html><html>404</html>", (UNREADABLE,)),
        "a playlist of HLS": (
            lambda: b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
            (UNREADABLE,),
        ),
        "a playlist of FFmpeg": (
            lambda: b"ffconcat version 1.0\nfile '/etc/passwd'\n",
            (UNREADABLE,),
        ),
        "a manifest of DASH": (lambda: b"<?xml version='1.0'?><MPD></MPD>", (UNREADABLE,)),
        "a sound": (_wav, (NO_PICTURE,)),
        "a picture, PNG": (lambda: picture(".png"), (UNREADABLE, NO_PICTURE)),
        "a picture, JPEG": (lambda: picture(".jpg"), (UNREADABLE, NO_PICTURE)),
        "a GIF": (lambda: b"GIF89a\x01\0\x01\0\0\0\0;", (UNREADABLE,)),
        "a PDF": (lambda: b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + noise, (UNREADABLE,)),
        "an archive": (_zip, (UNREADABLE,)),
        "a program": (lambda: b"\x7fELF\x02\x01\x01" + bytes(9) + noise, (UNREADABLE,)),
        "noise": (lambda: noise, (UNREADABLE, NO_PICTURE)),
        "zeros": (lambda: bytes(100_000), (UNREADABLE, NO_PICTURE)),
        # what the pictures themselves say counts
        "a film whose header claims absurd sides": (lambda: _claims(60_000), (MADE,)),
        "a film whose header claims no sides": (lambda: _claims(0), (MADE,)),
        CLAIMING: (lambda: claiming(film("mp4"), 20_000_000, 10), (UNREADABLE,)),
        REPEATING: (lambda: repeating(film("mp4"), 1001), ("video-too-long",)),
    }
    for name, (content, expected) in files.items():

        def run(folder: Path, content: Callable[[], bytes] = content) -> object:
            return _written("film.mp4", content(), folder)

        yield Case("no film", name, expected, run, slow=name in (CLAIMING, REPEATING))


def _filmed(images: list[np.ndarray], folder: Path) -> object:
    return extract(write_film(folder / "film.mp4", images), folder)


def contents() -> Iterator[Case]:
    """Films of nothing, of little, of too small pictures."""
    rng = np.random.default_rng(1)

    def plain(value: int, size: tuple[int, int] = (96, 64)) -> list[np.ndarray]:
        return [np.full((size[1], size[0], 3), value, np.uint8)] * 12

    shown: dict[str, tuple[Callable[[], list[np.ndarray]], str]] = {
        "black": (lambda: plain(0), MADE),
        "white": (lambda: plain(255), MADE),
        "noise": (lambda: [rng.integers(0, 256, (64, 96, 3), np.uint8) for _ in range(12)], MADE),
        "one picture": (lambda: pictures(1), FEW),
        "two pictures": (lambda: pictures(2), FEW),
        "three pictures": (lambda: pictures(3), MADE),
        "the same picture": (lambda: [pattern(0)] * 12, MADE),
        "pictures of 16 pixels": (lambda: plain(90, (16, 16)), "frame-too-small"),
        "pictures of 2 lines": (lambda: plain(90, (640, 2)), "frame-too-small"),
        "a long strip": (lambda: plain(90, (2048, 32)), MADE),
        "400 pictures": (lambda: [p for p in pictures(20, (32, 32)) for _ in range(20)], MADE),
    }
    for name, (images, expected) in shown.items():

        def run(folder: Path, images: Callable[[], list[np.ndarray]] = images) -> object:
            return _filmed(images(), folder)

        yield Case("content", name, (expected,), run, slow=name == "400 pictures")


def _pipe(folder: Path) -> object:
    os.mkfifo(folder / "film.mp4")
    return extract(folder / "film.mp4", folder)


def _socket(folder: Path) -> object:
    place = socket.socket(socket.AF_UNIX)
    before = Path.cwd()
    os.chdir(folder)  # the name of a socket may have 108 bytes
    try:
        place.bind("film.mp4")
    finally:
        os.chdir(before)
    try:
        return extract(folder / "film.mp4", folder)
    finally:
        place.close()


def _link(target: str, folder: Path) -> object:
    (folder / "film.mp4").symlink_to(target)
    return extract(folder / "film.mp4", folder)


def _named(name: str, folder: Path) -> object:
    return _written(name, film("mp4"), folder)


def names() -> Iterator[Case]:
    """Names and kinds of files."""
    good = ("a b.mp4", "ü€漢.mp4", "-rf.mp4", "%s%d.mp4", "a'b\"c`d.mp4", "a;b|c&d.mp4", "$(x).mp4")
    good += (
        "film",
        "film.",
        "a:b.mp4",
        "a*b?.mp4",
        "film%03d.mp4",
        "\U0001f6de.mp4",
        "e\u0301.mp4",
    )
    for name in good:
        yield Case("name", f"{name} is taken", (MADE,), partial(_named, name), slow=len(name) > 8)
    for name in ("a\nb.mp4", "a\x1b[2Jb.mp4", "a\u202egpj.mp4", "a\udce4.mp4", "a\u2028b.mp4"):
        told = ascii(name).strip("'")
        yield Case("name", f"{told} is refused", ("input-name",), partial(_named, name))
    yield Case("file", "pipe", ("input-unreadable",), _pipe)
    yield Case("file", "socket", ("input-unreadable",), _socket)
    yield Case("file", "device", ("input-unreadable",), partial(_link, "/dev/zero"))
    yield Case("file", "link to nothing", ("input-missing",), partial(_link, "nothing"))
    loop = ("input-unreadable", "input-missing")
    yield Case("file", "link to itself", loop, partial(_link, "film.mp4"))
    missing = ("input-missing",)
    yield Case("file", "missing", missing, lambda folder: extract(folder / "film.mp4", folder))


def cases() -> Iterator[Case]:
    """All of them."""
    for group in (containers, others, contents, names):
        yield from group()
