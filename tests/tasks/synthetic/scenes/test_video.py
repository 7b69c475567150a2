"""Videos with camera truth."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import trimesh

from configs.presets import Motion
from tasks.synthetic.scenes.lighting import Light, Look
from tasks.synthetic.scenes.motion import MOTIONS
from tasks.synthetic.scenes.raycast import RenderableCaster
from tasks.synthetic.scenes.render import render_view
from tasks.synthetic.scenes.truth import read_truth
from tasks.synthetic.scenes.video import make_orbit_video, write_video
from tasks.synthetic.tyres.imported_wheels import ImportedWheel, from_trimesh
from tasks.video.decode import all_frames

FRAMES = 3


@pytest.fixture(scope="module")
def ring() -> ImportedWheel:
    mesh = trimesh.creation.torus(0.25, 0.11, major_sections=64, minor_sections=32)
    mesh.visual.face_colors = [4, 4, 4, 255]
    return from_trimesh(mesh, diameter=0.72)


@pytest.mark.parametrize("motion", MOTIONS)
def test_the_truth_puts_the_dark_ring_where_the_frames_show_it(
    tmp_path: Path, ring: ImportedWheel, motion: Motion
) -> None:
    path = tmp_path / "ring.mp4"
    truth = make_orbit_video(
        2_000_001,
        path,
        num_frames=FRAMES,
        size=(160, 120),
        motion=motion,
        environment="studio",
        wheel=ring,
    )
    again = read_truth(path)
    assert again.to_dict() == truth.to_dict()
    assert again.diameter == 0.72
    frames = list(all_frames(path))
    assert [f.shape for f in frames] == [(120, 160, 3)] * FRAMES
    look = Look((Light((0.0, 1.0, 0.0), (1.0, 1.0, 1.0), 30.0),))
    for frame, camera in zip(frames, truth.cameras, strict=True):
        alpha = render_view(RenderableCaster(ring), camera, look).rgba[..., 3]
        grey = frame.mean(axis=2)
        inside = cv2.erode(alpha, np.ones((5, 5))) == 255
        above = (cv2.dilate(alpha, np.ones((9, 9))) == 0) & (np.arange(120)[:, None] < 60)
        assert np.median(grey[inside]) < 0.75 * np.median(grey[above])


def test_the_same_seed_gives_the_same_video(tmp_path: Path, ring: ImportedWheel) -> None:
    for name in ("a.avi", "b.avi"):
        make_orbit_video(
            2_000_002,
            tmp_path / name,
            num_frames=2,
            size=(96, 72),
            environment="studio",
            wheel=ring,
        )
    assert (tmp_path / "a.avi").read_bytes() == (tmp_path / "b.avi").read_bytes()
    assert (tmp_path / "a.truth.json").read_bytes() == (tmp_path / "b.truth.json").read_bytes()


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".avi", ".mkv"])
def test_frames_survive_every_container(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"grey{suffix}"
    write_video(path, (np.full((64, 96, 3), 40 * k, np.uint8) for k in range(1, 4)), 10.0)
    levels = [f.mean() for f in all_frames(path)]
    assert levels == pytest.approx([40, 80, 120], abs=6)


def test_an_unknown_container_and_an_empty_video_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no codec"):
        write_video(tmp_path / "x.gif", [], 10.0)
    with pytest.raises(ValueError, match="no frames"):
        write_video(tmp_path / "x.mp4", [], 10.0)


def test_the_sample_video_is_small_and_goes_round_the_tyre() -> None:
    path = Path(__file__).parents[3] / "data" / "sample_tyre.mp4"
    assert path.stat().st_size < 2_000_000
    truth = read_truth(path)
    frames = list(all_frames(path))
    assert truth.motion == "orbit"
    assert len(frames) == len(truth.cameras) == 45
    assert {f.shape for f in frames} == {(480, 640, 3)}
    x, _, z = np.stack([c.centre for c in truth.cameras]).T
    azimuth = np.unwrap(np.arctan2(x, z))
    assert abs(azimuth[-1] - azimuth[0]) > np.radians(200)
    tops = np.stack([c.project(np.array([[0, truth.diameter / 2, 0]]))[0] for c in truth.cameras])
    assert (tops[:, 2] > 0).all()
    assert ((tops[:, :2] > 0) & (tops[:, :2] < (640, 480))).all()
