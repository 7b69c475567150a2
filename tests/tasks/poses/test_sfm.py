"""Cameras and their lens are found; why nothing was found is said as it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pycolmap
import pytest

from configs.stages import PoseConfig
from tasks.geometry.lens import Lens
from tasks.imaging.images import write_image
from tasks.poses.features.detector import Sift
from tasks.poses.film import Film
from tasks.poses.hypothesis import Hypothesis, reconstructed
from tasks.poses.observations import Observations
from tasks.poses.outline import read_outline
from tasks.poses.sfm import Reconstruction, SfmError, SfmSession, pairs_to_match
from tests.tasks.poses.scene import Video, noise_texture, write_video


@pytest.fixture
def session(tmp_path: Path) -> SfmSession:
    paths = {i: tmp_path / f"{i}.png" for i in range(3)}
    for i, path in paths.items():
        write_image(path, np.full((64, 64, 3), 40 * i, np.uint8))
    return SfmSession(paths, tmp_path / "features", PoseConfig())


def test_frames_without_anything_to_see_give_no_pair(session: SfmSession) -> None:
    with pytest.raises(SfmError, match="no pair of frames to start from"):
        session.reconstruct()


def mapping_that(
    error: Exception, session: SfmSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Hypothesis:
    def failing(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(pycolmap, "incremental_mapping", failing)
    return reconstructed("sfm", session, Film({}, {}, {}, {}, PoseConfig(), tmp_path))


def test_what_the_library_says_of_the_frames_is_kept(
    session: SfmSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = ValueError("[x.cc:7] Check failed: enough points")
    hypothesis = mapping_that(error, session, tmp_path, monkeypatch)
    assert hypothesis.refused == "sfm: [x.cc:7] Check failed: enough points"


@pytest.mark.parametrize("words", ["database or disk is full", "something of the machine"])
def test_what_says_nothing_of_the_frames_refuses_no_method(
    words: str, session: SfmSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else another method's cameras would be kept under this film's key for good."""
    with pytest.raises(RuntimeError, match=words):
        mapping_that(RuntimeError(words), session, tmp_path, monkeypatch)


def test_a_folder_that_cannot_be_made_refuses_no_method(
    session: SfmSession, tmp_path: Path
) -> None:
    """As the library itself raises it."""
    (session.folder / "models").symlink_to(tmp_path / "nowhere")
    with pytest.raises((RuntimeError, OSError)):
        reconstructed("sfm", session, Film({}, {}, {}, {}, PoseConfig(), tmp_path))


def test_several_kinds_of_features_are_matched_each_with_its_own(tmp_path: Path) -> None:
    texture = noise_texture(1, 20, 230)[:, :, 0]
    paths = {i: tmp_path / f"{i}.png" for i in (0, 4)}
    write_image(paths[0], texture[100:356, 100:356])
    write_image(paths[4], texture[110:366, 130:386])
    config = PoseConfig()
    found = []
    for kinds in (1, 2):
        detectors = [Sift(config) for _ in range(kinds)]
        session = SfmSession(paths, tmp_path / str(kinds), config, detectors=detectors)
        session.match([(0, 4)])
        found += session.raw_matches([(0, 4)])
    once, twice = found
    assert len(once.a) > 50
    assert np.array_equal(twice.a, np.tile(once.a, (2, 1)))
    assert np.array_equal(twice.b, np.tile(once.b, (2, 1)))
    np.testing.assert_allclose(np.median(once.a - once.b, axis=0), [30.0, 10.0], atol=0.1)


def test_surroundings_are_matched_without_what_shows_the_same_from_all_sides(
    tmp_path: Path,
) -> None:
    """The edges of a tyre, which stay where they are as a camera walks round it."""
    texture, tyre = noise_texture(1, 20, 230)[:, :, 0], noise_texture(2, 20, 230)[:100, :100, 0]
    paths, masks = {}, {}
    for i, (row, column) in enumerate([(100, 100), (110, 130), (105, 115)]):
        frame = texture[row : row + 256, column : column + 256].copy()
        frame[80:180, 80:180] = tyre
        masks[i] = np.zeros(frame.shape, bool)
        masks[i][75:185, 75:185] = True
        paths[i] = tmp_path / f"{i}.png"
        write_image(paths[i], frame)
    session = SfmSession(paths, tmp_path / "all", PoseConfig())
    session.match([(0, 1)])
    outside = session.outside(masks.items(), tmp_path / "outside")
    (every,), (left,) = session.raw_matches([(0, 1)]), outside.raw_matches([(0, 1)])
    at_rest = np.linalg.norm(every.a - every.b, axis=1) < 1.0
    assert at_rest.sum() > 20
    columns, rows = np.floor(np.stack([every.a, every.b])).astype(int).transpose(2, 0, 1)
    off = ~(masks[0][rows[0], columns[0]] | masks[1][rows[1], columns[1]])
    assert np.array_equal(left.a, every.a[off])
    np.testing.assert_allclose(np.median(left.a - left.b, axis=0), [30.0, 10.0], atol=0.1)
    with pycolmap.Database.open(outside.database) as db:
        pairs, geometries = db.read_two_view_geometries()
    assert len(pairs) == 1
    assert len(geometries[0].inlier_matches) > 0.9 * len(left.a)


