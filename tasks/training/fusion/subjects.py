"""Training data for the fusing network: filmed tyres, their evidence, and what is true.

Every subject runs through the same functions as a user's video, with two short cuts: cameras are
the true ones with the errors that structure from motion leaves, and there is no flow around it.
``NNNNNNN.channels.npy`` ``(C, R, T, Z)`` float16 and ``NNNNNNN.occupancy.npy`` ``(R, T, Z)`` uint8
(share of matter about each node, of 255), the latter written last.
"""

from __future__ import annotations

import argparse
import functools
import logging
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from configs.presets import BUNDLED_MODEL, DEFAULT_SESSION, Motion
from configs.settings import Settings
from configs.stages import InferConfig, MergeConfig, SelectConfig
from tasks.core.errors import Tyre3dError
from tasks.fusion.decision.network_inputs import evidence_channels
from tasks.fusion.evidence.fields import NetworkField
from tasks.fusion.merge import Gathered, gather
from tasks.fusion.views import TyrePlacement
from tasks.geometry.camera import Camera
from tasks.geometry.crop import CodedFrame
from tasks.imaging.images import write_image
from tasks.matting.matte import MatteSession
from tasks.matting.quality import Mask, clean_alpha
from tasks.matting.sessions import open_session
from tasks.network.inference import cut_out, infer_codes
from tasks.network.load import load_model
from tasks.network.weights import background_weights, choose_model
from tasks.poses.record import ObjectEstimate, PoseEstimate
from tasks.selection.choose import select_frames
from tasks.selection.scores import measure
from tasks.synthetic.scenes.video import make_orbit_video
from tasks.synthetic.tyres.random_wheels import build_random_wheel, random_look
from tasks.synthetic.tyres.spec import TRAIN_SEEDS
from tasks.synthetic.tyres.tyre import Tyre, build_tyre, sample_spec
from tasks.video.decode import all_frames
from tsr.system import TSR

_log = logging.getLogger("tyre3d")
FloatArray = NDArray[np.float64]

FIRST_SEED = TRAIN_SEEDS[700_000]
"""The bundled model was trained on seeds far below: on these it errs as it does on new tyres."""

RANDOM_WHEELS = 0.5
"""Share of mounted tyres that get a wheel of no known kind."""

MOTIONS: tuple[Motion, ...] = ("orbit", "free", "spin")
MOTION_SHARES = (0.84, 0.08, 0.08)


def build_subject(seed: int, detail: float = 1.0) -> Tyre:
    """The tyre of a seed, or one with a random wheel; ``detail`` as of a tyre's mesh."""
    rng = np.random.default_rng([seed, 11])
    spec = sample_spec(seed)
    if rng.random() >= RANDOM_WHEELS:
        return build_tyre(spec, detail=detail)
    return build_tyre(
        replace(spec, look=random_look(spec.look, rng)),
        detail=detail,
        rim=functools.partial(build_random_wheel, rng),
    )


def perturbed(camera: Camera, zoom: float, rng: np.random.Generator) -> Camera:
    """A camera with the errors that structure from motion leaves."""
    vector = np.radians(rng.normal(0.0, 0.03, 3))
    turn, _ = cv2.Rodrigues(vector)
    moved = camera.translation * zoom + rng.normal(0.0, 4e-4, 3) * np.linalg.norm(
        camera.translation
    )
    return replace(
        camera,
        fx=camera.fx * zoom,
        fy=camera.fy * zoom,
        rotation=turn @ camera.rotation,
        translation=moved,
    )


def perturbed_estimate(tyre: Tyre, rng: np.random.Generator) -> ObjectEstimate:
    """The tyre with the errors of position, axle and size that the pose stage leaves."""
    tilt = np.radians(rng.normal(0.0, 0.15, 2))
    axle = np.array([tilt[0], tilt[1], 1.0])
    return ObjectEstimate(
        centre=rng.normal(0.0, 0.003, 3) * tyre.diameter,
        axle=axle / np.linalg.norm(axle),
        up=np.array([0.0, 1.0, 0.0]),
        radius=0.5 * tyre.diameter * float(np.exp(rng.normal(0.0, 0.004))),
        half_width=0.5 * tyre.width * float(np.exp(rng.normal(0.0, 0.02))),
    )


