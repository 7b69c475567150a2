"""The commands for what a run left: ``tyre3d info``, ``view`` and ``render``."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path, PurePosixPath
from typing import Any

from configs.locations import parent_and_name
from configs.settings import Settings
from flows.cli.output import info_lines
from flows.support.settings import load_settings
from tasks.core.errors import InputError


def info(options: argparse.Namespace) -> int:
    """Tell what is in a GLB: counts, size, where it comes from, the verdict."""
    from tasks.report.glb_info import info_of
    from tasks.report.result_files import find_result

    payload = info_of(find_result(options.result, load_settings()))
    if options.json:
        sys.stdout.write(json.dumps(payload, indent=2, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(info_lines(payload))
    return 0


def view(options: argparse.Namespace) -> int:
    """Open a report in the browser, or serve it to this machine until Ctrl-C."""
    from tasks.report.result_files import find_page

    settings = load_settings()
    name, page = find_page(options.result, settings)
    if options.serve:
        from flows.cli.page_server import serve_page

        return serve_page(name, page.content, options.port)
    return _open(page.path or _copied(name, page.content, settings))


def _copied(name: str, content: bytes, settings: Settings) -> Path:
    """A page of a bucket, where a browser finds it."""
    folder = settings.home / "reports"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(content)
    return path


def _open(path: Path) -> int:
    import webbrowser

    address = path.as_uri()
    if webbrowser.open(address):
        sys.stdout.write(f"{address}\n")
        return 0
    sys.stderr.write(
        f"tyre3d: no browser could be started here. Open {path} on a machine that has one, "
        "or serve it: tyre3d view --serve\n"
    )
    return 1


def render(options: argparse.Namespace) -> int:
    """Make an image (PNG, JPEG) or a turntable (MP4) of a GLB; no GPU, no window."""
    folder, name = parent_and_name(options.out)
    suffix = PurePosixPath(name).suffix.lower()
    if suffix not in (*STILL_SUFFIXES, FILM_SUFFIX):
        raise _bad(f"--out {name}: pictures end in .png or .jpg, turntables in .mp4")
    width, height = options.size
    from tasks.report.result_files import find_result, mesh_of
    from tasks.storage.results import Results

    settings = load_settings()
    results = Results(folder, settings)
    results.check(name)
    mesh = mesh_of(find_result(options.result, settings))
    from tasks.mesh.rendering import Studio

    studio = Studio(mesh, options.colours)
    with tempfile.TemporaryDirectory() as working:
        made = Path(working) / f"made{suffix}"
        if suffix == FILM_SUFFIX:
            _write_film(made, studio, options)
        else:
            import cv2

            from tasks.imaging.images import write_image

            image = studio.render(options.azimuth, options.elevation, width, height)
            write_image(made, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        # whole or not at all, as results are
        results.write({name: made.read_bytes()})
    sys.stdout.write(f"{options.out}\n")
    return 0


def _write_film(out: Path, studio: Any, options: argparse.Namespace) -> None:
    from tqdm import tqdm

    from tasks.synthetic.scenes.encoding import encode_video

    (width, height), count = options.size, round(FPS * options.seconds)
    frames = tqdm(
        studio.turntable(options.elevation, width, height, count),
        total=count,
        desc="pictures",
        file=sys.stderr,
        disable=None,  # shown on a terminal only
        leave=False,
        bar_format="{desc} {bar:30} {percentage:3.0f} % {elapsed}, {remaining} left",
    )
    kbit_s = BITS_PER_PIXEL * width * height * FPS / 1000.0
    encode_video(out, frames, fps=FPS, codec="h264", kbit_s=kbit_s)


STILL_SUFFIXES, FILM_SUFFIX = (".png", ".jpg", ".jpeg"), ".mp4"
FPS = 24.0
BITS_PER_PIXEL = 0.15
"""Enough for a turntable, whose image changes slowly."""


def _bad(what: str) -> InputError:
    return InputError("bad-option", stage="start", what=what, advice="See: tyre3d render --help")