def adjusted(
    found: Reconstruction, video: Video, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Hypothesis:
    """What is made of cameras and points, as if structure from motion had found these."""
    session = SfmSession(video.frames, folder / "sfm", PoseConfig())
    monkeypatch.setattr(session, "reconstruct", lambda: found)
    outlines = {i: o for i, p in video.alphas.items() if (o := read_outline(p)) is not None}
    film = Film(video.frames, video.alphas, video.times, outlines, PoseConfig(), folder)
    return reconstructed("sfm", session, film)


@pytest.mark.parametrize(("points_err", "kept"), [(True, 11), (False, 12)])
def test_a_camera_is_dropped_that_contradicts_its_mask_once_all_is_adjusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, points_err: bool, kept: int
) -> None:
    """A camera that its points know better is moved there; one that they mislead is lost."""
    video = write_video(tmp_path, "orbit", count=12)
    rng = np.random.default_rng(0)
    points = rng.uniform(-0.3, 0.3, (60, 3))
    moved = video.cameras[9].translation + np.array([0.6, 0, 0])
    cameras = {**video.cameras, 9: replace(video.cameras[9], translation=moved)}
    seen_by = cameras if points_err else video.cameras
    pixel = np.concatenate([c.project(points)[:, :2] for c in seen_by.values()])
    pixel += rng.normal(0.0, 0.5, pixel.shape)
    seen = Observations(np.repeat(np.arange(12), 60), np.tile(np.arange(60), 12), pixel)
    found = Reconstruction(cameras, Lens(), points, seen, 0.5)
    hypothesis = adjusted(found, video, tmp_path, monkeypatch)
    assert len(hypothesis.cameras) == kept
    assert (9 in hypothesis.cameras) == (kept == 12)
    assert hypothesis.figures["cameras_dropped"] == 12 - kept


def seen_through(folder: Path, lens: Lens, fov_deg: float) -> Reconstruction:
    """A third of an orbit seen through a lens, by a focal length of 0.95 times the width."""
    config = PoseConfig(max_features=800, prior_fov_deg=fov_deg)
    video = write_video(folder, "orbit", count=12, arc_deg=120.0, lens=lens)
    session = SfmSession(video.frames, folder / "sfm", config)
    session.match(pairs_to_match(session.indices, config))
    return session.reconstruct()


def test_a_lens_that_distorts_is_found_with_the_focal_length(tmp_path: Path) -> None:
    found = seen_through(tmp_path, Lens(-0.08), 70.0)
    assert len(found.cameras) == 12
    assert found.lens.k1 == pytest.approx(-0.08, abs=0.015)
    assert found.cameras[0].fx == pytest.approx(0.95 * 480, rel=0.02)


def test_a_pinhole_is_called_one(tmp_path: Path) -> None:
    found = seen_through(tmp_path, Lens(), 45.0)
    assert found.lens == Lens()
    assert found.cameras[0].fx == pytest.approx(0.95 * 480, rel=0.01)
    assert found.error_px < 0.5


@pytest.mark.parametrize(
    ("reach_m", "noise_px", "lens", "told"),
    [(0.7, 4.0, Lens(-0.04), True), (0.25, 0.3, Lens(-0.3), False)],
)
def test_a_lens_is_told_by_points_all_over_the_frames_only(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    reach_m: float,
    noise_px: float,
    lens: Lens,
    told: bool,
) -> None:
    """There it is not set to nothing by noise; in the middle whatever is wrong passes for one."""
    video = write_video(tmp_path, "orbit", count=12, arc_deg=150.0, lens=lens)
    rng = np.random.default_rng(0)
    points = rng.uniform(-reach_m, reach_m, (200, 3))
    pixel = np.concatenate(
        [lens.distort_pixels(c.project(points)[:, :2], c) for c in video.cameras.values()]
    )
    pixel += rng.normal(0.0, noise_px, pixel.shape)
    inside = ((pixel > 0) & (pixel < (480, 360))).all(axis=1)
    frame, point = np.repeat(np.arange(12), 200), np.tile(np.arange(200), 12)
    seen = Observations(frame[inside], point[inside], pixel[inside])
    longer = {
        i: replace(c, fx=1.1 * c.fx, fy=1.1 * c.fy, translation=1.1 * c.translation)
        for i, c in video.cameras.items()
    }
    found = Reconstruction(longer, Lens(), points, seen, 0.9)
    hypothesis = adjusted(found, video, tmp_path, monkeypatch)
    assert (hypothesis.lens.k1 < -0.015) == told
    assert hypothesis.lens.is_pinhole != told
    assert hypothesis.cameras[0].fx == pytest.approx(video.cameras[0].fx, rel=0.03)