def film_and_gather(
    tyre: Tyre, seed: int, model: TSR, session: MatteSession, folder: Path
) -> Gathered:
    """Film a tyre and bring all evidence of it into one grid.

    Args:
        tyre: The tyre, from :func:`build_subject`.
        seed: Seed of everything else.
        model: The bundled model.
        session: Session that removes backgrounds.
        folder: Folder for the frames; may be removed afterwards.
    """
    rng = np.random.default_rng([seed, 12])
    motion = MOTIONS[int(rng.choice(len(MOTIONS), p=MOTION_SHARES))]
    video = folder / "video.mp4"
    truth = make_orbit_video(
        seed,
        video,
        num_frames=int(rng.integers(26, 40)),
        motion=motion,
        wheel=tyre,
        samples=2,  # half of the time goes into light
    )
    images = list(all_frames(video))
    mattes = [clean_alpha(m.alpha) for m in session.matte(images)]
    frames, alphas, masks = {}, {}, []
    for k, (image, (alpha, figures)) in enumerate(zip(images, mattes, strict=True)):
        frames[k], alphas[k] = folder / f"{k}.png", folder / f"{k}.alpha.png"
        write_image(frames[k], image, [cv2.IMWRITE_PNG_COMPRESSION, 1])
        write_image(alphas[k], alpha, [cv2.IMWRITE_PNG_COMPRESSION, 1])
        refused = "" if figures["area"] > 0.005 else "empty"
        masks.append(
            Mask(k, alphas[k].name, peak=1.0, from_source=False, refused=refused, **figures)
        )
    zoom = float(np.exp(rng.normal(0.0, 0.003)))
    poses = PoseEstimate(
        method="truth, perturbed",
        motion="free",
        cameras={k: perturbed(c, zoom, rng) for k, c in enumerate(truth.cameras)},
        tyre=perturbed_estimate(tyre, rng),
    )
    scores = {m.index: measure(images[m.index], mattes[m.index][0]) for m in masks if m.usable}
    selecting = SelectConfig(num_frames=int(rng.choice([4, 6, 8, 8, 8, 8, 12])))
    taken = select_frames(masks, scores, poses, selecting).chosen
    crops = {m.index: m.crop for m in masks}
    coded = [CodedFrame(i, crop) for i in taken if (crop := crops[i]) is not None]
    side = model.cfg.cond_image_size
    cuts = [cut_out(images[f.index], mattes[f.index][0], f.crop, side) for f in coded]
    codes = infer_codes(model, cuts, "cpu", InferConfig())
    fields = {f.index: NetworkField(model, code) for f, code in zip(coded, codes, strict=True)}
    usable: Mapping[int, Path] = {m.index: alphas[m.index] for m in masks if m.usable}
    config = MergeConfig(diameter_mm=1000.0 * tyre.diameter)
    return gather(fields, coded, poses, frames, usable, config)


def occupancy(tyre: Tyre, gathered: Gathered) -> NDArray[np.uint8]:
    """Share of matter about every node of the grid, ``(R, T, Z)``, of 255."""
    grid = gathered.evidence.grid

    def inside(points: FloatArray) -> NDArray[np.bool_]:
        return tyre.contains(_to_world(gathered.placement, points))

    nodes = grid.points().astype(np.float64)
    solid = inside(nodes).reshape(grid.shape)
    count = np.zeros(grid.shape, np.uint8)
    for axis in range(3):
        for way in (1, -1):
            count += np.roll(solid, way, axis=axis) != solid
    edge = np.flatnonzero((count > 0).ravel())
    out = np.where(solid, 255, 0).astype(np.uint8).ravel()
    r, t, z = np.unravel_index(edge, grid.shape)
    pitch = 2 * np.pi / len(grid.angles)
    total = np.zeros(len(edge))
    for dr in (-0.25, 0.25):
        for dt in (-0.25, 0.25):
            for dz in (-0.25, 0.25):
                radius = np.abs(grid.radii[r] + dr * grid.step)
                angle = grid.angles[t] + dt * pitch
                height = grid.heights[z] + dz * grid.step
                at = np.stack([radius * np.cos(angle), radius * np.sin(angle), height], axis=1)
                total += inside(at)
    out[edge] = np.rint(total * (255 / 8))
    return out.reshape(grid.shape)


def _to_world(placement: TyrePlacement, points: FloatArray) -> FloatArray:
    return np.asarray(points / placement.scale @ placement.axes + placement.centre)


def main() -> None:
    """Make subjects until stopped or done; those that exist are skipped."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--every", type=int, default=1, help="take every n-th: for n processes")
    parser.add_argument("--only", choices=("bare", "mounted"), help="tyres without or with a rim")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    options.folder.mkdir(parents=True, exist_ok=True)
    seeds = [FIRST_SEED + n for n in range(options.first, options.count, options.every)]
    missing = [s for s in seeds if not (options.folder / f"{s}.occupancy.npy").exists()]
    if options.only is not None:
        missing = [s for s in missing if (sample_spec(s).rim is None) == (options.only == "bare")]
    if not missing:  # then the weights of the background removal need not be here
        return
    torch.set_num_threads(1)
    settings = Settings()
    chosen = choose_model(BUNDLED_MODEL, settings.models_dir)
    model = load_model(chosen.folder, chosen.weight_name, chosen.digest, "cpu")
    weights = background_weights(DEFAULT_SESSION, settings.models_dir)
    session = open_session(DEFAULT_SESSION, weights)
    for seed in missing:
        done = options.folder / f"{seed}.occupancy.npy"
        started = time.perf_counter()
        tyre = build_subject(seed)
        with tempfile.TemporaryDirectory() as scratch:
            try:
                gathered = film_and_gather(tyre, seed, model, session, Path(scratch))
            except Tyre3dError as exc:
                _log.warning("%d: %s", seed, exc)
                continue
        channels = evidence_channels(gathered.evidence, gathered.fit.profile.radius)
        np.save(options.folder / f"{seed}.channels.npy", channels.astype(np.float16))
        part = done.with_suffix(".part.npy")
        np.save(part, occupancy(tyre, gathered))
        part.replace(done)
        _log.info("%d: %s, %.0f s", seed, channels.shape, time.perf_counter() - started)


if __name__ == "__main__":
    np.seterr(all="ignore")
    main()
