"""Detectors of features: each image is looked at once, images side by side.

Every image is worked on by one thread: quicker than one image on several, and the same to the bit
however many there are.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from configs.stages import PoseConfig, StageName
from tasks.core.errors import ModelError
from tasks.imaging.images import read_grey
from tasks.poses.features.keypoints import Float32Array, IndexArray, KeyPoints, match
from tasks.poses.features.sift import MAX_ANGLE, MAX_RATIO, USUAL_CONTRAST, detect_sift
from tsr.errors import WeightsError


class Detector(ABC):
    """Finds features in images and matches them; remembers the images that it saw.

    Args:
        config: Parameters of the stage: the size of images, and the number of threads.
    """

    name: str
    usual_strength = 0.0
    """Weaker key points are noise in most images."""

    _stride = 1
    """Sides of the images are multiples of this."""

    def __init__(self, config: PoseConfig) -> None:
        self._longest_px = config.feature_size_px
        self._threads = config.num_threads or os.cpu_count() or 1
        self._seen: dict[Path, KeyPoints] = {}

    def detect(self, paths: Iterable[Path]) -> dict[Path, KeyPoints]:
        """Key points of image files.

        Raises:
            StorageError: ``artifact-damaged`` if one is missing or cannot be decoded.
        """
        requested = list(paths)
        new = [p for p in dict.fromkeys(requested) if p not in self._seen]
        with self._pool() as pool:
            self._seen.update(zip(new, pool.map(self._detect_in, new), strict=True))
        return {p: self._seen[p] for p in requested}

    def match(
        self, points: Mapping[int, KeyPoints], pairs: Sequence[tuple[int, int]]
    ) -> list[IndexArray]:
        """For each pair of images, ``(K, 2)`` indices of the key points that correspond."""
        with self._pool() as pool:
            return list(pool.map(lambda p: self._match(*(points[i].descriptors for i in p)), pairs))

    def _detect_in(self, path: Path) -> KeyPoints:
        image = read_grey(path)
        height, width = image.shape
        shrink = min(1.0, self._longest_px / max(height, width))
        w, h = (
            max(1, round(side * shrink / self._stride)) * self._stride for side in (width, height)
        )
        if (w, h) != (width, height):
            image = np.asarray(cv2.resize(image, (w, h), interpolation=cv2.INTER_AREA), np.uint8)
        found = self._find(image)
        scale = np.array([width / w, height / h])
        return KeyPoints(found.points * scale, found.strength, found.descriptors)

    @abstractmethod
    def _find(self, image: NDArray[np.uint8]) -> KeyPoints:
        """Key points of a grey image ``(H, W)`` of the size to work at."""

    @abstractmethod
    def _match(self, a: Float32Array, b: Float32Array) -> IndexArray:
        """Which descriptors correspond, ``(K, 2)``."""

    @contextmanager
    def _pool(self) -> Iterator[ThreadPoolExecutor]:
        """Threads each of which lets OpenCV use no further thread, on which IPP would be on."""
        before = cv2.getNumThreads()
        cv2.setNumThreads(1)
        with ThreadPoolExecutor(self._threads, initializer=self._alone) as pool:
            yield pool
        cv2.setNumThreads(before)

    def _alone(self) -> None:
        cv2.ipp.setUseIPP(False)


class Sift(Detector):
    """Precise to a tenth of a pixel; finds little on rubber and on plain walls."""

    name = "sift"
    usual_strength = USUAL_CONTRAST

    def _find(self, image: NDArray[np.uint8]) -> KeyPoints:
        return detect_sift(image)

    def _match(self, a: Float32Array, b: Float32Array) -> IndexArray:
        return match(a, b, max_angle=MAX_ANGLE, max_ratio=MAX_RATIO)


class LearnedDetector(Detector):
    """XFeat: four times as many right matches on a tyre, each less precise.

    Args:
        config: Parameters of the stage.
        weights: The published checkpoint.
        device: Device of the network, as torch calls it.

    Raises:
        ModelError: ``weights-unreadable``.
    """

    name = "xfeat"

    def __init__(self, config: PoseConfig, weights: Path, device: str = "cpu") -> None:
        from tasks.poses.features.xfeat import STRIDE, load_xfeat

        super().__init__(config)
        self._stride = STRIDE
        try:
            self._network = load_xfeat(weights).to(device)
        except WeightsError as exc:
            raise ModelError(
                "weights-unreadable",
                stage=StageName.ESTIMATE_POSES,
                what=f"{weights} cannot be loaded ({exc})",
                advice="Run: tyre3d models fetch xfeat",
            ) from exc

    def _find(self, image: NDArray[np.uint8]) -> KeyPoints:
        from tasks.poses.features.xfeat import detect_xfeat

        return detect_xfeat(self._network, image)

    def _match(self, a: Float32Array, b: Float32Array) -> IndexArray:
        return match(a, b)

    @contextmanager
    def _pool(self) -> Iterator[ThreadPoolExecutor]:
        import torch

        before = torch.get_num_threads()
        with super()._pool() as pool:
            yield pool
        # New threads start with the number that was set last, in whichever thread that was.
        torch.set_num_threads(before)

    def _alone(self) -> None:
        import torch

        super()._alone()
        torch.set_num_threads(1)
