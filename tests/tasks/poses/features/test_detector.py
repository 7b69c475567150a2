"""Both detectors follow an image that is shifted, turned and enlarged."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from configs.settings import Settings
from configs.stages import PoseConfig
from tasks.core.errors import ModelError
from tasks.imaging.images import write_image
from tasks.network.weights import feature_weights
from tasks.poses.features.detector import Detector, LearnedDetector, Sift
from tests.tasks.poses.scene import noise_texture

Image = NDArray[np.uint8]
SIZE = 384


def image() -> Image:
    return np.ascontiguousarray(noise_texture(3, 20, 230)[:SIZE, :SIZE, 0])


def warped(turn: NDArray[np.float64]) -> Image:
    """The image under an affine map ``(2, 3)`` of pixels whose centres are at half-integers."""
    index = turn.copy()
    index[:, 2] += turn[:, :2] @ [0.5, 0.5] - 0.5
    return np.asarray(
        cv2.warpAffine(
            image(), index, (SIZE, SIZE), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
        ),
        np.uint8,
    )


@pytest.fixture(params=["sift", "xfeat"])
def detector(request: pytest.FixtureRequest) -> Detector:
    config = PoseConfig(num_threads=2)
    if request.param == "sift":
        return Sift(config)
    weights = feature_weights(Settings().models_dir)
    if weights is None:
        pytest.skip("the weights of xfeat are not here: tyre3d models fetch xfeat")
    return LearnedDetector(config, weights.path)


def matched(
    detector: Detector, folder: Path, a: Image, b: Image
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    paths = [folder / "a.png", folder / "b.png"]
    for path, content in zip(paths, (a, b), strict=True):
        write_image(path, content)
    points = dict(enumerate(detector.detect(paths).values()))
    (pairs,) = detector.match(points, [(0, 1)])
    return points[0].points[pairs[:, 0]], points[1].points[pairs[:, 1]]


def test_a_shifted_image_has_shifted_key_points(detector: Detector, tmp_path: Path) -> None:
    shift = np.array([32.0, 64.0])  # a multiple of the coarsest cell
    turn = np.hstack([np.eye(2), shift[:, None]])
    a, b = matched(detector, tmp_path, image(), warped(turn))
    off = np.linalg.norm(a + shift - b, axis=1)
    assert len(off) > 150
    assert np.median(off) < 0.2
    assert np.mean(off < 1.0) > 0.8


@pytest.mark.parametrize(("angle_deg", "scale"), [(8.0, 1.0), (-5.0, 1.05), (0.0, 0.9)])
def test_a_turned_and_scaled_image_matches_to_a_pixel(
    detector: Detector, tmp_path: Path, angle_deg: float, scale: float
) -> None:
    middle = SIZE / 2
    turn = cv2.getRotationMatrix2D((middle, middle), angle_deg, scale)
    a, b = matched(detector, tmp_path, image(), warped(turn))
    off = np.linalg.norm(a @ turn[:, :2].T + turn[:, 2] - b, axis=1)
    assert len(off) > 100
    assert np.median(off) < 1.0
    assert np.mean(off < 3.0) > 0.7


def test_key_points_do_not_depend_on_the_number_of_threads(
    detector: Detector, tmp_path: Path
) -> None:
    paths = [tmp_path / f"{i}.png" for i in range(3)]
    for i, path in enumerate(paths):
        write_image(path, warped(np.array([[1.0, 0, 5 * i], [0, 1.0, 0]])))
    found = detector.detect(paths)
    detector._threads, detector._seen = 1, {}
    again = detector.detect(paths)
    for path in paths:
        assert np.array_equal(found[path].points, again[path].points)
        assert np.array_equal(found[path].descriptors, again[path].descriptors)


def test_large_images_are_made_smaller_and_their_points_are_not(tmp_path: Path) -> None:
    large = cv2.resize(image(), (2 * SIZE, 2 * SIZE), interpolation=cv2.INTER_CUBIC)
    write_image(tmp_path / "large.png", large)
    (points,) = Sift(PoseConfig(feature_size_px=SIZE)).detect([tmp_path / "large.png"]).values()
    assert points.points.max() > SIZE
    assert len(points) > 100


def test_an_image_without_anything_has_no_key_points(detector: Detector, tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", np.full((64, 64), 90, np.uint8))
    (points,) = detector.detect([tmp_path / "a.png"]).values()
    assert len(detector.match({0: points, 1: points}, [(0, 1)])[0]) == len(points)


def test_other_weights_are_refused(tmp_path: Path) -> None:
    wrong = tmp_path / "xfeat.pt"
    wrong.write_bytes(b"not a checkpoint")
    with pytest.raises(ModelError, match="weights-unreadable"):
        LearnedDetector(PoseConfig(), wrong)
