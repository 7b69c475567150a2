"""Frames and masks as later stages use them: seen by a pinhole camera."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from configs.stages import RectifyConfig, StageName
from tasks.core.progress import report
from tasks.imaging.images import read_image, read_mask, write_image
from tasks.matting.quality import Mask, Masks, masks_record
from tasks.poses.record import PoseEstimate
from tasks.video.frames import Candidate, Frames


@dataclass(frozen=True)
class RectifiedViews:
    """Rectified frames and masks, in one folder.

    Args:
        frames: All candidates, in order.
        masks: Their masks, in the same order.
        warnings: What a person should know before trusting the masks.
    """

    frames: Frames
    masks: Masks
    warnings: tuple[str, ...]

    def record(self) -> dict[str, Any]:
        """What the artifact's record says; :class:`Frames` and :class:`Masks` read it."""
        warnings = {"warnings": list(self.warnings)}
        return {**self.frames.record(), **masks_record(self.masks.masks), **warnings}


def rectify_views(
    frames: Frames, masks: Masks, poses: PoseEstimate, folder: Path, config: RectifyConfig
) -> RectifiedViews:
    """Write every candidate and its mask as the pinhole cameras of ``poses`` see them.

    Args:
        frames: The candidates, as they were filmed.
        masks: Their masks, in the same order.
        poses: Cameras of the registered candidates, and the fitted tyre.
        folder: Where ``frames/NNNNNN.*``, ``alpha/NNNNNN.png`` and, where masks have parts,
            ``parts/NNNNNN.png`` are written.
        config: Parameters of the stage.
    """
    written: list[Candidate] = []
    judged: list[Mask] = []
    camera = next(iter(poses.cameras.values()))  # those behind a lens differ by their poses only
    for frame, mask in zip(frames.candidates, masks.masks, strict=True):
        files = [f for f in (mask.file, mask.parts) if f]
        if poses.lens.is_pinhole:
            _copy(frames.path(frame.index), folder / frame.file)
            for file in files:
                _copy(masks.folder / file, folder / file)
        else:
            image = poses.lens.undistort_image(read_image(frames.path(frame.index)), camera)
            _write(folder / frame.file, image, config)
            for file in files:
                seen = read_mask(masks.folder / file)
                straight = poses.lens.undistort_image(seen, camera, labels=file == mask.parts)
                _write(folder / file, straight, config)
        written.append(frame)
        judged.append(mask)
        report(StageName.RECTIFY, len(written), len(frames.candidates))
    return RectifiedViews(Frames(folder, tuple(written)), Masks(folder, tuple(judged)), ())


def _write(target: Path, image: NDArray[np.uint8], config: RectifyConfig) -> None:
    target.parent.mkdir(exist_ok=True)
    options = {
        ".jpg": [cv2.IMWRITE_JPEG_QUALITY, config.jpeg_quality],
        ".png": [cv2.IMWRITE_PNG_COMPRESSION, 3],
    }
    write_image(target, image, options[target.suffix])


def _copy(source: Path, target: Path) -> None:
    """A copy of its own: a link would share its damage with the artifact that it comes from."""
    target.parent.mkdir(exist_ok=True)
    shutil.copyfile(source, target)
