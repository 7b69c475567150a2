"""The documents' pictures of the sample's mesh and report: ``make pictures``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.mesh.glb_reader import read_glb
from tasks.mesh.rendering import Studio

_ROOT = Path(__file__).parents[2]
_HEIGHT_PX = 280
_SIDES_DEG = (37.0, 143.0)
_ELEVATION_DEG = 17.0
_REPORT_SCALE = 0.52
_GAP_PX = 11
_QUALITY = 88

Image = NDArray[np.uint8]


def film_and_mesh(film: Path, glb: Path) -> Image:
    """A film's first frame, and its mesh from both sides, side by side, BGR."""
    _, frame = cv2.VideoCapture(str(film)).read()
    width = round(frame.shape[1] * _HEIGHT_PX / frame.shape[0])
    studio = Studio(read_glb(glb.read_bytes()))
    sides = [
        studio.render(azimuth, _ELEVATION_DEG, _HEIGHT_PX, _HEIGHT_PX)[..., ::-1]
        for azimuth in _SIDES_DEG
    ]
    small = cv2.resize(frame, (width, _HEIGHT_PX), interpolation=cv2.INTER_AREA)
    return np.hstack([small, *sides]).astype(np.uint8)


def side_by_side(shots: list[Image]) -> Image:
    """Screenshots of one height, made smaller, with gaps between."""
    small = [
        cv2.resize(s, None, fx=_REPORT_SCALE, fy=_REPORT_SCALE, interpolation=cv2.INTER_AREA)
        for s in shots
    ]
    gap = np.full((small[0].shape[0], _GAP_PX, 3), 255, np.uint8)
    return np.hstack([part for shot in small for part in (shot, gap)][:-1]).astype(np.uint8)


def _shots(page: Path) -> list[Image]:
    browser = os.environ.get("CHROMIUM") or shutil.which("chromium") or "chromium"
    with tempfile.TemporaryDirectory() as folder:
        script = Path(__file__).parent / "report_picture.mjs"
        subprocess.run(["node", str(script), browser, str(page), folder], check=True, timeout=600)
        return [
            np.asarray(cv2.imread(f"{folder}/{name}.png"), np.uint8)
            for name in ("light", "dark", "phone")
        ]


def main(film: Path, result: Path, docs: Path) -> None:
    """Write ``sample.jpg`` and ``report.jpg``.

    Args:
        film: The sample.
        result: What was made of it, without a suffix.
        docs: Where the pictures go.
    """
    quality = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
    pictures = {
        "sample": film_and_mesh(film, result.with_suffix(".glb")),
        "report": side_by_side(_shots(result.with_suffix(".html").absolute())),
    }
    for name, picture in pictures.items():
        cv2.imwrite(str(docs / f"{name}.jpg"), picture, quality)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), _ROOT / "docs")
