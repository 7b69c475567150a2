"""Films as customers make them: planned, rendered, compressed, with the truth about them."""

from __future__ import annotations

import sys
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import trimesh

from tasks.geometry.camera import Camera
from tasks.imaging.images import read_grey
from tasks.synthetic.scenes import props, textures, video
from tasks.synthetic.scenes.capture_film import make_capture_video
from tasks.synthetic.scenes.captures import CAPTURES, WALKS, Capture, Phone, plan_take
from tasks.synthetic.scenes.film_set import undistorted
from tasks.synthetic.scenes.layouts import Measures
from tasks.synthetic.scenes.raycast import RenderableCaster
from tasks.synthetic.scenes.render import pixel_rays
from tasks.synthetic.scenes.solids import MipMap
from tasks.synthetic.scenes.truth import parts_path, read_truth
from tasks.synthetic.tyres.imported_wheels import ImportedWheel, from_trimesh
from tasks.video.decode import all_frames

SIZE = (160, 120)
LENS = (-0.08, 0.01)


@pytest.fixture(scope="module")
def ring() -> ImportedWheel:
    mesh = trimesh.creation.torus(0.25, 0.11, major_sections=64, minor_sections=32)
    mesh.visual.face_colors = [40, 40, 40, 255]
    return from_trimesh(mesh, diameter=0.72)


@pytest.fixture
def grey_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """What floors and walls show is drawn for seconds, and no matter where things stand."""
    grey = np.full((64, 64, 3), 128, np.uint8)
    monkeypatch.setattr(props, "texture", lambda kind, variant: MipMap(grey))
    monkeypatch.setattr(textures, "floor", lambda rng, kind: grey)
    monkeypatch.setattr(textures, "wall", lambda rng: grey)


def silhouette(ring: ImportedWheel, camera: Camera) -> np.ndarray:
    """Where a camera with the lens sees the ring if nothing else is there, ``(H, W)``."""
    x, y = (a.ravel() + np.float32(0.5) for a in np.meshgrid(np.arange(160), np.arange(120)))
    rays = pixel_rays(camera, *undistorted(camera, x.astype("f4"), y.astype("f4"), LENS))
    origins = np.broadcast_to(camera.centre.astype(np.float32), rays.shape)
    return RenderableCaster(ring, 2).occluded(origins, rays).reshape(120, 160)


@pytest.mark.usefixtures("grey_pictures")
@pytest.mark.parametrize("capture", CAPTURES)
def test_the_truth_puts_the_ring_where_the_labels_show_it(
    tmp_path: Path, ring: ImportedWheel, capture: Capture
) -> None:
    path = tmp_path / "film.mp4"
    truth = make_capture_video(
        5, path, capture, num_frames=3, size=SIZE, wheel=ring, phone=Phone(60.0, LENS)
    )
    assert read_truth(path).to_dict() == truth.to_dict()
    assert (truth.lens, truth.capture) == (LENS, capture)
    assert [f.shape for f in all_frames(path)] == [(120, 160, 3)] * 3
    shares = []
    for index, camera in enumerate(truth.cameras):
        parts = read_grey(parts_path(path, index))
        alone = silhouette(ring, camera)
        wide = cv2.dilate(alone.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        assert not (parts > 0)[~wide].any(), "nothing but the ring is labelled"
        assert alone.mean() > 0.03
        shares.append((parts > 0).sum() / alone.sum())
    assert np.median(shares) > 0.6, "stands and hands hide some of it"
    if capture in ("turntable", "one-face"):
        assert min(shares) > 0.97


def test_the_same_seed_gives_the_same_film(tmp_path: Path, ring: ImportedWheel) -> None:
    for name in ("a", "b"):
        make_capture_video(
            6, tmp_path / f"{name}.mp4", "crowd", num_frames=2, size=SIZE, wheel=ring
        )
    for suffix in (".mp4", ".truth.json", ".parts/000001.png"):
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_the_command_films_a_wheel_of_a_file_upright_as_h264(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel, film = tmp_path / "box.glb", tmp_path / "film.mp4"
    trimesh.creation.box((1.0, 1.0, 0.4)).export(wheel)
    command = f"video --seed 9 --capture spin --codec h264 --frames 2 --size 64 96 --wheel {wheel}"
    monkeypatch.setattr(sys, "argv", [*command.split(), "--out", str(film)])
    video.main()
    with av.open(str(film)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.width, stream.height) == ("h264", 64, 96)
    truth = read_truth(film)
    assert (truth.motion, truth.diameter, truth.width) == ("spin", 0.66, pytest.approx(0.264))
    assert set(np.unique(read_grey(parts_path(film, 1)))) == {0, 1}, "all of it counts as rubber"


@pytest.mark.usefixtures("grey_pictures")
def test_phones_walk_round_uneven_and_their_automatics_drift() -> None:
    tyre = Measures(0.66, 0.24)
    sweeps, fields, gains = [], [], []
    for seed in range(12):
        take = plan_take(
            WALKS[seed % len(WALKS)],
            np.random.default_rng(seed),
            tyre,
            size=(720, 1280),
            num_frames=40,
        )
        moments = [take.moment_at(t) for t in np.linspace(0, 1, 40)]
        eyes = np.stack([m.camera.centre - m.pose.translation for m in moments])
        azimuth = np.unwrap(np.arctan2(eyes[:, 0], eyes[:, 2]))
        sweeps.append(np.degrees(abs(azimuth[-1] - azimuth[0])))
        step = np.abs(np.diff(azimuth))
        assert step.max() > 1.2 * step.mean(), "no steady pace"
        assert np.degrees(np.arcsin(eyes[:, 1] / np.linalg.norm(eyes, axis=1))).min() > 3
        camera = moments[0].camera
        assert (camera.width, camera.height) == (720, 1280)
        fields.append(np.degrees(2 * np.arctan(640 / camera.fy)))
        focal = np.array([m.camera.fx for m in moments])
        assert 0 < np.ptp(focal) / focal.mean() < 0.05, "focus breathes"
        assert abs(take.phone.lens[0]) > 0.01
        gains.append([take.gain_at(t) for t in (0.0, 0.5, 1.0)])
    assert min(sweeps) > 215
    assert max(sweeps) < 385
    assert 45 < min(fields) < max(fields) < 80
    level = np.array(gains)[:, :, 1]
    assert np.ptp(level, axis=1).max() > 0.1
    assert np.abs(level - 1).max() < 0.3


@pytest.mark.usefixtures("grey_pictures")
def test_a_phone_that_stands_still_does_and_one_in_a_hand_does_not() -> None:
    tyre = Measures(0.66, 0.24)
    for capture, moves in (("spin", False), ("turntable", False), ("spin-hand", True)):
        take = plan_take(capture, np.random.default_rng(3), tyre, size=SIZE, num_frames=9)
        a, b = take.moment_at(0.0), take.moment_at(0.4)
        assert (a.camera is not b.camera) == moves
        shift = np.linalg.norm(a.camera.centre - b.camera.centre)
        assert shift < 0.05, "a hand sways by centimetres"
        axle = a.pose.rotation[:, 2] @ b.pose.rotation[:, 2]
        assert (axle > 0.9999) == (capture != "turntable")
