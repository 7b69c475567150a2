"""Folders of pictures: of none, of damaged ones, of odd kinds, and masks that show no tyre."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import PIL.Image

from configs.stages import MaskConfig
from tasks.matting.removal import remove_backgrounds
from tasks.video.frames import Candidate, Frames
from tests.corpus.case import MADE, Case, extract
from tests.corpus.seeds import picture

BAD, NONE, FEW = "image-unreadable", "folder-no-images", "too-few-frames"


def _filled(files: dict[str, bytes], folder: Path) -> Path:
    for name, content in files.items():
        path = folder / "frames" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (folder / "frames").mkdir(exist_ok=True)
    return folder / "frames"


def _sound(count: int = 8, suffix: str = ".png") -> dict[str, bytes]:
    return {f"{number}{suffix}": picture(suffix, number) for number in range(count)}


def _bomb() -> bytes:
    """A PNG that claims 60,000 pixels a side."""
    content = bytearray(picture(".png"))
    content[16:24] = (60_000).to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(bytes(content[12:29])).to_bytes(4, "big")
    return bytes(content)


def _saved(suffix: str, mode: str, number: int, **options: object) -> bytes:
    """A picture as Pillow writes it in a mode."""
    from io import BytesIO

    out = BytesIO()
    grey = np.random.default_rng(number).integers(0, 256, (64, 96), np.uint8)
    PIL.Image.fromarray(grey).convert(mode).save(out, suffix, **options)
    return out.getvalue()


def _sixteen(number: int) -> bytes:
    image = np.random.default_rng(number).integers(0, 65536, (64, 96, 3), np.uint16)
    return cv2.imencode(".png", image)[1].tobytes()


def pictures() -> Iterator[Case]:
    """What lies in a folder."""
    png, jpg = picture(".png"), picture(".jpg")
    sound = _sound()
    listed: dict[str, tuple[dict[str, bytes], tuple[str, ...]]] = {
        "sound": (sound, (MADE,)),
        "empty": ({}, (NONE,)),
        "hidden files only": ({".1.png": png, ".2.png": png, ".3.png": png}, (NONE,)),
        "texts only": ({"a.txt": b"x", "b.md": b"y"}, (NONE,)),
        "pictures below only": ({"more/1.png": png}, (NONE,)),
        "a folder called as a picture": ({**sound, "9.png/x": b""}, (MADE,)),
        "two pictures": (_sound(2), (FEW,)),
        "three pictures": (_sound(3), (MADE,)),
        "PNGs cut in half": ({n: c[: len(c) // 2] for n, c in sound.items()}, (BAD,)),
        "PNGs of no bytes": (dict.fromkeys(sound, b""), (BAD,)),
        "PNGs of text": (dict.fromkeys(sound, b"no picture"), (BAD,)),
        "JPEGs cut in half": (
            {n: c[: len(c) // 2] for n, c in _sound(8, ".jpg").items()},
            (BAD,),
        ),
        "JPEGs called PNG": ({f"{n}.png": picture(".jpg", n) for n in range(8)}, (MADE, BAD)),
        "PNGs called JPEG": ({f"{n}.jpg": picture(".png", n) for n in range(8)}, (MADE, BAD)),
        "one damaged of eight": ({**sound, "3.png": png[:100]}, (MADE,)),
        "seven damaged of eight": (
            {**dict.fromkeys(sound, png[:100]), "3.png": png},
            (BAD, FEW, "video-damaged"),
        ),
        "a bomb": (dict.fromkeys(sound, _bomb()), ("frame-too-large", BAD)),
        "one bomb of eight": ({**sound, "3.png": _bomb()}, (MADE, "frame-too-large")),
        "tiny pictures": (
            dict.fromkeys(sound, cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes()),
            ("frame-too-small",),
        ),
        "mixed sizes": (
            {**_sound(6, ".jpg"), "7.jpg": _saved("JPEG", "RGB", 7)},
            (MADE,),
        ),
        "grey": ({f"{n}.png": _saved("PNG", "L", n) for n in range(4)}, (MADE,)),
        "one bit": ({f"{n}.png": _saved("PNG", "1", n) for n in range(4)}, (MADE,)),
        "palette": ({f"{n}.png": _saved("PNG", "P", n) for n in range(4)}, (MADE,)),
        "grey with alpha": ({f"{n}.png": _saved("PNG", "LA", n) for n in range(4)}, (MADE,)),
        "sixteen bits": ({f"{n}.png": _sixteen(n) for n in range(4)}, (MADE,)),
        "CMYK": ({f"{n}.jpg": _saved("JPEG", "CMYK", n) for n in range(4)}, (MADE,)),
        "progressive": (
            {f"{n}.jpg": _saved("JPEG", "RGB", n, progressive=True) for n in range(4)},
            (MADE,),
        ),
        "GIFs called PNG": ({f"{n}.png": _saved("GIF", "L", n) for n in range(4)}, (MADE, BAD)),
        "both kinds": (
            {**_sound(4), **{f"a{n}": c for n, c in _sound(4, ".jpg").items()}},
            (MADE,),
        ),
        "large numbers": ({f"{10**n}.PNG": picture(".png", n) for n in range(40)}, (MADE,)),
        "a name of control characters": ({**sound, "a\nb.png": png}, ("input-name",)),
        "long names": ({f"{'a' * 200}{n}.jpg": jpg for n in range(4)}, (MADE,)),
    }
    for name, (files, expected) in listed.items():

        def run(folder: Path, files: dict[str, bytes] = files) -> object:
            return extract(_filled(files, folder), folder)

        yield Case("folder", name, expected, run)

    def linked(folder: Path, *targets: str) -> object:
        frames = _filled(_sound(4), folder)
        for number, target in enumerate(targets):
            (frames / f"link{number}.png").symlink_to(target)
        return extract(frames, folder)

    yield Case("folder", "links to pictures", (MADE,), lambda f: linked(f, "0.png", "1.png"))
    yield Case("folder", "links to nothing", (MADE,), lambda f: linked(f, "gone.png", "link1.png"))
    yield Case("folder", "a link to a device", (MADE,), lambda f: linked(f, "/dev/zero"))


Paint = Callable[[int], np.ndarray]


def _disc(number: int, centre: tuple[int, int] = (80, 60), radius: int = 40) -> np.ndarray:
    alpha = np.zeros((120, 160), np.uint8)
    cv2.circle(alpha, (centre[0] + number % 3, centre[1]), radius, 255, -1)
    return alpha


def _frame_of(number: int) -> np.ndarray:
    alpha = np.zeros((120, 160), np.uint8)
    alpha[:3], alpha[-3:], alpha[:, :3], alpha[:, -3:] = 255, 255, 255, 255
    return alpha


def masks() -> Iterator[Case]:
    """Masks that come with the pictures: the network is not asked."""
    rng = np.random.default_rng(3)
    none = ("no-tyre",)
    shown: dict[str, tuple[Paint, tuple[str, ...]]] = {
        "a disc": (_disc, (MADE,)),
        "nothing": (lambda n: np.zeros((120, 160), np.uint8), none),
        "one pixel": (lambda n: _disc(n, radius=0), none),
        # neither says that there is no tyre: that they are no solid's is for the poses to say
        "noise": (lambda n: rng.integers(0, 255, (120, 160), np.uint8), (MADE,)),
        "everything but a corner": (lambda n: 255 - _disc(n, (0, 0), 3), none),
        "a frame": (_frame_of, (MADE,)),
        "a disc outside": (lambda n: _disc(n, (-60, 60)), none),
        "half transparent": (lambda n: _disc(n) // 3, none),
        "one of eight": (lambda n: _disc(n) if n == 3 else np.zeros((120, 160), np.uint8), none),
    }
    for name, (paint, expected) in shown.items():

        def run(folder: Path, paint: Paint = paint) -> object:
            (folder / "frames").mkdir()
            (folder / "masks").mkdir()
            found = []
            for number in range(8):
                file = f"frames/{number:06}.png"
                image = np.dstack([np.full((120, 160, 3), 90, np.uint8), paint(number)])
                cv2.imwrite(str(folder / file), image)
                found.append(Candidate(number, file, 0.1 * number, 160, 120, str(number), True))
            frames = Frames(folder, tuple(found), ())
            return remove_backgrounds(frames, folder / "masks", None, MaskConfig())

        yield Case("mask", name, expected, run)


def cases() -> Iterator[Case]:
    """All of them."""
    yield from pictures()
    yield from masks()
