"""What the methods of the pose stage see of a film; what costs time is found once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from configs.stages import PoseConfig
from tasks.core.parallel import in_threads
from tasks.geometry.camera import Camera
from tasks.geometry.lens import Lens
from tasks.imaging.images import read_mask, write_image
from tasks.imaging.masks import MaskArray, foreground
from tasks.poses.features.detector import LearnedDetector, Sift
from tasks.poses.motion import Changes, detect_changes
from tasks.poses.outline import Outline, read_outline
from tasks.poses.sfm import SfmSession, pairs_to_match


class Film:
    """The frames of a film with masks and outlines.

    Args:
        frame_paths: Images by frame index.
        alpha_paths: 8-bit masks by frame index, of the frames' sizes.
        times_s: Time of each frame in seconds.
        outlines: Outlines of the frames that show a whole object.
        config: Parameters of the stage.
        scratch_dir: An existing folder for intermediate files.
        learned: Finds learned features; None where their weights are not here.
        fov_deg: Field of view of the longest side in degrees, where the images tell it; the
            configuration's guess otherwise.
    """

    def __init__(
        self,
        frame_paths: dict[int, Path],
        alpha_paths: Mapping[int, Path],
        times_s: Mapping[int, float],
        outlines: Mapping[int, Outline],
        config: PoseConfig,
        scratch_dir: Path,
        learned: LearnedDetector | None = None,
        fov_deg: float | None = None,
    ) -> None:
        self.tells_lens = fov_deg is not None
        if fov_deg is not None:
            config = config.model_copy(update={"prior_fov_deg": fov_deg})
        self.frame_paths, self.alpha_paths, self.times_s = frame_paths, alpha_paths, times_s
        self.outlines, self.config, self.scratch_dir = outlines, config, scratch_dir
        self.sift, self.learned = Sift(config), learned
        self._all_detectors = [self.sift] if learned is None else [self.sift, learned]

    @cached_property
    def changes(self) -> Changes:
        """Whether the background stands still, and what moves before it."""
        return detect_changes(self.frame_paths, self.outlines)

    def outlines_through(self, lens: Lens, camera: Camera) -> Mapping[int, Outline]:
        """The outlines that a pinhole camera would have seen behind the lens."""
        if lens.is_pinhole:
            return self.outlines

        def straight(index: int) -> Outline | None:
            return read_outline(self.alpha_paths[index], lens, camera)

        found = zip(self.outlines, in_threads(straight, self.outlines), strict=True)
        return {i: outline for i, outline in found if outline is not None}

    def whole_frames(self) -> SfmSession:
        """Matched features of whole frames."""
        return self._matched(
            SfmSession(
                self.frame_paths, self.scratch_dir / "whole", self.config, detectors=[self.sift]
            )
        )

    @cached_property
    def more_features(self) -> SfmSession:
        """The same with features of low contrast and, where there are any, learned ones."""
        session = SfmSession(
            self.frame_paths,
            self.scratch_dir / "more",
            self.config,
            low_contrast=True,
            detectors=self._all_detectors,
        )
        # faint features match by mistake: one end of the video the other, for example
        return self._matched(session, closed=False)

    def surroundings(self) -> SfmSession:
        """The same features, without those of the tyre, whose edges look alike from all sides."""

        def near(index: int, outline: Outline) -> MaskArray:
            inside = foreground(read_mask(self.alpha_paths[index])).astype(np.uint8)
            return np.asarray(cv2.dilate(inside, _square(_margin(outline))) > 0)

        masks = ((i, near(i, outline)) for i, outline in self.outlines.items())
        return self.more_features.outside(masks, self.scratch_dir / "surroundings")

    @cached_property
    def tyre_alone(self) -> SfmSession:
        """Matched features of the tyre, and of what moves with it before a fixed camera."""
        moving = self.changes.moving if self.changes.background == "still" else None
        masks = self._inner_masks(moving, self.scratch_dir / "inner")
        session = SfmSession(
            {i: self.frame_paths[i] for i in masks},
            self.scratch_dir / "tyre",
            self.config,
            masks,
            low_contrast=True,
            detectors=self._all_detectors,
        )
        return self._matched(session)

    def _matched(self, session: SfmSession, *, closed: bool = True) -> SfmSession:
        session.match(pairs_to_match(session.indices, self.config, closed=closed))
        return session

    def _inner_masks(self, moving: NDArray[np.bool_] | None, folder: Path) -> dict[int, Path]:
        """Masks shrunk by a few pixels, so that features do not mix tyre and background.

        Before a fixed camera whatever moves (a turntable's plate, say) moves with the tyre and is
        added.
        """
        folder.mkdir(exist_ok=True)
        written: dict[int, Path] = {}
        for i, outline in self.outlines.items():
            alpha = read_mask(self.alpha_paths[i])
            margin = _margin(outline)
            inside = np.where(foreground(alpha), 255, 0).astype(np.uint8)
            shrunk = cv2.erode(inside, _square(margin))
            if moving is not None:
                hull = np.zeros_like(inside)
                cv2.fillConvexPoly(hull, outline.hull.round().astype(np.int32), 255)
                near = cv2.dilate(hull, _square(3 * margin)) > 0
                shrunk = np.where(moving & ~near, 255, shrunk).astype(np.uint8)
            written[i] = folder / f"{i:06d}.png"
            write_image(written[i], shrunk)
        return written


def _margin(outline: Outline) -> int:
    """Pixels about the edge of a mask in which features may be of either side."""
    return max(2, round(0.01 * outline.size))


def _square(reach: int) -> NDArray[np.uint8]:
    """What a mask is dilated or eroded with, by so many pixels."""
    return np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
