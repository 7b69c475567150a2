"""Structure from motion with pycolmap on the CPU.

Source: Schönberger and Frahm, Structure-from-motion revisited, CVPR 2016.

OpenCV must be loaded before pycolmap 4.2 in a process, as the imports below do: both carry zlib,
and the other way round writing a PNG ends the process.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import cv2  # noqa: F401  before pycolmap, as said above
import numpy as np
import pycolmap
from numpy.typing import NDArray

from configs.stages import PoseConfig
from tasks.geometry.camera import Camera
from tasks.geometry.lens import Lens
from tasks.imaging.images import read_grey, read_mask
from tasks.imaging.masks import MaskArray
from tasks.poses.features.detector import Detector, Sift
from tasks.poses.features.keypoints import IndexArray, KeyPoints
from tasks.poses.lens_distortion import lens_of, pinhole_of
from tasks.poses.observations import Observations

FloatArray = NDArray[np.float64]

_VERIFYING_TRIALS = 2000
"""Samples at most in which a pair's geometry is looked for, COLMAP's 10,000 otherwise. They find it
where two fifths of the matches are right; pairs of fewer cost most of the stage's time, and of the
inliers of an orbit they bring 0.2 %."""

_TRIALS_OF_FEW = 10_000
"""The same of what is left around the tyre, where fewer are right. Of a tyre on a bare floor all
cameras were found so, 1.7 degrees off at 480 x 360; with 2000 samples none."""


@dataclass(frozen=True)
class Matches:
    """Verified point matches of one pair of frames, ``(N, 2)`` pixels each."""

    first: int
    second: int
    a: FloatArray
    b: FloatArray


@dataclass(frozen=True)
class Reconstruction:
    """What structure from motion found.

    Args:
        cameras: Registered frames, as pinholes behind the lens.
        lens: The one lens of all frames.
        points: ``(P, 3)`` world, sparse points.
        seen: Where the points are seen behind the lens; frames are numbered as in ``cameras``.
        error_px: Mean reprojection error.
    """

    cameras: dict[int, Camera]
    lens: Lens
    points: FloatArray
    seen: Observations
    error_px: float


class SfmError(Exception):
    """Structure from motion found no model."""


class SfmSession:
    """Features and verified matches of a set of frames in a database on disk.

    Args:
        frame_paths: Frames by index.
        folder: Empty folder for the database; written to.
        config: Parameters of the stage.
        mask_paths: If given, features come from where these 8-bit masks are set only.
        low_contrast: Whether to take features of low contrast too, and to accept fewer matches.
        detectors: What finds and matches features, each its own kind; SIFT if none is given. One
            that saw the frames before is quicker.
    """

    def __init__(
        self,
        frame_paths: dict[int, Path],
        folder: Path,
        config: PoseConfig,
        mask_paths: dict[int, Path] | None = None,
        *,
        low_contrast: bool = False,
        detectors: Sequence[Detector] = (),
    ) -> None:
        _silence_colmap()
        self.config = config
        self.indices = sorted(frame_paths)
        self.folder = folder
        self.database = folder / "features.db"
        self.images = folder / "images"
        self.masked, self.low_contrast = mask_paths is not None, low_contrast
        self.trials = _VERIFYING_TRIALS
        self.detectors = tuple(detectors) or (Sift(config),)
        shutil.rmtree(folder, ignore_errors=True)
        self.images.mkdir(parents=True)
        self.names = {i: f"{i:06d}{frame_paths[i].suffix}" for i in self.indices}
        for i, name in self.names.items():
            (self.images / name).symlink_to(frame_paths[i].resolve())
        self._ids = self._import_images()
        self._key_points = [
            self._choose_key_points(d, frame_paths, mask_paths) for d in self.detectors
        ]
        # One list for COLMAP: the points of the first detector, those of the second, ...
        self._points = {
            i: np.concatenate([kind[i].points for kind in self._key_points]) for i in self.indices
        }
        with pycolmap.Database.open(self.database) as db:
            for i, points in self._points.items():
                db.write_keypoints(self._ids[i], points.astype(np.float32))

    @property
    def _focal_factor(self) -> float:
        """The first guess of the focal length over the longest side."""
        return float(0.5 / np.tan(np.radians(self.config.prior_fov_deg) / 2))

    def _import_images(self) -> dict[int, int]:
        """Write the images into the database; their numbers there, by index."""
        sizes = {_image_size(self.images / n) for n in self.names.values()}
        reader = pycolmap.ImageReaderOptions()
        # One lens is found from all frames; frames of several sizes come from who knows how many.
        reader.camera_model = "SIMPLE_RADIAL" if len(sizes) == 1 else "SIMPLE_PINHOLE"
        reader.default_focal_length_factor = self._focal_factor
        one_camera = len(sizes) == 1
        pycolmap.Database.open(self.database).close()  # makes it
        pycolmap.import_images(
            self.database,
            self.images,
            camera_mode=pycolmap.CameraMode.SINGLE if one_camera else pycolmap.CameraMode.PER_IMAGE,
            image_names=list(self.names.values()),
            options=reader,
        )
        with pycolmap.Database.open(self.database) as db:
            by_name = {image.name: image.image_id for image in db.read_all_images()}
        return {i: by_name[name] for i, name in self.names.items()}

    def _choose_key_points(
        self,
        detector: Detector,
        frame_paths: dict[int, Path],
        mask_paths: dict[int, Path] | None,
    ) -> dict[int, KeyPoints]:
        found = detector.detect(frame_paths[i] for i in self.indices)
        chosen = {}
        for i in self.indices:
            points = found[frame_paths[i]]
            if mask_paths is not None:
                points = points.within(read_mask(mask_paths[i]))
            if not self.low_contrast:
                points = points.stronger_than(detector.usual_strength)
            chosen[i] = points.best(self.config.max_features)
        return chosen

    def match(self, pairs: list[tuple[int, int]]) -> None:
        """Match and verify pairs of frames; pairs done before are not matched again."""
        with pycolmap.Database.open(self.database) as db:
            new = [p for p in pairs if not db.exists_matches(*(self._ids[i] for i in p))]
            for (a, b), match in zip(new, self._match_all(new), strict=True):
                db.write_matches(self._ids[a], self._ids[b], match.astype(np.uint32))
        self._verify(new)

    def _verify(self, pairs: Sequence[tuple[int, int]]) -> None:
        """Find the geometry of pairs of frames, and the matches that obey it."""
        listing = self.folder / "pairs.txt"
        listing.write_text("".join(f"{self.names[a]} {self.names[b]}\n" for a, b in pairs))
        geometry = pycolmap.TwoViewGeometryOptions()
        geometry.ransac.random_seed = self.config.seed
        geometry.min_num_inliers = 12 if self.low_contrast else 15
        geometry.ransac.max_num_trials = self.trials
        geometry.filter_stationary_matches = self.masked  # what the fixed camera sees at rest
        geometry.stationary_matches_max_error = 1.5
        pycolmap.verify_matches(self.database, listing, geometry)

    def _match_all(self, pairs: list[tuple[int, int]]) -> list[IndexArray]:
        """Matches of all kinds for each pair, as indices into the lists that COLMAP has."""
        found: list[list[IndexArray]] = [[] for _ in pairs]
        before = dict.fromkeys(self.indices, 0)
        for detector, points in zip(self.detectors, self._key_points, strict=True):
            for (a, b), kinds, match in zip(
                pairs, found, detector.match(points, pairs), strict=True
            ):
                kinds.append(match + np.array([before[a], before[b]]))
            before = {i: count + len(points[i]) for i, count in before.items()}
        return [np.concatenate(kinds) for kinds in found]

    def outside(self, masks: Iterable[tuple[int, MaskArray]], folder: Path) -> SfmSession:
        """A session of the same features and matches, without those on masks.

        Args:
            masks: Frame indices, in order, with masks ``(H, W)``; other frames are left out.
            folder: Its own folder; it is made.
        """
        session = copy(self)
        session.trials = _TRIALS_OF_FEW
        session.folder, session.database = folder, folder / self.database.name
        folder.mkdir()
        shutil.copy(self.database, session.database)
        on_mask = {i: self._lie_on(mask, i) for i, mask in masks}
        with pycolmap.Database.open(session.database) as db:
            matched = self._read_matches(db, combinations(on_mask, 2))
            db.clear_matches()
            db.clear_two_view_geometries()
            for (a, b), match in matched.items():
                on = on_mask[a][match[:, 0]] | on_mask[b][match[:, 1]]
                db.write_matches(self._ids[a], self._ids[b], match[~on].astype(np.uint32))
        session._verify(list(matched))
        return session

    def _lie_on(self, mask: MaskArray, index: int) -> MaskArray:
        """``(N,)`` whether the points of a frame lie on its mask."""
        column, row = np.floor(self._points[index]).astype(np.int64).T
        height, width = mask.shape
        return np.asarray(mask[row.clip(0, height - 1), column.clip(0, width - 1)])

    def raw_matches(self, pairs: list[tuple[int, int]]) -> list[Matches]:
        """The matches of these pairs before any geometric test."""
        with pycolmap.Database.open(self.database) as db:
            matched = self._read_matches(db, pairs)
        return [
            Matches(a, b, self._points[a][match[:, 0]], self._points[b][match[:, 1]])
            for (a, b), match in matched.items()
        ]

    def _read_matches(
        self, db: Any, pairs: Iterable[tuple[int, int]]
    ) -> dict[tuple[int, int], IndexArray]:
        """Matches of those pairs that were matched, as indices into the frames' points."""
        found = {}
        for a, b in pairs:
            numbers = self._ids[a], self._ids[b]
            if db.exists_matches(*numbers):
                found[a, b] = np.asarray(db.read_matches(*numbers), np.int64).reshape(-1, 2)
        return found

    def reconstruct(self) -> Reconstruction:
        """Cameras and points of the largest model.

        Raises:
            SfmError: Where no model was found; it says why.
            RuntimeError: Where the database or the models cannot be written or read: this says
                nothing about the frames.
        """
        model = self._map()
        lens = lens_of(model)
        if lens is None:
            self._take_pinhole()
            model, lens = self._map(), Lens()
        by_name = {n: i for i, n in self.names.items()}
        images = {by_name[im.name]: im for im in model.images.values() if im.has_pose}
        images = dict(sorted(images.items()))
        points = [point for _, point in sorted(model.points3D.items())]
        return Reconstruction(
            {i: pinhole_of(image) for i, image in images.items()},
            lens,
            np.array([p.xyz for p in points]).reshape(-1, 3),
            _observations(list(images.values()), points),
            float(model.compute_mean_reprojection_error()),
        )

    def _take_pinhole(self) -> None:
        """Make the camera of all frames one without distortion, its focal length guessed anew."""
        with pycolmap.Database.open(self.database) as db:
            for camera in db.read_all_cameras():
                guess = self._focal_factor * max(camera.width, camera.height)
                pinhole = pycolmap.Camera.create_from_model_id(
                    camera.camera_id,
                    pycolmap.CameraModelId.SIMPLE_PINHOLE,
                    guess,
                    camera.width,
                    camera.height,
                )
                db.update_camera(pinhole)

    def _map(self) -> Any:
        """The largest model, a ``pycolmap.Reconstruction``; raises as :meth:`reconstruct`."""
        options = pycolmap.IncrementalPipelineOptions()
        # Bundle adjustment on several threads adds up its equations in the order in which they are
        # done; for the frames of a video one thread is as fast.
        options.num_threads = options.mapper.num_threads = 1
        options.random_seed = self.config.seed
        options.mapper.random_seed = self.config.seed
        options.triangulation.random_seed = self.config.seed
        options.extract_colors = False
        options.max_num_models = 3
        options.min_model_size = 3
        # Every bundle adjustment but the last is a start for the next, and the outlines' own
        # follows: COLMAP's own precision there took three quarters of the time.
        options.ba_local_function_tolerance = 1e-3
        options.ba_global_function_tolerance = 1e-4
        options.ba_global_frames_ratio = options.ba_global_points_ratio = 1.3
        options.ba_local_max_refinements, options.ba_global_max_refinements = 1, 2
        # No limit of time here, but for the stage: what a clock cuts short differs between runs.
        if self.low_contrast:
            options.min_num_matches = 12
            options.mapper.init_min_num_inliers = 40
            options.mapper.abs_pose_min_num_inliers = 15
        out = self.folder / "models"
        out.mkdir(exist_ok=True)
        try:
            models = pycolmap.incremental_mapping(self.database, self.images, out, options=options)
        except ValueError as exc:  # a check of COLMAP's own, on what these frames gave
            raise SfmError(str(exc)) from exc
        if not models:
            raise SfmError("no pair of frames to start from")
        return max(models.values(), key=lambda m: (m.num_reg_images(), m.num_points3D()))


