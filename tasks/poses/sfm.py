"""Structure from motion with pycolmap on the CPU.

Source: Schönberger and Frahm, Structure-from-motion revisited, CVPR 2016.

OpenCV must be loaded before pycolmap 4.2 in a process, as the imports below do: both carry zlib,
and the other way round writing a PNG ends the process.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2  # noqa: F401  before pycolmap, as said above
import numpy as np
import pycolmap
from numpy.typing import NDArray

from configs.stages import PoseConfig
from tasks.geometry.camera import Camera
from tasks.imaging.images import read_grey

FloatArray = NDArray[np.float64]


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
        cameras: Registered frames.
        points: ``(P, 3)`` world, sparse points.
        error_px: Mean reprojection error.
    """

    cameras: dict[int, Camera]
    points: FloatArray
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
    """

    def __init__(
        self,
        frame_paths: dict[int, Path],
        folder: Path,
        config: PoseConfig,
        mask_paths: dict[int, Path] | None = None,
        *,
        low_contrast: bool = False,
    ) -> None:
        _silence_colmap()
        self.config = config
        self.indices = sorted(frame_paths)
        self.threads = config.num_threads or os.cpu_count() or 1
        self.folder = folder
        self.database = folder / "features.db"
        self.images = folder / "images"
        self.masked, self.low_contrast = mask_paths is not None, low_contrast
        shutil.rmtree(folder, ignore_errors=True)
        self.images.mkdir(parents=True)
        self.names = {i: f"{i:06d}{frame_paths[i].suffix}" for i in self.indices}
        for i, name in self.names.items():
            (self.images / name).symlink_to(frame_paths[i].resolve())
        self._extract(mask_paths)

    def _extract(self, mask_paths: dict[int, Path] | None) -> None:
        sizes = {_image_size(self.images / n) for n in self.names.values()}
        reader = pycolmap.ImageReaderOptions()
        reader.camera_model = "SIMPLE_PINHOLE"
        reader.default_focal_length_factor = 0.5 / np.tan(np.radians(self.config.prior_fov_deg) / 2)
        if mask_paths is not None:
            masks = self.folder / "masks"
            masks.mkdir()
            for i, name in self.names.items():
                (masks / f"{name}.png").symlink_to(mask_paths[i].resolve())
            reader.mask_path = masks
        options = pycolmap.FeatureExtractionOptions()
        options.num_threads = self.threads
        options.max_image_size = max(self.config.feature_size_px, 1)
        options.sift.max_num_features = self.config.max_features
        if self.low_contrast:
            options.sift.peak_threshold /= 3.0
        one_camera = len(sizes) == 1
        mode = pycolmap.CameraMode.SINGLE if one_camera else pycolmap.CameraMode.PER_IMAGE
        names = list(self.names.values())
        # Number the images here: extraction numbers them in the order in which its threads are done
        # with them, and all later sums run in the order of these numbers.
        pycolmap.Database.open(self.database).close()  # makes it
        pycolmap.import_images(
            self.database, self.images, camera_mode=mode, image_names=names, options=reader
        )
        pycolmap.extract_features(
            self.database,
            self.images,
            image_names=names,
            camera_mode=mode,
            reader_options=reader,
            extraction_options=options,
            device=pycolmap.Device.cpu,
        )

    def match(self, pairs: list[tuple[int, int]]) -> None:
        """Match and verify pairs of frames; pairs done before are not matched again."""
        listing = self.folder / "pairs.txt"
        listing.write_text("".join(f"{self.names[a]} {self.names[b]}\n" for a, b in pairs))
        matching = pycolmap.FeatureMatchingOptions()
        matching.num_threads = self.threads
        pairing = pycolmap.ImportedPairingOptions()
        pairing.match_list_path = listing
        geometry = pycolmap.TwoViewGeometryOptions()
        geometry.ransac.random_seed = self.config.seed
        geometry.min_num_inliers = 12 if self.low_contrast else 15
        geometry.filter_stationary_matches = self.masked  # what the fixed camera sees at rest
        geometry.stationary_matches_max_error = 1.5
        pycolmap.match_image_pairs(
            self.database,
            matching_options=matching,
            pairing_options=pairing,
            verification_options=geometry,
            device=pycolmap.Device.cpu,
        )

    def raw_matches(self, pairs: list[tuple[int, int]]) -> list[Matches]:
        """The matches of these pairs before any geometric test."""
        found: list[Matches] = []
        with pycolmap.Database.open(self.database) as db:
            ids = {im.name: im.image_id for im in db.read_all_images()}
            for a, b in pairs:
                first, second = ids[self.names[a]], ids[self.names[b]]
                if not db.exists_matches(first, second):
                    continue
                match = np.asarray(db.read_matches(first, second)).reshape(-1, 2)
                points_a = np.asarray(db.read_keypoints(first), dtype=np.float64)[:, :2]
                points_b = np.asarray(db.read_keypoints(second), dtype=np.float64)[:, :2]
                found.append(Matches(a, b, points_a[match[:, 0]], points_b[match[:, 1]]))
        return found

    def reconstruct(self) -> Reconstruction:
        """Cameras and points of the largest model.

        Raises:
            SfmError: Where no model was found; it says why.
        """
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
        # No limit of time here, but for the stage: what a clock cuts short differs between runs.
        if self.low_contrast:
            options.min_num_matches = 12
            options.mapper.init_min_num_inliers = 40
            options.mapper.abs_pose_min_num_inliers = 15
        out = self.folder / "models"
        out.mkdir(exist_ok=True)
        try:
            models = pycolmap.incremental_mapping(self.database, self.images, out, options=options)
        except (RuntimeError, ValueError) as exc:
            raise SfmError(str(exc)) from exc
        if not models:
            raise SfmError("no pair of frames to start from")
        best = max(models.values(), key=lambda m: (m.num_reg_images(), m.num_points3D()))
        by_name = {n: i for i, n in self.names.items()}
        cameras = {by_name[im.name]: _camera(im) for im in best.images.values() if im.has_pose}
        points = np.array([p.xyz for p in best.points3D.values()]).reshape(-1, 3)
        return Reconstruction(
            dict(sorted(cameras.items())), points, float(best.compute_mean_reprojection_error())
        )


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


def _camera(image: Any) -> Camera:
    pose = image.cam_from_world()
    intrinsics = image.camera
    return Camera(
        fx=float(intrinsics.focal_length_x),
        fy=float(intrinsics.focal_length_y),
        cx=float(intrinsics.principal_point_x),
        cy=float(intrinsics.principal_point_y),
        width=int(intrinsics.width),
        height=int(intrinsics.height),
        rotation=np.asarray(pose.rotation.matrix(), dtype=np.float64),
        translation=np.asarray(pose.translation, dtype=np.float64),
    )


def _image_size(path: Path) -> tuple[int, int]:
    height, width = read_grey(path).shape
    return width, height


def _silence_colmap() -> None:
    """Log fatal errors only: COLMAP returns all else that it logs."""
    pycolmap.logging.minloglevel = int(pycolmap.logging.Level.FATAL)
