"""Try the verdict on sound and spoiled films: ``python -m flows.try_verdict VIDEO... --out DIR``.

Of every video the frames and masks are taken once and made into sound and spoiled films
(:mod:`tasks.evaluation.spoiled`), which then go through the flow that a user runs. Where the truth
about a video lies beside it, poses and mesh are measured against it: a verdict is not right because
nothing was spoiled. Stopped at any point, it goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from configs.presets import DEFAULT_SESSION
from configs.request import ReconstructRequest
from configs.settings import Settings
from configs.stages import ExtractConfig, InspectConfig, MaskConfig, StageName
from flows.reconstruct import reconstruct
from tasks.core.errors import Tyre3dError
from tasks.evaluation.metrics import Truth
from tasks.evaluation.run import artifact_of, score_mesh
from tasks.evaluation.spoiled import DEFECTS, SOUND, Film, origins, write_film
from tasks.evaluation.truth import truth_of
from tasks.geometry.camera import Camera
from tasks.imaging.images import read_image, read_mask
from tasks.matting.quality import Masks
from tasks.matting.removal import remove_backgrounds
from tasks.matting.sessions import open_session
from tasks.network.weights import BackgroundWeights
from tasks.poses.record import PoseEstimate
from tasks.storage.artifacts import open_store
from tasks.synthetic.scenes.truth import VideoTruth, read_truth, truth_path
from tasks.synthetic.tyres.tyre import Tyre, build_tyre, sample_spec
from tasks.verdict.decide import GUESSES
from tasks.verdict.film_measures import glimpse_of, movement_of
from tasks.verdict.first_word import first_word
from tasks.verdict.record import Judgement
from tasks.video.extraction import extract_frames
from tasks.video.frames import evenly

_log = logging.getLogger("tyre3d")


MOST_CHAMFER = 2.5
"""Per cent of the diameter beyond which no mesh may pass."""


@dataclass(frozen=True)
class Source:
    """A sound film, and what is known of it.

    Args:
        film: Its frames.
        numbers: Number of each in the video.
        truth: The truth about the video; None where it is not known.
    """

    film: Film
    numbers: tuple[int, ...]
    truth: VideoTruth | None

    def cameras(self, kind: str) -> list[Camera | None]:
        """True cameras of the frames of a changed film, in the tyre's frame."""
        known = [None if self.truth is None else self.truth.cameras[n] for n in self.numbers]
        return [None if k is None else known[k] for k in origins(kind, len(known))]


def source_of(video: Path, folder: Path, count: int, height_px: int) -> Source:
    """Frames of a video with their masks as transparency.

    Args:
        video: The video.
        folder: Where frames and masks are kept; those that exist are taken.
        count: Number of frames.
        height_px: Height to which they are reduced.
    """
    done = folder / "film.npz"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)  # what was stopped half-way
        folder.mkdir(parents=True)
        frames = extract_frames(video, folder, ExtractConfig(max_candidates=count))
        weights = BackgroundWeights(DEFAULT_SESSION, Settings().models_dir)
        session = open_session(DEFAULT_SESSION, weights.path(), "auto")
        masks = Masks(folder, tuple(remove_backgrounds(frames, folder, session, MaskConfig())))
        film = []
        numbers = [int(frames.candidates[i].source) for i in masks.paths()]
        for index, alpha in masks.paths().items():
            whole = np.dstack([read_image(frames.path(index)), read_mask(alpha)])
            width = round(whole.shape[1] * height_px / whole.shape[0])
            film.append(cv2.resize(whole, (width, height_px), interpolation=cv2.INTER_AREA))
        part = folder / "part.npz"
        np.savez_compressed(part, film=np.stack(film), numbers=numbers)
        part.replace(done)
    truth = read_truth(video) if truth_path(video).exists() else None
    with np.load(done) as arrays:
        return Source(list(arrays["film"]), tuple(map(int, arrays["numbers"])), truth)


def first_word_on(film: Film) -> Judgement:
    """What the stage *inspect* says of a film."""
    config = InspectConfig()
    looked_at = [film[k] for k in evenly(len(film), config.looked_at)]
    glimpses = [glimpse_of(f[..., :3].copy(), f[..., 3].copy()) for f in looked_at]
    thumbs = [cv2.resize(f[..., :3], None, fx=0.125, fy=0.125) for f in film]
    return first_word(glimpses, movement_of([np.asarray(t, np.uint8) for t in thumbs]), config)


