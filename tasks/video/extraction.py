"""Candidate frames from a video or a folder of images, evenly in time, bounded in size."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median

import av
import cv2

from configs.stages import ExtractConfig, StageName
from tasks.core.errors import InputError
from tasks.core.phrasing import counted
from tasks.core.progress import report
from tasks.imaging.images import fov_by_exif, read_source_image, write_image
from tasks.imaging.resizing import bounded
from tasks.storage.inputs import bad_input, check_input, images_in
from tasks.video.completeness import missing_share
from tasks.video.container import check_size, no_frames
from tasks.video.convert import bounded_upright_size, deinterlaced, image_of, upright_size
from tasks.video.decode import DecodedFrame, Decoding
from tasks.video.frames import Candidate, Frames, evenly
from tasks.video.timeline import Timeline, evenly_in_time, read_timeline

MIN_CANDIDATES = 3
"""Fewer frames show no motion from which poses could be had."""

_COPY_AGAIN = "Copy it from the camera again, or export it again"
_SLACK_S = 1e-6
_WRITERS = 2
"""Frames converted and written while others are decoded; each holds as much as it measures."""
_SAME_FOV = 1.05
"""Ratio of two fields of view up to which they are of one lens; Exif rounds focal lengths."""
_SAME_SHAPE = 0.01
"""Relative difference of two aspect ratios up to which a frame is another one's rescaled."""

FrameFilter = Callable[[DecodedFrame], bool]


def extract_frames(source: Path, folder: Path, config: ExtractConfig) -> Frames:
    """Write the candidate frames of a video or a folder of images.

    Args:
        source: The video or the folder.
        folder: Where ``frames/NNNNNN.jpg`` (or ``.png``) are written.
        config: How many, how large, how much may be damaged.

    Returns:
        The written frames, in order, with warnings of what was left out.

    Raises:
        InputError: If the input cannot be used; the message says why.
    """
    check_input(source)
    (folder / "frames").mkdir()
    if source.is_dir():
        found, warnings, fov_deg = _from_images(source, folder, config)
    else:
        (found, warnings), fov_deg = _from_video(source, folder, config), None
    if len(found) < MIN_CANDIDATES:
        raise bad_input(
            "too-few-frames",
            f"{source.name} holds {counted(len(found), 'frame')}",
            f"At least {MIN_CANDIDATES} from different sides are needed, better some dozens",
        )
    return Frames(folder, tuple(found), tuple(warnings), fov_deg)


def _from_video(
    source: Path, folder: Path, config: ExtractConfig
) -> tuple[list[Candidate], list[str]]:
    timeline = read_timeline(source)
    check_size(source.name, *timeline.size, config)
    warnings = []
    missing = max(missing_share(source), timeline.missing)
    if missing > 1 - config.min_present:
        raise bad_input(
            "video-truncated",
            f"{source.name} is cut off: {missing:.0%} of it are missing",
            "Copy or export the video again",
        )
    if missing:
        warnings.append(f"the last {missing:.1%} of the video are missing")
    times_s = timeline.shown_times_s()
    due = [times_s[i] for i in evenly_in_time(times_s, config.max_candidates)]
    decoding = Decoding(source, timeline, config, threads=True)
    writer = _Writer(source.name, timeline, folder, config)
    found = writer.write(decoding, _at_times(due))
    if decoding.damaged():
        decoding = Decoding(source, timeline, config, threads=False)
        deque(decoding, maxlen=0)
        sound, count = decoding.sound()
        _check_sound(source, len(sound), count, config)
        chosen = {sound[i][0] for i in evenly_in_time([t for _, t in sound], config.max_candidates)}
        for candidate in found:
            (folder / candidate.file).unlink()
        found = writer.write(decoding, lambda decoded: decoded.number in chosen)
        lost = count - len(sound)
        left_out = f"damaged pictures of the video were left out: {lost} of {count}"
        warnings.append(f"{left_out} ({_COPY_AGAIN[0].lower()}{_COPY_AGAIN[1:]})")
    if not found:
        raise no_frames(source)
    if writer.misshapen:
        warnings.append(f"pictures of another shape were left out: {writer.misshapen}")
    return found, warnings


def _check_sound(source: Path, sound: int, count: int, config: ExtractConfig) -> None:
    """Refuse a damaged video of which too little is left."""
    if sound < max(MIN_CANDIDATES, config.min_sound * count):
        damaged = counted(count - sound, "is damaged", "are damaged")
        raise bad_input(
            "video-damaged",
            f"of the {count} pictures of {source.name}, {damaged}",
            _COPY_AGAIN,
        )


def _at_times(due: Sequence[float]) -> FrameFilter:
    """Wants the first frame at or after each of the rising times, in seconds."""
    rest = deque(due)

    def is_due(decoded: DecodedFrame) -> bool:
        taken = False
        while rest and rest[0] <= decoded.time_s + _SLACK_S:
            rest.popleft()
            taken = True
        return taken

    return is_due


