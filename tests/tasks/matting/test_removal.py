"""Masks: the largest body, its soft edge, and what it is worth."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from configs.settings import default_home
from configs.stages import ExtractConfig, MaskConfig
from tasks.core.errors import InputError, ModelError
from tasks.geometry.crop import Crop
from tasks.imaging.images import read_mask
from tasks.matting.matte import Matte
from tasks.matting.quality import Mask, Masks, clean_alpha, masks_record
from tasks.matting.removal import remove_backgrounds
from tasks.matting.sessions import open_session
from tasks.network.weights import background_weights
from tasks.storage.artifacts import Artifact
from tasks.video.extraction import extract_frames
from tests.conftest import disc_picture

SAMPLE = Path(__file__).parents[3] / "data" / "sample_tyre.mp4"


class Threshold:
    """A session that takes what is dark for the foreground."""

    def __init__(self, peak: float = 0.9) -> None:
        self.peak = peak
        self.matted = 0

    def matte(self, images: Sequence[NDArray[np.uint8]]) -> list[Matte]:
        self.matted += len(images)
        return [
            Matte(np.where(p.mean(axis=2) < 200, 255, 0).astype(np.uint8), self.peak)
            for p in images
        ]


class Distracted(Threshold):
    """One that takes a bright bucket for the tyre where it sees both, unless told where to look."""

    def matte(self, images: Sequence[NDArray[np.uint8]]) -> list[Matte]:
        return [Matte(self._taken(p, p[..., 0] > 200), 0.9) for p in images]

    def matte_in(self, image: NDArray[np.uint8], square: Crop) -> Matte:
        rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
        there = np.maximum(abs(columns - square.cx), abs(rows - square.cy)) < square.side / 2
        return Matte(self._taken(image, np.zeros_like(there)) * there.astype(np.uint8), 0.9)

    @staticmethod
    def _taken(image: NDArray[np.uint8], bucket: NDArray[np.bool_]) -> NDArray[np.uint8]:
        tyre = (image[..., 2] > 200) & (image[..., 0] < 100)
        return np.where(bucket if bucket.any() else tyre, 255, 0).astype(np.uint8)


@pytest.mark.parametrize("hidden", [False, True])
def test_where_the_tyre_was_missed_it_is_looked_for_again(tmp_path: Path, hidden: bool) -> None:
    """Whoever finds nothing there either keeps what was found first."""
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(20):
        picture = np.full((240, 320, 3), 120, np.uint8)
        bucket_in_view = number in (8, 9, 10)
        if not (hidden and bucket_in_view):
            cv2.circle(picture, (140 + number, 120), 50, (0, 0, 255), -1)
        if bucket_in_view:
            cv2.circle(picture, (280, 40), 20, (255, 0, 0), -1)
        cv2.imwrite(str(folder / f"{number:02d}.png"), picture)
    masks = _run(tmp_path, folder, Distracted())
    for mask in masks:
        assert mask.crop is not None
        at_bucket = hidden and mask.index in (8, 9, 10)
        where = (280.5, 40.5) if at_bucket else (140.5 + mask.index, 120.5)
        assert (mask.crop.cx, mask.crop.cy) == pytest.approx(where, abs=1.5)
        written = clean_alpha(read_mask(tmp_path / "masks" / mask.file))[1]["crop"]
        assert written == mask.crop


def _run(folder: Path, source: Path, session: Threshold) -> list[Mask]:
    first, second = folder / "extract", folder / "masks"
    first.mkdir()
    second.mkdir()
    frames = extract_frames(source, first, ExtractConfig())
    return remove_backgrounds(frames, second, session, MaskConfig())


def test_an_alpha_of_the_source_is_kept_and_not_matted(
    cut_out_folder: Path, tmp_path: Path
) -> None:
    session = Threshold()
    masks = _run(tmp_path, cut_out_folder, session)
    assert session.matted == 0
    assert all(m.from_source and m.usable and m.peak == 1.0 for m in masks)
    kept = read_mask(tmp_path / "masks" / masks[3].file)
    np.testing.assert_array_equal(kept, disc_picture(3)[1])


def test_videos_are_matted(video: Path, tmp_path: Path) -> None:
    session = Threshold()
    masks = _run(tmp_path, video, session)
    assert session.matted == len(masks) == 48
    assert all(m.usable for m in masks)


def test_mixed_folders(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    for number in range(4):
        image, alpha = disc_picture(number)
        shown = np.dstack([image, alpha]) if number % 2 else image
        cv2.imwrite(str(source / f"{number}.png"), shown)
    session = Threshold()
    assert [m.from_source for m in _run(tmp_path, source, session)] == [False, True, False, True]
    assert session.matted == 2


def test_no_tyre_in_view(video: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no-tyre.*nothing stands out"):
        _run(tmp_path, video, Threshold(peak=0.1))


def test_masks_survive_the_record(video: Path, tmp_path: Path) -> None:
    masks = _run(tmp_path, video, Threshold())
    record = json.loads(json.dumps(masks_record(masks)))
    read = Masks.read(Artifact(tmp_path, record, ()))
    assert list(read.masks) == masks
    assert read.paths()[3] == tmp_path / "alpha/000003.png"


@pytest.mark.slow
def test_our_masks_are_those_of_rembg(monkeypatch: pytest.MonkeyPatch) -> None:
    """Needs the weights; importing rembg compiles for a while on a fresh machine."""
    weights = background_weights("u2netp", default_home() / "models")
    assert weights is not None
    monkeypatch.setenv("U2NET_HOME", str(weights.parent))
    import rembg
    from PIL import Image

    theirs = rembg.new_session("u2netp")
    capture = cv2.VideoCapture(str(SAMPLE))
    images = [disc_picture(n, size=(1280, 720))[0] for n in range(2)]
    for number in range(0, 60, 20):
        capture.set(cv2.CAP_PROP_POS_FRAMES, number)
        images.append(capture.read()[1])
    for precision in ("fp32", "bf16"):
        ours = open_session("u2netp", weights, precision).matte(images)
        for image, mine in zip(images, ours, strict=True):
            reference = rembg.remove(
                Image.fromarray(image[..., ::-1]), session=theirs, only_mask=True
            )
            expected, found = np.asarray(reference) > 127, mine.alpha > 127
            assert (expected & found).sum() / (expected | found).sum() >= 0.99


def test_weights_that_are_none_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "u2netp.onnx"
    path.write_bytes(b"no model")
    for precision in ("fp32", "bf16"):
        with pytest.raises(ModelError, match="models fetch u2netp"):
            open_session("u2netp", path, precision)
