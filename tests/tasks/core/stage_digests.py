"""Runs the stages' pure functions on small inputs and prints what their results hash to.

python -m tests.tasks.core.stage_digests FOLDER GROUP: started with few threads and with many, idle
and busy, it has to print the same.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np

from configs.comparison import CompareConfig
from configs.presets import SEGMENTER
from configs.stages import (
    ExportConfig,
    ExtractConfig,
    InferConfig,
    JudgeConfig,
    MaskConfig,
    MergeConfig,
    PoseConfig,
    RectifyConfig,
)
from tasks.comparison.compare import compare_scans, comparison_record
from tasks.core.repeatable import compute_repeatably
from tasks.fusion.decision.network import load_fuser
from tasks.geometry.lens import Lens
from tasks.matting.quality import Masks
from tasks.matting.removal import remove_backgrounds
from tasks.matting.sessions import open_session
from tasks.mesh.export import export_glb, levels_of
from tasks.mesh.merged import MergedMesh
from tasks.network.inference import infer_codes
from tasks.network.weights import BackgroundWeights, choose_model
from tasks.poses.estimate import estimate_poses
from tasks.poses.record import ObjectEstimate, PoseEstimate
from tasks.rectification.rectify import rectify_views
from tasks.verdict.decide import judge
from tasks.verdict.evidence import gather_evidence
from tasks.video.extraction import extract_frames
from tests.conftest import write_cut_outs, write_tiny_model
from tests.tasks.comparison.made import filmed, scan
from tests.tasks.fusion.scene import make_scene, merge_scene, wheel
from tests.tasks.poses.scene import HALF_WIDTH, RADIUS, write_video
from tests.tasks.verdict.scene import drum, estimate, film, orbit
from tsr.system import TSR


def poses(folder: Path) -> Any:
    video = write_video(folder, "orbit", count=8, size=(240, 180))
    (folder / "scratch").mkdir()
    return estimate_poses(
        video.frames, video.alphas, video.times, PoseConfig(), folder / "scratch"
    ).to_dict()


def masks(folder: Path) -> Any:
    for name in ("extract", "masks"):
        (folder / name).mkdir()
    sample = Path(__file__).parents[2] / "data" / "sample_tyre.mp4"
    frames = extract_frames(sample, folder / "extract", ExtractConfig(max_candidates=6))
    session = open_session(SEGMENTER, BackgroundWeights(SEGMENTER, folder).path())
    record = remove_backgrounds(frames, folder / "masks", session, MaskConfig())
    written = sorted(path for path in folder.rglob("*") if path.is_file())
    return record, [(path.name, path.read_bytes()) for path in written]


def codes(folder: Path) -> Any:
    write_tiny_model(folder / "tiny")
    model = TSR.from_pretrained(str(folder / "tiny"), weight_name="model.safetensors")
    size = model.cfg.cond_image_size
    images = [np.random.default_rng(k).random((size, size, 3), np.float32) for k in range(3)]
    return infer_codes(model, images, "cpu", InferConfig()).numpy()


def merged(folder: Path, *, learned: bool) -> MergedMesh:
    scene = make_scene(folder, wheel(), frames=10, coded=4, half_width=0.14)
    chosen = choose_model("tyre-mini", folder)
    assert chosen.fuser is not None
    fuser = load_fuser(chosen.fuser.path, chosen.fuser.digest) if learned else None
    config = MergeConfig(mc_resolution=64, grid_steps=28, grid_angles=60, mask_px=240)
    return merge_scene(scene, config, fuser)


def rectified(folder: Path) -> Any:
    for name in ("film", "extract", "masks", "views"):
        (folder / name).mkdir()
    video = write_video(folder / "film", "orbit", count=8, size=(240, 180))
    write_cut_outs(folder / "cut_outs", range(8))
    frames = extract_frames(folder / "cut_outs", folder / "extract", ExtractConfig())
    masks = remove_backgrounds(frames, folder / "masks", None, MaskConfig())
    tyre = ObjectEstimate(
        np.zeros(3), np.array([0, 0, 1.0]), np.array([0, 1.0, 0]), RADIUS, HALF_WIDTH
    )
    cameras = {n: c.resized(160, 120) for n, c in enumerate(video.cameras.values())}
    posed = PoseEstimate("true", "orbit", cameras, tyre, lens=Lens(-0.2))
    rectify_views(
        frames,
        Masks(folder / "masks", tuple(masks)),
        posed,
        folder / "views",
        RectifyConfig(),
    )
    files = sorted(path for path in (folder / "views").rglob("*") if path.is_file())
    return [(path.name, path.read_bytes()) for path in files]


def judged(folder: Path) -> Any:
    (folder / "film").mkdir()
    photos = film(drum(), orbit(16), folder / "film")
    estimated, config = estimate(orbit(16)), JudgeConfig()
    evidence = gather_evidence(drum(), estimated, *photos, [1, 5, 9, 13], 16, config)
    return judge(evidence, estimated, config).to_dict()


def compared(folder: Path) -> Any:
    sides = []
    for name, made in (("new", scan()), ("old", scan(spin_deg=40.0, scale=1.004))):
        (folder / name).mkdir()
        sides.append(filmed(made, made, folder / name))
    comparison = compare_scans(*sides, CompareConfig())
    return comparison_record(comparison), comparison.change.cells, comparison.change.cell_lod


GROUPS: dict[str, tuple[str, ...]] = {
    "reconstructing": ("masks", "poses", "codes", "learned", "weighted", "glb", "levels"),
    "looking": ("rectified", "judged", "compared"),
}


def main(folder: Path, group: str) -> None:
    compute_repeatably()  # as every stage begins
    for name in GROUPS[group]:
        (folder / name).mkdir(parents=True)
    found: dict[str, Any] = {}
    if group == "looking":
        found = {
            make.__name__: make(folder / make.__name__) for make in (rectified, judged, compared)
        }
    else:
        found["masks"] = masks(folder / "masks")
        found["poses"] = poses(folder / "poses")
        found["codes"] = codes(folder / "codes")
        found["learned"] = merged(folder / "learned", learned=True)
        found["weighted"] = merged(folder / "weighted", learned=False)
        found["glb"] = export_glb(found["learned"], {}, ExportConfig())
        levels = levels_of(found["glb"], ExportConfig())
        found["levels"] = {name: level.content for name, level in levels.items()}
    digests = {k: hashlib.sha256(pickle.dumps(v)).hexdigest() for k, v in found.items()}
    sys.stdout.write(json.dumps(digests))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
