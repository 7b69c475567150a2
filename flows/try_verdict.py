"""Try the verdict on sound and spoiled films: ``python -m flows.try_verdict VIDEO... --out DIR``.

Of every video the frames and masks are taken once and made into sound and spoiled films
(:mod:`tasks.evaluation.spoiled`), which then go through the flow that a user runs. Stopped at any
point, it goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from configs.presets import DEFAULT_SESSION
from configs.request import ReconstructRequest
from configs.settings import Settings
from configs.stages import ExtractConfig, InspectConfig, MaskConfig
from flows.reconstruct import reconstruct
from tasks.core.errors import Tyre3dError
from tasks.evaluation.spoiled import FAULTS, SOUND, Film, write_film
from tasks.imaging.images import read_image, read_mask
from tasks.matting.quality import Masks
from tasks.matting.removal import remove_backgrounds
from tasks.matting.sessions import open_session
from tasks.network.weights import BackgroundWeights
from tasks.verdict.decide import GUESSES
from tasks.verdict.first_word import first_word
from tasks.verdict.glimpse import glimpse_of, movement_of
from tasks.verdict.record import Judgement
from tasks.video.extraction import extract_frames
from tasks.video.frames import evenly

_log = logging.getLogger("tyre3d")


def film_of(video: Path, folder: Path, count: int, height_px: int) -> Film:
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
        for index, alpha in masks.paths().items():
            whole = np.dstack([read_image(frames.path(index)), read_mask(alpha)])
            width = round(whole.shape[1] * height_px / whole.shape[0])
            film.append(cv2.resize(whole, (width, height_px), interpolation=cv2.INTER_AREA))
        part = folder / "part.npz"
        np.savez_compressed(part, film=np.stack(film))
        part.replace(done)
    with np.load(done) as arrays:
        return list(arrays["film"])


def first_word_on(film: Film) -> Judgement:
    """What the stage *inspect* says of a film."""
    config = InspectConfig()
    looked_at = [film[k] for k in evenly(len(film), config.looked_at)]
    glimpses = [glimpse_of(f[..., :3].copy(), f[..., 3].copy()) for f in looked_at]
    thumbs = [cv2.resize(f[..., :3], None, fx=0.125, fy=0.125) for f in film]
    return first_word(glimpses, movement_of([np.asarray(t, np.uint8) for t in thumbs]), config)


def outcome(name: str, film: Film, out: Path, *, whole: bool) -> dict[str, Any]:
    """Verdict and codes of a film that goes through the flow; an error is an outcome, too.

    Args:
        name: Of the film.
        film: Its frames.
        out: Where film and mesh go.
        whole: Whether it goes through the flow even if the first word doubts it already. Else
            the reasons are those of the first word, which no mesh would take away.
    """
    word = first_word_on(film)
    if not whole and any(reason.code not in GUESSES for reason in word.reasons):
        return {
            "verdict": word.verdict,
            "codes": [reason.code for reason in word.reasons],
            "told": "; ".join(reason.message for reason in word.reasons),
            "evidence": dict(word.evidence),
        }
    folder = out / "films" / name
    write_film(film, folder)
    request = ReconstructRequest.model_validate(
        {"input": folder, "glb_path": (out / f"{name}.glb").absolute(), "preset": "fast"}
    )
    try:
        metadata = reconstruct(request, name)
    except Tyre3dError as exc:
        codes = [exc.code, *(reason.code for reason in word.reasons)]
        return {"verdict": exc.code, "codes": codes, "told": str(exc)}
    return {
        "verdict": metadata["verdict"],
        "codes": [reason["code"] for reason in metadata["reasons"]],
        "told": "; ".join(reason["message"] for reason in metadata["reasons"]),
        "evidence": metadata["evidence"],
        "seconds": {s["stage"]: s["seconds"] for s in metadata["stages"]},
    }


def plan(kinds: Sequence[str], names: Sequence[str]) -> list[tuple[str, str]]:
    """Kind and video of the films to make: sound ones of every video, and as many spoiled ones.

    Faults take the videos in turn; without sound kinds every fault is tried once.

    Args:
        kinds: Kinds to try, sound and spoiled.
        names: Of the videos.
    """
    sound = [(kind, name) for kind in kinds if kind in SOUND for name in names]
    faults = [kind for kind in kinds if kind in FAULTS]
    every = [
        (kind, names[(n + turn) % len(names)])
        for turn in range(len(names))
        for n, kind in enumerate(faults)
    ]
    return [*sound, *every[: max(len(sound), len(faults))]]


def report(results: Sequence[dict[str, Any]]) -> str:
    """The results as a table of Markdown, with counts below it."""
    lines = [
        "| film | spoiled by | verdict | reasons | right | named |",
        "|---|---|---|---|---|---|",
    ]
    for r in results:
        named = {True: "yes", False: "no", None: ""}[r["named"]]
        right = "yes" if r["right"] else "**no**"
        codes = ", ".join(r["codes"])
        lines.append(
            f"| {r['film']} | {r['kind']} | {r['verdict']} | {codes} | {right} | {named} |"
        )
    right = sum(r["right"] for r in results)
    kinds = {r["kind"] for r in results if r["named"]}
    lines += ["", f"{right} of {len(results)} right; the right reason for {len(kinds)} kinds."]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Make sound and spoiled films of videos, judge them, and write a table."""
    parser = argparse.ArgumentParser(prog="python -m flows.try_verdict", description=main.__doc__)
    parser.add_argument("videos", type=Path, nargs="+", metavar="VIDEO")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--frames", type=int, default=24, help="of a film (default: 24)")
    parser.add_argument("--height-px", type=int, default=360, help="of a frame (default: 360)")
    parser.add_argument(
        "--kinds", nargs="+", choices=[*SOUND, *FAULTS], default=[*SOUND, *FAULTS], metavar="KIND"
    )
    parser.add_argument(
        "--short", action="store_true", help="make no mesh of films that the first word doubts"
    )
    parser.add_argument("--again", action="store_true", help="judge anew what was judged wrongly")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    films = {
        video.stem: film_of(
            video, options.out / "bases" / video.stem, options.frames, options.height_px
        )
        for video in options.videos
    }
    names = list(films)
    path = options.out / "results.json"
    results: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []
    results = [r for r in results if r["right"] or not options.again]
    done = {(r["film"], r["kind"]) for r in results}
    for kind, name in plan(options.kinds, names):
        if (name, kind) in done:
            continue
        other = films[names[(names.index(name) + 1) % len(names)]]
        spoil = FAULTS[kind].spoil if kind in FAULTS else SOUND[kind]
        key = f"{name}-{kind.replace(' ', '-')}"
        found = outcome(key, spoil(films[name], other), options.out, whole=not options.short)
        sound = kind in SOUND
        named = None if sound else bool(FAULTS[kind].named_by & set(found["codes"]))
        right = (found["verdict"] == "pass") is sound
        results.append({"film": name, "kind": kind, **found, "right": right, "named": named})
        _log.info("%s, %s: %s %s", name, kind, found["verdict"], found["codes"])
        path.write_text(json.dumps(results, indent=1))
        (options.out / "table.md").write_text(report(results))


if __name__ == "__main__":
    main()