def judged_at_once(film: Film) -> dict[str, Any] | None:
    """What the first word doubts and no mesh would take away; None where a mesh has to tell."""
    word = first_word_on(film)
    if all(reason.code in GUESSES for reason in word.reasons):
        return None
    return {
        "verdict": word.verdict,
        "codes": [reason.code for reason in word.reasons],
        "told": "; ".join(reason.message for reason in word.reasons),
        "evidence": dict(word.evidence),
    }


def outcome(name: str, kind: str, film: Film, source: Source, out: Path) -> dict[str, Any]:
    """Verdict and codes of a film that goes through the flow; an error is an outcome, too.

    Args:
        name: The film's name.
        kind: What was changed in it.
        film: Its frames.
        source: What it was made of.
        out: Where film and mesh go.
    """
    folder, glb = out / "films" / name, (out / f"{name}.glb").absolute()
    write_film(film, folder)
    request: dict[str, Any] = {"input": folder, "glb_path": glb, "preset": "fast"}
    if source.truth is not None:
        request["diameter_mm"] = 1000.0 * source.truth.diameter
    try:
        metadata = reconstruct(ReconstructRequest.model_validate(request), name)
    except Tyre3dError as exc:
        codes = [exc.code, *(reason.code for reason in first_word_on(film).reasons)]
        return {"verdict": exc.code, "codes": codes, "told": str(exc)}
    return {
        "verdict": metadata["verdict"],
        "codes": [reason["code"] for reason in metadata["reasons"]],
        "told": "; ".join(reason["message"] for reason in metadata["reasons"]),
        "evidence": metadata["evidence"],
        "seconds": {s["stage"]: s["made_s"] for s in metadata["stages"]},
        "scores": scores_of(glb, metadata, source, kind),
    }


def scores_of(glb: Path, metadata: dict[str, Any], source: Source, kind: str) -> dict[str, Any]:
    """Errors of cameras and mesh; empty where the truth is not known, or of no frame with a pose.

    Args:
        glb: The mesh.
        metadata: What its run wrote.
        source: What its film was made of.
        kind: What was changed in the film.
    """
    if source.truth is None:
        return {}
    store, known = open_store(Settings()), source.cameras(kind)
    poses = PoseEstimate.read(artifact_of(store, metadata, StageName.ESTIMATE_POSES))
    cameras = {}
    for frame in artifact_of(store, metadata, StageName.EXTRACT).record["frames"]:
        camera = known[int(Path(frame["source"]).stem)]
        if camera is not None:
            cameras[int(frame["index"])] = camera.resized(frame["width"], frame["height"])
    if not set(cameras) & set(poses.cameras):
        return {}
    wheel, truth = _wheel_of(source.truth.seed)
    found, seen, fused = score_mesh(glb, poses, cameras, wheel, truth)
    return {
        "method": poses.method,
        "motion": poses.motion,
        **found.to_dict(),
        "chamfer": fused["aligned"]["chamfer"],
        "f2": fused["aligned"]["f2"],
        "seen_chamfer": fused["seen_side"]["chamfer"],
        "seen_f2": fused["seen_side"]["f2"],
        "width_percent": fused["width_percent"],
        "seen_share": float(seen.mean()),
    }


@lru_cache(maxsize=2)
def _wheel_of(seed: int) -> tuple[Tyre, Truth]:
    """The tyre of a seed, and samples of its surface."""
    wheel = build_tyre(sample_spec(seed))
    return wheel, truth_of(wheel)


def plan(
    kinds: Sequence[str], names: Sequence[str], each: int | None = None
) -> list[tuple[str, str]]:
    """Kind and video of the films to make: sound ones of every video, and as many spoiled ones.

    Faults take the videos in turn; without sound kinds every fault is tried once.

    Args:
        kinds: Kinds to try, sound and spoiled.
        names: The videos' names.
        each: Sound kinds of a video, the first and others in turn; None for all.
    """
    sound_kinds = [kind for kind in kinds if kind in SOUND]
    others = sound_kinds[1:]
    sound = [(kind, name) for kind in sound_kinds[:1] for name in names]
    for turn in range(len(sound_kinds[:each]) - 1):
        sound += [(others[(turn + n) % len(others)], name) for n, name in enumerate(names)]
    defects = [kind for kind in kinds if kind in DEFECTS]
    every = [
        (kind, names[(n + turn) % len(names)])
        for turn in range(len(names))
        for n, kind in enumerate(defects)
    ]
    return [*sound, *every[: max(len(sound), len(defects))]]


