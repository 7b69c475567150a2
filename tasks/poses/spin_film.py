"""What is known of a film of a tyre that spins, before its turn is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.imaging.images import read_grey
from tasks.poses.face_circles import MeanImage
from tasks.poses.outline import Outline
from tasks.poses.sfm import Matches
from tasks.poses.stabilisation import Steadying
from tasks.poses.steady_orbit import phases
from tasks.poses.steady_spin import median_outline

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class SpinFilm:
    """What is known of a film.

    Args:
        order: Indices of the frames in the order of time.
        phase: ``(N,)`` their times, 0 to 1.
        outlines: Their outlines.
        images: Grey images of them; none where the matches alone count.
        matches: Matches between them.
        steadying: To where a camera at rest would see the same.
        shaking: Whether the camera moves a little by itself.
    """

    order: Sequence[int]
    phase: FloatArray
    outlines: Sequence[Outline]
    images: Sequence[NDArray[np.uint8]]
    matches: Sequence[Matches]
    steadying: Steadying
    shaking: bool

    @classmethod
    def of(
        cls,
        outlines: Mapping[int, Outline],
        times_s: Mapping[int, float],
        matches: Sequence[Matches],
        frame_paths: Mapping[int, Path] | None,
        *,
        shaking: bool,
    ) -> SpinFilm:
        """What the stage before knows; see :func:`tasks.poses.spin.follow_spin`."""
        order, phase = phases(outlines, times_s)
        shown = [outlines[i] for i in order]
        images = [] if frame_paths is None else [read_grey(frame_paths[i]) for i in order]
        steadying = Steadying.of(shown, shaking=shaking)
        return cls(order, phase, shown, images, matches, steadying, shaking)

    @property
    def size(self) -> float:
        """Median size of the tyre's outlines, pixels."""
        return float(np.median([o.size for o in self.outlines]))

    @cached_property
    def position(self) -> dict[int, int]:
        """Position of each frame in their order, by index."""
        return {index: k for k, index in enumerate(self.order)}

    @cached_property
    def typical(self) -> Outline:
        """What a camera at rest would see of the outline."""
        steady = self.steadying.outline
        return median_outline([steady(k, outline) for k, outline in enumerate(self.outlines)])

    @cached_property
    def mean_image(self) -> MeanImage:
        """What it would see on average."""
        return MeanImage(self.images, self.steadying, self.typical)

    @cached_property
    def steady_matches(self) -> list[Matches]:
        """The matches as a camera at rest would see them."""
        at, steady = self.position, self.steadying.pixels
        return [
            Matches(m.first, m.second, steady(at[m.first], m.a), steady(at[m.second], m.b))
            for m in self.matches
        ]
