"""Evaluate comparisons on pairs of films with known change: ``python -m flows.evaluate_pairs``.

Every pair is filmed twice, new and used, in other rooms and on other paths, reconstructed and
compared by the same flows that a user runs, and scored. Stopped at any point, an evaluation goes on
where it was: films and artifacts that exist are taken, unless what they depend on has changed.
"""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
from prefect import flow, task

from configs.evaluation import PairsRequest
from configs.options import add_options, parse_options
from configs.request import CompareRequest
from configs.settings import Settings
from configs.stages import MESH_STAGE, StageName
from flows.compare import compare
from tasks.core.errors import Tyre3dError
from tasks.evaluation import pair_films
from tasks.evaluation.pair_films import Side, pairs_of
from tasks.evaluation.pair_report import write_pair_report
from tasks.evaluation.pairs import Stand, score_comparison, stand_of
from tasks.evaluation.run import artifact_of
from tasks.evaluation.score_subject import true_cameras_of
from tasks.evaluation.scores import write_json
from tasks.geometry.similarity import camera_moved
from tasks.mesh.merged import load_mesh
from tasks.poses.record import PoseEstimate
from tasks.storage.artifacts import ArtifactStore, open_store
from tasks.synthetic.scenes.truth import read_truth
from tasks.synthetic.tyres.pair_truth import truth_of_pair
from tasks.synthetic.tyres.pairs import Pair

_log = logging.getLogger("tyre3d")


@task(name="film pair", task_run_name="film {pair.name} {side}")
def film(pair: Pair, side: Side, request: PairsRequest) -> Path:
    """The video of one tyre of a pair, rendered unless it is there."""
    return pair_films.film_pair(pair, side, request)


def evaluate_pair(pair: Pair, request: PairsRequest) -> dict[str, Any]:
    """Film, compare and score one pair; a comparison that fails is a score, too."""
    videos = {side: film(pair, side, request) for side in ("new", "damaged")}
    truth = truth_of_pair(pair)
    folder = (request.out / "comparisons").absolute()
    label = {"name": pair.name, "seed": pair.seed, "kind": pair.kind}
    try:
        record = compare(
            CompareRequest(
                new=videos["new"],
                damaged=videos["damaged"],
                out_dir=folder,
                name=pair.name,
                preset=request.preset,
                model=request.model,
                session=request.session,
                diameter_mm=truth.diameter_mm,
            )
        )
    except Tyre3dError as exc:
        return {**label, "error": str(exc)}
    store = open_store(Settings())
    stands = [_stand(folder / f"{pair.name}.{side}.json", videos[side], store) for side in videos]
    return {**label, **score_comparison(record, truth, *stands)}


def _stand(metadata_file: Path, video: Path, store: ArtifactStore) -> Stand:
    """Where the mesh of a film stands in the frame of the tyre that was filmed."""
    metadata = json.loads(metadata_file.read_text())
    from_world = load_mesh(artifact_of(store, metadata, MESH_STAGE)).from_world
    poses = PoseEstimate.read(artifact_of(store, metadata, StageName.ESTIMATE_POSES))
    frames = artifact_of(store, metadata, StageName.EXTRACT).record["frames"]
    cameras = {i: camera_moved(c, from_world) for i, c in poses.cameras.items()}
    return stand_of(cameras, true_cameras_of(read_truth(video).cameras, frames))


@flow(name="evaluate-pairs", log_prints=False)
def evaluate_pairs(request: PairsRequest) -> list[dict[str, Any]]:
    """Evaluate comparisons; the card lies in the request's folder.

    Args:
        request: The pairs, and how they are filmed and compared.

    Returns:
        The scores of every pair, or why it has none.
    """
    request.out.mkdir(parents=True, exist_ok=True)
    results: list[dict[str, Any]] = []
    for pair in pairs_of(request):
        results.append(evaluate_pair(pair, request))
        _log.info("%s: %s", pair.name, results[-1].get("verdict") or results[-1]["error"])
        write_json(request.out / "results.json", results)
        write_pair_report(results, request.out)
    return results


@flow(name="film-pairs", log_prints=False)
def film_pairs(request: PairsRequest) -> None:
    """Render the videos of an evaluation and stop."""
    for pair in pairs_of(request):
        for side in ("new", "damaged"):
            film(pair, side, request)


def main() -> None:
    """Evaluate comparisons on pairs of films, of one tyre new and used, with known change."""
    parser = argparse.ArgumentParser(
        prog="python -m flows.evaluate_pairs", description=main.__doc__
    )
    add_options(parser, PairsRequest)
    parser.add_argument("--videos-only", action="store_true", help="render the videos and stop")
    options = parser.parse_args()
    request = parse_options(parser, options, PairsRequest)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    (film_pairs if options.videos_only else evaluate_pairs)(request)


if __name__ == "__main__":
    np.seterr(all="ignore")
    main()