def report(results: Sequence[dict[str, Any]]) -> str:
    """The results as a table of Markdown, with counts below it.

    Where the truth is known: rotation error in degrees, Chamfer distance in per cent of the
    diameter, and the same over what the film shows.
    """
    lines = [
        "| film | spoiled by | verdict | reasons | rotation | Chamfer, seen | right | named |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for r in results:
        named = {True: "yes", False: "no", None: ""}[r["named"]]
        right = "yes" if r["right"] else "**no**"
        codes, scores = ", ".join(r["codes"]), r.get("scores") or {}
        turned = f"{scores['rotation_deg']:.2f}" if scores else ""
        chamfer = f"{scores['chamfer']:.2f}, {scores['seen_chamfer']:.2f}" if scores else ""
        lines.append(
            f"| {r['film']} | {r['kind']} | {r['verdict']} | {codes} | {turned} | {chamfer} "
            f"| {right} | {named} |"
        )
    right = sum(r["right"] for r in results)
    kinds = {r["kind"] for r in results if r["named"]}
    off = [r for r in results if r["verdict"] == "pass" and is_off(r)]
    lines += [
        "",
        f"{right} of {len(results)} right; the right reason for {len(kinds)} kinds; "
        f"{len(off)} passed beyond {MOST_CHAMFER} %.",
    ]
    return "\n".join(lines) + "\n"


def is_off(result: dict[str, Any]) -> bool:
    """Whether a mesh lies so far from the truth that it must not pass."""
    return bool((result.get("scores") or {}).get("chamfer", 0.0) > MOST_CHAMFER)


def main() -> None:
    """Make sound and spoiled films of videos, judge them, and write a table."""
    parser = argparse.ArgumentParser(prog="python -m flows.try_verdict", description=main.__doc__)
    parser.add_argument("videos", type=Path, nargs="+", metavar="VIDEO")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--frames", type=int, default=24, help="of a film (default: 24)")
    parser.add_argument("--height-px", type=int, default=360, help="of a frame (default: 360)")
    parser.add_argument(
        "--kinds", nargs="+", choices=[*SOUND, *DEFECTS], default=[*SOUND, *DEFECTS], metavar="KIND"
    )
    parser.add_argument(
        "--each", type=int, metavar="N", help="sound kinds of a video, taken in turn (default: all)"
    )
    parser.add_argument(
        "--short", action="store_true", help="make no mesh of films that the first word doubts"
    )
    parser.add_argument("--again", action="store_true", help="judge anew what was judged wrongly")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    sources = {
        video.stem: source_of(
            video, options.out / "bases" / video.stem, options.frames, options.height_px
        )
        for video in options.videos
    }
    names = list(sources)
    path = options.out / "results.json"
    results: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []
    results = [r for r in results if r["right"] or not options.again]
    done = {(r["film"], r["kind"]) for r in results}
    films = [f for f in plan(options.kinds, names, options.each) if f[::-1] not in done]
    for kind, name, at_once in [
        *((*film, True) for film in films if options.short),
        *((*film, False) for film in films),
    ]:
        if (name, kind) in done:
            continue
        source, other = sources[name], sources[names[(names.index(name) + 1) % len(names)]]
        spoil = DEFECTS[kind].spoil if kind in DEFECTS else SOUND[kind]
        film, key = spoil(source.film, other.film), f"{name}-{kind.replace(' ', '-')}"
        found = judged_at_once(film) if at_once else outcome(key, kind, film, source, options.out)
        if found is None:
            continue
        sound = kind in SOUND
        named = None if sound else bool(DEFECTS[kind].named_by & set(found["codes"]))
        right = (found["verdict"] == "pass") is sound
        results.append({"film": name, "kind": kind, **found, "right": right, "named": named})
        done.add((name, kind))
        _log.info("%s, %s: %s %s", name, kind, found["verdict"], found["codes"])
        path.write_text(json.dumps(results, indent=1))
        (options.out / "table.md").write_text(report(results))


if __name__ == "__main__":
    main()