class _Writer:
    """Writes a video's wanted frames, all of the first one's size.

    Args:
        name: Name of the video, for messages.
        timeline: Its timeline.
        folder: Where ``frames/NNNNNN.jpg`` are written.
        config: How many, how large.

    Attributes:
        misshapen: Frames left out, since their shape is another: the camera was turned, or the
            video joined from several.
    """

    def __init__(self, name: str, timeline: Timeline, folder: Path, config: ExtractConfig) -> None:
        self.misshapen = 0
        self._name, self._timeline, self._folder, self._config = name, timeline, folder, config

    def write(self, decoding: Decoding, is_due: FrameFilter) -> list[Candidate]:
        """Decode all frames, write the wanted beside it."""
        found: list[Candidate] = []
        waiting: deque[Future[Candidate]] = deque()
        self.misshapen = 0
        size: tuple[int, int] | None = None

        def take() -> None:
            found.append(waiting.popleft().result())
            report(StageName.EXTRACT, len(found), self._config.max_candidates)

        with ThreadPoolExecutor(_WRITERS) as pool:
            for before, decoded, after in _with_neighbours(decoding):
                if not is_due(decoded):
                    continue
                upright = upright_size(decoded.frame, self._timeline.aspect)
                if size is None:
                    check_size(self._name, *upright, self._config)
                    size = bounded_upright_size(
                        decoded.frame, self._timeline.aspect, self._config.max_side_px
                    )
                if abs(upright[0] / upright[1] * size[1] / size[0] - 1) > _SAME_SHAPE:
                    self.misshapen += 1
                    continue
                if len(waiting) == _WRITERS:
                    take()
                index = len(found) + len(waiting)
                waiting.append(pool.submit(self._written, index, before, decoded, after, size))
            while waiting:
                take()
        return found

    def _written(
        self,
        index: int,
        before: DecodedFrame | None,
        decoded: DecodedFrame,
        after: DecodedFrame | None,
        size: tuple[int, int],
    ) -> Candidate:
        try:
            frame = deinterlaced(
                before.frame if before else None, decoded.frame, after.frame if after else None
            )
            image = image_of(frame, self._timeline.aspect, size)
        except (av.FFmpegError, ValueError) as exc:
            raise bad_input(
                "video-unreadable",
                f"the pictures of {self._name} are of a kind ({decoded.frame.format.name})"
                " that cannot be converted",
                "Export the video again, as H.264 for example",
            ) from exc
        file = f"frames/{index:06d}.jpg"
        options = [cv2.IMWRITE_JPEG_QUALITY, self._config.jpeg_quality]
        write_image(self._folder / file, image, options)
        time_s = round(decoded.time_s, 6)
        return Candidate(index, file, time_s, size[0], size[1], str(decoded.number))


def _with_neighbours(
    decoding: Decoding,
) -> Iterator[tuple[DecodedFrame | None, DecodedFrame, DecodedFrame | None]]:
    """Each frame between the one before and the one after it."""
    before: DecodedFrame | None = None
    current: DecodedFrame | None = None
    for after in decoding:
        if current is not None:
            yield before, current, after
        before, current = current, after
    if current is not None:
        yield before, current, None


def _from_images(
    source: Path, folder: Path, config: ExtractConfig
) -> tuple[list[Candidate], list[str], float | None]:
    paths = images_in(source)
    paths = [paths[i] for i in evenly(len(paths), config.max_candidates)]
    found: list[Candidate] = []
    unreadable: list[InputError] = []
    fovs_deg: list[float | None] = []
    for position, path in enumerate(paths):
        try:
            original = read_source_image(path, partial(check_size, path.name, config=config))
        except InputError as exc:
            if exc.code != "image-unreadable":
                raise
            unreadable.append(exc)
            continue
        fovs_deg.append(fov_by_exif(path))
        image = bounded(original, config.max_side_px)
        has_alpha = image.shape[2] == 4
        png = has_alpha or path.suffix.lower() == ".png"
        name = f"frames/{len(found):06d}.{'png' if png else 'jpg'}"
        options = (
            [cv2.IMWRITE_PNG_COMPRESSION, 3]
            if png
            else [cv2.IMWRITE_JPEG_QUALITY, config.jpeg_quality]
        )
        write_image(folder / name, image, options)
        height, width = image.shape[:2]
        found.append(
            Candidate(len(found), name, float(position), width, height, path.name, has_alpha)
        )
        report(StageName.EXTRACT, position + 1, len(paths))
    if unreadable and len(found) < max(MIN_CANDIDATES, config.min_sound * len(paths)):
        raise unreadable[0]
    left_out = [f"{exc.what} and was left out" for exc in unreadable]
    return found, left_out, _fov_of_all(fovs_deg)


def _fov_of_all(fovs_deg: Sequence[float | None]) -> float | None:
    """The one field of view that all images tell; None where one tells none, or another."""
    known = [fov for fov in fovs_deg if fov is not None]
    alike = len(known) == len(fovs_deg) and max(known, default=0.0) <= _SAME_FOV * min(
        known, default=0
    )
    return median(known) if known and alike else None
