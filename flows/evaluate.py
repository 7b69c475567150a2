"""Evaluate the whole pipeline on videos with known geometry: ``python -m flows.evaluate``.

Every subject is filmed in several kinds: an easy orbit, a phone's walk in a workshop, a spin, a
turntable, one face. Each film goes through the same flow that a user runs, background removal
included. Beside the fused mesh of an easy film stand every single view, a plain annulus and the
visual hull. Stopped at any point, an evaluation goes on where it was: videos, artifacts and scores
that exist are taken, unless what they depend on has changed.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import time
from pathlib import Path
from typing import Any

import numpy as np
from prefect import flow, task

from configs.evaluation import EvaluationRequest
from configs.options import add_options, parse_options
from configs.request import ReconstructRequest
from configs.settings import Settings
from configs.stages import MESH_STAGE, StageName
from flows.reconstruct import reconstruct
from tasks.core.digests import canonical, sha256_of
from tasks.core.errors import Tyre3dError
from tasks.evaluation import run, subjects
from tasks.evaluation.report import portrait, write_report
from tasks.evaluation.scores import keep_scores, kept_scores, write_json
from tasks.evaluation.subjects import Subject, subjects_of
from tasks.evaluation.truth import truth_of
from tasks.network.weights import choose_model
from tasks.stages.code_version import code_version
from tasks.storage.artifacts import open_store
from tasks.synthetic.scenes.truth import read_truth, truth_path

_log = logging.getLogger("tyre3d")


@task(name="film subject", task_run_name="film {subject.name}")
def film(subject: Subject, request: EvaluationRequest) -> Path:
    """The video of a subject, rendered unless it is there."""
    return subjects.film(
        subject, request.out / "videos", num_frames=request.frames, motion=request.motion
    )


@task(name="score subject", task_run_name="score {subject.name}")
def score(
    subject: Subject,
    request: EvaluationRequest,
    video: Path,
    metadata: dict[str, Any],
    seconds: float,
) -> dict[str, Any]:
    """Scores of a finished reconstruction; those of the same one are taken as they are.

    Args:
        subject: What was filmed.
        request: The evaluation.
        video: Its video, with the truth beside it.
        metadata: What the reconstruction returned.
        seconds: Time that it took; the scores keep that of the first.
    """
    settings = Settings()
    chosen = choose_model(request.model, settings.models_dir)
    depends_on = {
        "code": code_version(run.__name__),
        "stages": {s["stage"]: s["uri"] for s in metadata["stages"]},
        "model": chosen.digest,
        "truth": sha256_of(truth_path(video)),
        "wheel": sha256_of(subject.file) if subject.file else code_version(subjects.__name__),
    }
    key = hashlib.sha256(canonical(depends_on)).hexdigest()
    path = request.out / "scores" / f"{subject.name}.json"
    known = kept_scores(path, key)
    if known is not None:
        return known
    store = open_store(settings)
    merged = run.artifact_of(store, metadata, MESH_STAGE)
    portrait(subject.name, merged, run.artifact_of(store, metadata, StageName.EXTRACT), request.out)
    wheel = subject.build()
    filmed = run.Filmed(wheel, truth_of(wheel), video, read_truth(video))
    mesh = request.out / "meshes" / f"{subject.name}.glb"
    found = run.score_run(mesh, metadata, store, chosen, filmed, baselines=subject.kind == "easy")
    scores = {**_label(subject), "seconds": seconds, **found}
    keep_scores(path, key, scores)
    return scores


def _label(subject: Subject) -> dict[str, Any]:
    """What the scores of a subject begin with."""
    capture = subject.capture or subject.kind
    return {
        "name": subject.name, "seed": subject.seed, "kind": subject.kind, "capture": capture
    }  # fmt: skip


def evaluate_subject(subject: Subject, request: EvaluationRequest) -> dict[str, Any]:
    """Film, reconstruct and score one subject; a reconstruction that fails is a score, too."""
    video = film(subject, request)
    started = time.perf_counter()
    try:
        metadata = reconstruct(
            ReconstructRequest(
                input=video,
                glb_path=(request.out / "meshes" / f"{subject.name}.glb").absolute(),
                preset=request.preset,
                model=request.model,
                session=request.session,
                diameter_mm=1000 * read_truth(video).diameter,
            ),
            subject.name,
        )
    except Tyre3dError as exc:
        return {**_label(subject), "error": str(exc)}
    return score(subject, request, video, metadata, time.perf_counter() - started)


@flow(name="evaluate", log_prints=False)
def evaluate(request: EvaluationRequest) -> list[dict[str, Any]]:
    """Evaluate the pipeline; the report lies in the request's folder.

    Args:
        request: The subjects, and how they are filmed and reconstructed.

    Returns:
        The scores of every subject, or why it has none.
    """
    (request.out / "meshes").mkdir(parents=True, exist_ok=True)
    results: list[dict[str, Any]] = []
    for subject in subjects_of(request):
        results.append(evaluate_subject(subject, request))
        _log_result(results[-1])
        write_json(request.out / "results.json", results)
    if results:
        write_report(results, request.out)
    return results


def _log_result(result: dict[str, Any]) -> None:
    if "error" in result:
        _log.warning("%s: %s", result["name"], result["error"])
        return
    fused = result["fused"]["aligned"]
    _log.info("%s: chamfer %.2f %%, F2 %.3f", result["name"], fused["chamfer"], fused["f2"])


@flow(name="film-subjects", log_prints=False)
def film_subjects(request: EvaluationRequest) -> None:
    """Render the videos of an evaluation and stop."""
    for subject in subjects_of(request):
        film(subject, request)


def main() -> None:
    """Evaluate on test seeds, validation seeds, or the wheels of a folder, in kinds of film."""
    parser = argparse.ArgumentParser(prog="python -m flows.evaluate", description=main.__doc__)
    add_options(parser, EvaluationRequest)
    parser.add_argument("--videos-only", action="store_true", help="render the videos and stop")
    options = parser.parse_args()
    request = parse_options(parser, options, EvaluationRequest)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    (film_subjects if options.videos_only else evaluate)(request)


if __name__ == "__main__":
    np.seterr(all="ignore")
    main()
