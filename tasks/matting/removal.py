"""An alpha for every candidate frame, the quality of each recorded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from configs.stages import MaskConfig, StageName
from tasks.core.errors import InputError
from tasks.core.progress import report
from tasks.imaging.images import read_alpha_channel, read_image, write_image
from tasks.imaging.masks import foreground
from tasks.matting.mask_tracking import is_alike, squares_missed
from tasks.matting.matte import FollowingSession, Matte, MatteSession
from tasks.matting.parts import BACKGROUND
from tasks.matting.quality import Mask, clean_alpha, refusal
from tasks.video.frames import Candidate, Frames

_BATCH = 16
"""Frames matted in one call."""

_PNG = (cv2.IMWRITE_PNG_COMPRESSION, 3)


def remove_backgrounds(
    frames: Frames,
    folder: Path,
    session: MatteSession | None,
    config: MaskConfig,
) -> list[Mask]:
    """Write the alpha of every candidate.

    Args:
        frames: The candidates.
        folder: Where ``alpha/NNNNNN.png`` are written, and ``parts/NNNNNN.png`` if the session
            tells the tyre's parts.
        session: Mattes the candidates that bring no alpha of their own; None if all do.
        config: What counts as a usable mask.

    Returns:
        One record per candidate.

    Raises:
        InputError: ``no-tyre`` if hardly any candidate shows a foreground.
    """
    for kind in ("alpha", "parts"):
        (folder / kind).mkdir()
    masks = []
    for frame, matte in mattes(frames, frames.candidates, session):
        masks.append(_written(frame, matte, folder, config))
        report(StageName.REMOVE_BACKGROUNDS, len(masks), len(frames.candidates))
    if isinstance(session, FollowingSession):
        _follow(frames, folder, session, config, masks)
    usable = sum(m.usable for m in masks)
    if usable < config.min_usable:
        reasons = sorted({m.refused for m in masks if m.refused})
        raise InputError(
            "no-tyre",
            stage=StageName.REMOVE_BACKGROUNDS,
            what=f"a tyre is seen in {usable} of {len(masks)} frames ({'; '.join(reasons)})",
            advice="Film one whole tyre that stands out from its background",
        )
    return masks


def _written(frame: Candidate, matte: Matte, folder: Path, config: MaskConfig) -> Mask:
    """Write a candidate's alpha and parts."""
    cleaned, figures = clean_alpha(matte.alpha)
    name, parts = f"alpha/{frame.index:06d}.png", ""
    write_image(folder / name, cleaned, _PNG)
    if matte.parts is not None:
        parts = f"parts/{frame.index:06d}.png"
        kept = np.where(foreground(cleaned), matte.parts, BACKGROUND).astype(np.uint8)
        write_image(folder / parts, kept, _PNG)
    return Mask(
        frame.index,
        name,
        peak=matte.peak,
        from_source=frame.has_alpha,
        refused=refusal(figures["area"], matte.peak, config),
        parts=parts,
        **figures,
    )


def _follow(
    frames: Frames,
    folder: Path,
    session: FollowingSession,
    config: MaskConfig,
    masks: list[Mask],
) -> None:
    """Look once more where the tyre must be, in frames in which something else was taken for it."""
    for position, square in squares_missed([mask.crop for mask in masks]).items():
        frame = frames.candidates[position]
        if frame.has_alpha:
            continue
        matte = session.matte_in(read_image(frames.path(frame.index)), square)
        if is_alike(clean_alpha(matte.alpha)[1]["crop"], square):
            masks[position] = _written(frame, matte, folder, config)


def mattes(
    frames: Frames, candidates: Sequence[Candidate], session: MatteSession | None
) -> Iterator[tuple[Candidate, Matte]]:
    """The mattes of candidates as they are found.

    Args:
        frames: Where the images lie.
        candidates: Those of them that are wanted.
        session: Mattes those that bring no alpha of their own; None if all do.
    """
    for start in range(0, len(candidates), _BATCH):
        chunk = candidates[start : start + _BATCH]
        opaque = [c for c in chunk if not c.has_alpha]
        images = [read_image(frames.path(c.index)) for c in opaque]
        found = session.matte(images) if session is not None and images else []
        matte_of = {c.index: matte for c, matte in zip(opaque, found, strict=True)}
        for candidate in chunk:
            if candidate.has_alpha:
                yield candidate, Matte(read_alpha_channel(frames.path(candidate.index)), 1.0)
            else:
                yield candidate, matte_of[candidate.index]
