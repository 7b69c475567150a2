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
from pathlib import Path
from typing import Any

import numpy as np
import trimesh

from configs.request import ReconstructRequest
from configs.settings import Settings
from flows.reconstruct import reconstruct
from tasks.core.errors import Tyre3dError
from tasks.evaluation.report import portrait, write_report
from tasks.evaluation.run import artifact_of, score_run
from tasks.evaluation.truth import truth_of
from tasks.network.weights import choose_model
from tasks.storage.artifacts import open_store
from tasks.synthetic.scenes.video import make_orbit_video, read_truth, truth_path
from tasks.synthetic.tyres.imported_wheels import ImportedWheel, from_trimesh
from tasks.synthetic.tyres.spec import TEST_SEEDS, VALIDATION_SEEDS
from tasks.synthetic.tyres.tyre import Tyre, build_tyre, sample_spec

_log = logging.getLogger("tyre3d")


def subjects(options: argparse.Namespace) -> Iterator[tuple[str, int, Tyre | ImportedWheel]]:
    """Name, seed of the video and geometry of every subject asked for."""
    if options.wheels is not None:
        for number, path in enumerate(sorted(options.wheels.glob("*.glb"))):
            wheel = from_trimesh(trimesh.load_scene(path), diameter=0.66)
            yield path.stem, TEST_SEEDS[5000 + number], wheel
        return
    seeds = TEST_SEEDS if options.split == "test" else VALIDATION_SEEDS
    for seed in seeds[options.first : options.first + options.count]:
        yield f"{options.split}-{seed}", seed, build_tyre(sample_spec(seed))


def evaluate_subject(
    name: str, seed: int, wheel: Tyre | ImportedWheel, options: argparse.Namespace
) -> dict[str, Any]:
    """Film, reconstruct and score one subject."""
    settings = Settings()
    video = film(name, seed, wheel, options)
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
    store = open_store(settings)
    portrait(
        name,
        artifact_of(store, metadata, "merge"),
        artifact_of(store, metadata, "extract"),
        options.out,
    )
    chosen = choose_model(options.model, settings.models_dir)
    scores = score_run(glb, metadata, store, chosen, truth, read_truth(video))
    return {"name": name, "seed": seed, "seconds": seconds, **scores}


def film(name: str, seed: int, wheel: Tyre | ImportedWheel, options: argparse.Namespace) -> Path:
    """The video of a subject with its truth beside it, rendered unless it is there."""
    path: Path = options.out / "videos" / f"{name}.mp4"
    if not truth_path(path).exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        make_orbit_video(seed, path, num_frames=options.frames, motion=options.motion, wheel=wheel)
    return path


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
            film(name, seed, wheel, options)
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
