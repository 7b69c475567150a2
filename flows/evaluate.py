"""Evaluate the whole pipeline on videos with known geometry: ``python -m flows.evaluate``.

Every subject goes from a rendered orbit video through the same flow that a user runs, background
removal included. Beside the fused mesh stand every single view, a plain annulus and the visual
hull.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import trimesh
from safetensors.torch import load_file

from configs.request import ReconstructRequest
from configs.settings import Settings
from flows.reconstruct import reconstruct
from tasks.errors import Tyre3dError
from tasks.evaluation.metrics import align_rigidly, score_surface
from tasks.evaluation.report import write_report
from tasks.evaluation.subject import (
    best_annulus,
    rotated,
    score_poses,
    score_result,
    single_view,
    true_cameras_of,
    visual_hull,
)
from tasks.evaluation.truth import truth_of
from tasks.export_glb import load_mesh
from tasks.infer_codes import coded_frames_of
from tasks.models import choose_model, load_model
from tasks.pictures import read_colour
from tasks.preview import render
from tasks.records import PoseEstimate
from tasks.remove_backgrounds import masks_of
from tasks.store import Artifact, open_store
from tasks.summary import contact_sheet
from tasks.synthetic.foreign import ForeignWheel, from_trimesh
from tasks.synthetic.spec import TEST_SEEDS, VALIDATION_SEEDS
from tasks.synthetic.tyre import Tyre, build_tyre, sample_spec
from tasks.synthetic.video import make_orbit_video, read_truth

_log = logging.getLogger("tyre3d")


def subjects(options: argparse.Namespace) -> Iterator[tuple[str, int, Tyre | ForeignWheel]]:
    """Name, seed of the video and geometry of every subject asked for."""
    if options.wheels is not None:
        for number, path in enumerate(sorted(options.wheels.glob("*.glb"))):
            wheel = from_trimesh(trimesh.load_scene(path), diameter=0.66)
            yield path.stem, TEST_SEEDS[5000 + number], wheel
        return
    seeds = TEST_SEEDS if options.split == "test" else VALIDATION_SEEDS
    for seed in seeds[options.first : options.first + options.count]:
        yield f"{options.split}-{seed}", seed, build_tyre(sample_spec(seed))


def artifact_of(settings: Settings, stages: list[dict[str, Any]], stage: str) -> Artifact:
    """The artifact that a stage left, from the metadata of a run."""
    store = open_store(settings)
    uri = next(s["uri"] for s in stages if s["stage"] == stage)
    found = store.find(stage, Path(uri).parent.name)
    if found is None:
        raise FileNotFoundError(uri)
    return store.open(found)


def portrait(name: str, merged: Artifact, frames: dict[str, Any], folder: Path, out: Path) -> None:
    """Write ``pictures/NAME.jpg``: two frames of the video above two views of the mesh."""
    mesh = load_mesh(merged.folder / "mesh.npz", merged.record)
    candidates = frames["frames"]
    shown = [read_colour(folder / candidates[k]["file"]) for k in (0, len(candidates) // 2)]
    shown += render(mesh, [(0.7, 0.4, side) for side in (1.0, -1.0)], 400)
    (out / "pictures").mkdir(parents=True, exist_ok=True)
    sheet = contact_sheet(shown, [name, "", "result", ""], columns=2)
    cv2.imwrite(str(out / "pictures" / f"{name}.jpg"), sheet)


def evaluate_subject(
    name: str, seed: int, wheel: Tyre | ForeignWheel, options: argparse.Namespace
) -> dict[str, Any]:
    """Film, reconstruct and score one subject."""
    settings = Settings()
    video = options.out / "videos" / f"{name}.mp4"
    if not video.with_name(f"{name}.truth.json").exists():
        video.parent.mkdir(parents=True, exist_ok=True)
        make_orbit_video(seed, video, num_frames=options.frames, motion=options.motion, wheel=wheel)
    known = read_truth(video)
    truth = truth_of(wheel)
    glb = options.out / "meshes" / f"{name}.glb"
    glb.parent.mkdir(parents=True, exist_ok=True)
    request = ReconstructRequest(
        input=video,
        glb_path=glb.absolute(),
        preset=options.preset,
        model=options.model,
        diameter_mm=1000 * truth.diameter,
    )
    started = time.perf_counter()
    try:
        metadata = reconstruct(request, name)
    except Tyre3dError as exc:
        return {"name": name, "seed": seed, "error": str(exc)}
    seconds = time.perf_counter() - started
    stages = metadata["stages"]
    extracted = artifact_of(settings, stages, "extract")
    frames = extracted.record
    masks = artifact_of(settings, stages, "remove-backgrounds")
    codes = artifact_of(settings, stages, "infer")
    poses = PoseEstimate.from_dict(artifact_of(settings, stages, "estimate-poses").record["poses"])
    cameras = true_cameras_of(known.cameras, frames["frames"])
    pose_scores = score_poses(poses, cameras)
    mesh = trimesh.load_mesh(glb)
    portrait(name, artifact_of(settings, stages, "merge"), frames, extracted.folder, options.out)
    chosen = choose_model(options.model, settings.models_dir)
    model = load_model(chosen.folder, chosen.weight_name, chosen.digest, "cpu")
    scene_codes = load_file(codes.folder / "codes.safetensors")["codes"]
    alphas = {m.index: masks.folder / m.file for m in masks_of(masks.record) if m.usable}
    hull = rotated(visual_hull(poses, alphas, truth.diameter), pose_scores.to_truth)
    ratio, ring = best_annulus(truth)
    return {
        "name": name,
        "seed": seed,
        "place": known.place,
        "seconds": seconds,
        "stages": {s["stage"]: s["seconds"] for s in stages},
        "poses": {
            "method": poses.method,
            "motion": poses.motion,
            "rotation_deg": pose_scores.rotation_deg,
            "axle_deg": pose_scores.axle_deg,
        },
        "silhouette_iou": metadata["figures"].get("silhouette_iou"),
        "fused": score_result(mesh, truth, pose_scores.to_truth),
        "single": [
            single_view(model, code, frame, cameras[frame.index], truth)
            for code, frame in zip(scene_codes, coded_frames_of(codes.record), strict=True)
        ],
        "annulus": {"inner_ratio": ratio, **asdict(ring)},
        "hull": {
            "posed": score_surface(hull, truth).to_dict(),
            "aligned": score_surface(align_rigidly(hull, truth), truth).to_dict(),
        },
    }


def main() -> None:
    """Evaluate on test seeds, validation seeds, or the wheels of a folder."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--split", choices=("test", "validation"), default="test")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument("--wheels", type=Path, help="a folder of GLB wheels instead of seeds")
    parser.add_argument("--frames", type=int, default=72, help="frames of each video")
    parser.add_argument("--motion", default="orbit", choices=("orbit", "spin", "handheld"))
    parser.add_argument("--preset", default="balanced")
    parser.add_argument("--model", default="tyre-mini")
    parser.add_argument("--out", type=Path, default=Path("work/eval"))
    parser.add_argument("--videos-only", action="store_true", help="render the videos and stop")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    results = []
    for name, seed, wheel in subjects(options):
        if options.videos_only:
            path = options.out / "videos" / f"{name}.mp4"
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.with_name(f"{name}.truth.json").exists():
                make_orbit_video(
                    seed, path, num_frames=options.frames, motion=options.motion, wheel=wheel
                )
            continue
        results.append(evaluate_subject(name, seed, wheel, options))
        line = results[-1]
        if "error" in line:
            _log.warning("%s: %s", name, line["error"])
        else:
            fused = line["fused"]["aligned"]
            _log.info("%s: chamfer %.2f %%, F2 %.3f", name, fused["chamfer"], fused["f2"])
        (options.out / "results.json").write_text(json.dumps(results, indent=1, default=float))
    if results:
        write_report(results, options.out)


if __name__ == "__main__":
    np.seterr(all="ignore")
    main()
