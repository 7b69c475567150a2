"""Candidate frames from a video or a folder of images, evenly in time, bounded in size."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import cv2

from configs.stages import ExtractConfig, StageName
from tasks.core.progress import report
from tasks.imaging.images import read_source_image, write_image
from tasks.imaging.resizing import bounded
from tasks.storage.inputs import bad_input, check_input, pictures_in
from tasks.video.decode import check_size, evenly_spaced_frames, open_video
from tasks.video.frames import Candidate, Frames, evenly

MIN_CANDIDATES = 3
"""Fewer frames show no motion from which poses could be had."""

_COMPLETE = 0.9
"""Share of the stated frames that must be there; containers miscount by a few."""


def extract_frames(source: Path, folder: Path, config: ExtractConfig) -> Frames:
    """Write the candidate frames of a video or a folder of images.

    Args:
        source: The video or the folder.
        folder: Where ``frames/NNNNNN.jpg`` (or ``.png``) are written.
        config: How many, how large.

    Returns:
        The written frames, in order.

    Raises:
        InputError: If the input cannot be used; the message says why.
    """
    check_input(source)
    (folder / "frames").mkdir()
    if source.is_dir():
        found = _from_images(source, folder, config)
    else:
        found = _from_video(source, folder, config)
    if len(found) < MIN_CANDIDATES:
        raise bad_input(
            "too-few-frames",
            f"{source.name} holds {len(found)} frame{'s' if len(found) != 1 else ''}",
            f"At least {MIN_CANDIDATES} from different sides are needed, better some dozens",
        )
    return Frames(folder, tuple(found))


def _from_video(source: Path, folder: Path, config: ExtractConfig) -> list[Candidate]:
    capture, info = open_video(source, config)
    quality = [cv2.IMWRITE_JPEG_QUALITY, config.jpeg_quality]
    count = config.max_candidates
    kept: list[tuple[int, float, Path, int, int]] = []
    try:
        for number, time_s, image in evenly_spaced_frames(capture, info, count):
            small = bounded(image, config.max_side_px)
            path = folder / "frames" / f"source{number:09d}.jpg"
            write_image(path, small, quality)
            kept.append((number, time_s, path, small.shape[1], small.shape[0]))
            if len(kept) >= 2 * count:
                for dropped in kept[1::2]:
                    dropped[2].unlink()
                kept = kept[::2]
            report(StageName.EXTRACT, len(kept), count)
        decoded = int(capture.get(cv2.CAP_PROP_POS_FRAMES))
    finally:
        capture.release()
    if not kept:
        raise bad_input(
            "video-no-picture",
            f"not one frame of {source.name} can be decoded",
            "Export the video again, as H.264 for example",
        )
    if info.frames and decoded < _COMPLETE * info.frames:
        raise bad_input(
            "video-truncated",
            f"{source.name} is cut off: {decoded} of {info.frames} frames can be decoded",
            "Copy or export the video again",
        )
    chosen = {kept[i][0] for i in evenly(len(kept), count)}
    found: list[Candidate] = []
    for number, time_s, path, width, height in kept:
        if number not in chosen:
            path.unlink()
            continue
        name = f"frames/{len(found):06d}.jpg"
        path.rename(folder / name)
        found.append(Candidate(len(found), name, round(time_s, 6), width, height, str(number)))
    return found


def _from_images(source: Path, folder: Path, config: ExtractConfig) -> list[Candidate]:
    paths = pictures_in(source)
    paths = [paths[i] for i in evenly(len(paths), config.max_candidates)]
    found: list[Candidate] = []
    for index, path in enumerate(paths):
        original = read_source_image(path, partial(check_size, path.name, config=config))
        image = bounded(original, config.max_side_px)
        has_alpha = image.shape[2] == 4
        png = path.suffix.lower() == ".png"
        name = f"frames/{index:06d}.{'png' if png else 'jpg'}"
        options = (
            [cv2.IMWRITE_PNG_COMPRESSION, 3]
            if png
            else [cv2.IMWRITE_JPEG_QUALITY, config.jpeg_quality]
        )
        write_image(folder / name, image, options)
        height, width = image.shape[:2]
        found.append(Candidate(index, name, float(index), width, height, path.name, has_alpha))
        report(StageName.EXTRACT, index + 1, len(paths))
    return found
