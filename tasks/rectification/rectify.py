"""Frames and masks as later stages use them: seen by a pinhole camera, judged by the solid."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from configs.stages import RectifyConfig, StageName
from tasks.core.parallel import in_threads
from tasks.core.progress import report
from tasks.imaging.images import read_image, read_mask, write_image
from tasks.imaging.masks import foreground
from tasks.matting.parts import BACKGROUND, RUBBER
from tasks.matting.quality import Mask, Masks, clean_alpha, masks_record
from tasks.poses.fit_solid import refine_solid
from tasks.poses.outline import Outline, read_outline
from tasks.poses.record import PoseEstimate
from tasks.poses.solid import TYPICAL_FALLS, Solid, Views
from tasks.rectification.correction import (
    MaskErrors,
    correct_mask,
    opening_outline,
    warnings_of,
)
from tasks.video.frames import Candidate, Frames

MIN_AGREEMENT = 0.6
"""Median agreement of masks and solid from which the solid may judge a mask."""


@dataclass(frozen=True)
class RectifiedViews:
    """Rectified frames and masks, in one folder.

    Args:
        frames: All candidates, in order.
        masks: Their masks, in the same order.
        figures: How much was corrected.
        warnings: What a person should know before trusting the masks.
    """

    frames: Frames
    masks: Masks
    figures: dict[str, float]
    warnings: tuple[str, ...]

    def record(self) -> dict[str, Any]:
        """What the artifact's record says; :class:`Frames` and :class:`Masks` read it."""
        further = {"figures": self.figures, "warnings": list(self.warnings)}
        return {**self.frames.record(), **masks_record(self.masks.masks), **further}


def rectify_views(
    frames: Frames, masks: Masks, poses: PoseEstimate, folder: Path, config: RectifyConfig
) -> RectifiedViews:
    """Write every candidate and its mask as the pinhole cameras of ``poses`` see them.

    Args:
        frames: The candidates, as they were filmed.
        masks: Their masks, in the same order.
        poses: Cameras of the registered candidates, and the fitted tyre.
        folder: Where ``frames/NNNNNN.*``, ``alpha/NNNNNN.png`` and, where masks have parts,
            ``parts/NNNNNN.png`` are written; ``seen/NNNNNN.png`` where a mask was filled.
        config: Parameters of the stage.
    """
    _straighten(frames, masks, poses, folder, config)
    outlines = _outlines(Masks(folder, masks.masks), poses)
    solid = _refined(outlines, poses)
    judged, errors = _judged(masks, folder, poses, outlines, solid, config)
    if sum(m.usable for m in judged) < config.min_usable * len(masks.usable):
        # hardly any frame would be left: filled masks are better than none
        judged = [replace(m, refused=o.refused) for m, o in zip(judged, masks.masks, strict=True)]
    warnings = warnings_of(errors.values(), config)
    if solid is None and outlines:
        warnings = ["what was taken for the tyre looks too little like one to be mended"]
    return RectifiedViews(
        Frames(folder, tuple(frames.candidates)),
        Masks(folder, tuple(judged)),
        _figures(errors),
        tuple(warnings),
    )


def _straighten(
    frames: Frames, masks: Masks, poses: PoseEstimate, folder: Path, config: RectifyConfig
) -> None:
    """Write frames and masks as pinhole cameras see them."""
    camera = next(iter(poses.cameras.values()))  # those behind a lens differ by their poses only

    def straighten(pair: tuple[Candidate, Mask]) -> None:
        frame, mask = pair
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

    pairs = zip(frames.candidates, masks.masks, strict=True)
    for done, _ in enumerate(in_threads(straighten, pairs), start=1):
        report(StageName.RECTIFY, done, 2 * len(masks.masks))


def _judged(
    masks: Masks,
    folder: Path,
    poses: PoseEstimate,
    outlines: Mapping[int, Outline],
    solid: Solid | None,
    config: RectifyConfig,
) -> tuple[list[Mask], dict[int, MaskErrors]]:
    """The masks, corrected where there is a solid to judge them by, and their faults by index."""

    def correct(mask: Mask) -> tuple[Mask, MaskErrors | None]:
        if solid is None or mask.index not in outlines:
            return mask, None
        view = Views([poses.cameras[mask.index]], [outlines[mask.index]])
        return _corrected(mask, folder, view, solid, config)

    judged: list[Mask] = []
    errors: dict[int, MaskErrors] = {}
    for mask, found in in_threads(correct, masks.masks):
        judged.append(mask)
        if found is not None:
            errors[mask.index] = found
        report(StageName.RECTIFY, len(masks.masks) + len(judged), 2 * len(masks.masks))
    return judged, errors


def _outlines(masks: Masks, poses: PoseEstimate) -> dict[int, Outline]:
    """Outlines of the usable masks of posed frames, by index."""
    paths = {i: p for i, p in masks.paths().items() if i in poses.cameras}
    found = zip(paths, in_threads(read_outline, paths.values()), strict=True)
    return {i: outline for i, outline in found if outline is not None}


def _refined(outlines: Mapping[int, Outline], poses: PoseEstimate) -> Solid | None:
    """The estimated tyre with a profile that suits the outlines; None where they disagree."""
    if not outlines:
        return None
    tyre = poses.tyre
    falls = np.stack([TYPICAL_FALLS, TYPICAL_FALLS])
    start = Solid(tyre.centre, tyre.axle, tyre.radius, tyre.half_width, falls)
    views = Views([poses.cameras[i] for i in outlines], list(outlines.values()))
    solid = refine_solid(views, start, scale=2.0)
    return solid if float(np.median(views.agreement(solid).score)) >= MIN_AGREEMENT else None


def _corrected(
    mask: Mask, folder: Path, view: Views, solid: Solid, config: RectifyConfig
) -> tuple[Mask, MaskErrors]:
    """Correct a copied mask in place where something is wrong with it."""
    path = folder / mask.file
    before = read_mask(path)
    openings = opening_outline(solid, view.cameras[0])
    alpha, errors = correct_mask(before, view.tangent_points(solid)[0], openings, config)
    if alpha is before:
        return mask, errors
    alpha, measures = clean_alpha(alpha)
    _write(path, alpha, config)
    if np.any(foreground(alpha) & ~foreground(before)):
        # What a post hides is tyre for the shape; its image is the post's.
        mask = replace(mask, seen=f"seen/{mask.index:06d}.png")
        _write(folder / mask.seen, np.minimum(alpha, before), config)
    if mask.parts:
        parts = read_mask(folder / mask.parts)
        added = foreground(alpha) & (parts == BACKGROUND)
        kept = np.where(foreground(alpha), np.where(added, RUBBER, parts), BACKGROUND)
        _write(folder / mask.parts, kept.astype(np.uint8), config)
    return replace(mask, refused=errors.refusal(config), **measures), errors


def _figures(errors: Mapping[int, MaskErrors]) -> dict[str, float]:
    """Median and worst shares of the tyre's area that masks held besides it, and lacked."""
    if not errors:
        return {}
    excess, lack = np.array([(f.excess, f.lack) for f in errors.values()]).T
    return {
        "mask_excess_median": float(np.median(excess)),
        "mask_excess_worst": float(excess.max()),
        "mask_lack_median": float(np.median(lack)),
        "mask_lack_worst": float(lack.max()),
    }


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
