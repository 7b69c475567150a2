"""Runs the stages' pure functions on small inputs and prints what their results hash to.

python -m tests.tasks.core.stage_digests FOLDER: started with few threads and with many, idle and
busy, it has to print the same.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np

from configs.stages import ExportConfig, InferConfig, MergeConfig, PoseConfig
from tasks.core.repeatable import compute_repeatably
from tasks.fusion.decision.network import load_fuser
from tasks.mesh.export import export_glb
from tasks.mesh.merged import MergedMesh
from tasks.network.inference import infer_codes
from tasks.network.weights import choose_model
from tasks.poses.estimate import estimate_poses
from tests.conftest import write_tiny_model
from tests.tasks.fusion.scene import make_scene, merge_scene, wheel
from tests.tasks.poses.scene import write_video
from tsr.system import TSR


def poses(folder: Path) -> Any:
    video = write_video(folder, "orbit", count=8, size=(240, 180))
    (folder / "scratch").mkdir()
    return estimate_poses(
        video.frames, video.alphas, video.times, PoseConfig(), folder / "scratch"
    ).to_dict()


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


def main(folder: Path) -> None:
    compute_repeatably()  # as every stage begins
    found: dict[str, Any] = {}
    for name in ("poses", "codes", "learned", "weighted"):
        (folder / name).mkdir(parents=True)
    found["poses"] = poses(folder / "poses")
    found["codes"] = codes(folder / "codes")
    found["learned"] = merged(folder / "learned", learned=True)
    found["weighted"] = merged(folder / "weighted", learned=False)
    found["glb"] = export_glb(found["learned"], {}, ExportConfig())
    digests = {k: hashlib.sha256(pickle.dumps(v)).hexdigest() for k, v in found.items()}
    sys.stdout.write(json.dumps(digests))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