def pairs_to_match(
    indices: list[int], config: PoseConfig, *, closed: bool = True
) -> list[tuple[int, int]]:
    """Pairs of frames worth matching: all of few frames, else a band of neighbours.

    Args:
        indices: Indices of the frames, in order.
        config: Parameters of the stage.
        closed: Whether the first frames are neighbours of the last.
    """
    n = len(indices)
    if n <= config.exhaustive_below:
        return [(indices[i], indices[j]) for i in range(n) for j in range(i + 1, n)]
    chosen = {
        tuple(sorted((i, (i + offset) % n)))
        for i in range(n)
        for offset in config.match_offsets
        if offset % n and (closed or i + offset < n)
    }
    return [(indices[i], indices[j]) for i, j in sorted(chosen)]


def _observations(images: Sequence[Any], points: Sequence[Any]) -> Observations:
    """Where points of COLMAP are seen in its images, numbered as they come."""
    position = {image.image_id: k for k, image in enumerate(images)}
    pixels = [np.array([p.xy for p in image.points2D]).reshape(-1, 2) for image in images]
    found = np.array(
        [
            (position[e.image_id], number, e.point2D_idx)
            for number, point in enumerate(points)
            for e in point.track.elements
        ],
        dtype=np.int64,
    ).reshape(-1, 3)
    frame, number, feature = found.T
    offsets = np.cumsum([0, *map(len, pixels)])[:-1]
    every = np.concatenate([np.empty((0, 2)), *pixels])
    return Observations(frame, number, every[offsets[frame] + feature])


def _image_size(path: Path) -> tuple[int, int]:
    height, width = read_grey(path).shape
    return width, height


def _silence_colmap() -> None:
    """Log fatal errors only: COLMAP returns all else that it logs."""
    pycolmap.logging.minloglevel = int(pycolmap.logging.Level.FATAL)
