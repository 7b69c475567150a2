"""The whole merge on analytic wheels with known answers."""

from __future__ import annotations

import math
from pathlib import Path

import manifold3d
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from configs.stages import MergeConfig
from tasks.core.errors import ReconstructionError
from tasks.fusion.decision.network import Fuser, load_fuser
from tasks.fusion.merge import merge_frame_fields
from tasks.fusion.surface.marching import TriangleMesh, outer_radius, signed_volume
from tasks.mesh.merged import MergedMesh
from tasks.network.weights import choose_model
from tests.tasks.fusion.scene import Scene, make_scene, merge_scene, torus, wheel

SMALL = MergeConfig(mc_resolution=96, grid_steps=40, grid_angles=120, mask_px=320)


def merge(scene: Scene, config: MergeConfig = SMALL, *, fuser: Fuser | None = None) -> MergedMesh:
    return merge_scene(scene, config, fuser)


def surface_of(mesh: MergedMesh) -> TriangleMesh:
    return TriangleMesh(mesh.vertices.astype(np.float64), mesh.faces.astype(np.int64))


def distance_percent(mesh: MergedMesh, scene: Scene) -> float:
    """Mean distance of the mesh's vertices to the truth's, in per cent of the diameter."""
    nearest, _ = cKDTree(scene.truth.vertices).query(mesh.vertices)
    return float(100.0 * nearest.mean() / 0.72)


@pytest.fixture(scope="module")
def torus_scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return make_scene(tmp_path_factory.mktemp("torus"), torus(), frames=12, coded=5, tilt=0.02)


@pytest.fixture(scope="module")
def torus_mesh(torus_scene: Scene) -> MergedMesh:
    return merge(torus_scene)


def test_the_torus_is_closed_and_has_its_volume(torus_mesh: MergedMesh) -> None:
    expected = 2 * math.pi**2 * 0.25 * 0.11**2
    assert signed_volume(surface_of(torus_mesh)) == pytest.approx(expected, rel=0.02)
    body = manifold3d.Manifold(
        manifold3d.Mesh(torus_mesh.vertices, torus_mesh.faces.astype(np.uint32))
    )
    assert body.status() == manifold3d.Error.NoError
    assert body.genus() == 1
    assert torus_mesh.figures["watertight"] == 1.0


def test_the_outer_diameter_is_the_stated_one(torus_scene: Scene, torus_mesh: MergedMesh) -> None:
    assert 2 * outer_radius(torus_mesh.vertices.astype(np.float64)) == pytest.approx(0.72, rel=1e-4)
    low, high = torus_mesh.vertices.min(axis=0), torus_mesh.vertices.max(axis=0)
    np.testing.assert_allclose(low + high, 0.0, atol=1e-6)
    np.testing.assert_allclose((high - low)[:2], 0.72, rtol=0.005)
    assert (high - low)[2] == pytest.approx(0.22, rel=0.02)
    other = merge(
        torus_scene,
        MergeConfig(mc_resolution=48, grid_steps=20, grid_angles=60, diameter_mm=360.0),
    )
    assert 2 * outer_radius(other.vertices.astype(np.float64)) == pytest.approx(0.36, rel=1e-4)


def test_colours_lie_on_their_side(torus_mesh: MergedMesh) -> None:
    seen = ~torus_mesh.inferred
    red = torus_mesh.colours[:, 0].astype(int) - torus_mesh.colours[:, 2]
    # the world's axes are arbitrary, but the tyre frame is given by the estimate
    right = seen & (torus_mesh.vertices[:, 0] > 0.05)
    left = seen & (torus_mesh.vertices[:, 0] < -0.05)
    assert (red[right] > 50).mean() > 0.97
    assert (red[left] < -50).mean() > 0.97


def test_the_silhouettes_agree(torus_mesh: MergedMesh) -> None:
    assert torus_mesh.figures["silhouette_iou"] > 0.97
    assert torus_mesh.warnings == ()


def test_a_wheel_survives_faulty_fields_and_poses(tmp_path: Path) -> None:
    scene = make_scene(
        tmp_path,
        wheel(),
        frames=12,
        coded=5,
        half_width=0.14,
        back_noise=0.1,
        wrong_scale=0.02,
        wrong_shift=0.01,
        pose_noise=0.001,
        tilt=0.02,
    )
    mesh = merge(scene)
    assert mesh.figures["symmetry_order"] == 5.0
    assert distance_percent(mesh, scene) < 0.7
    assert signed_volume(surface_of(mesh)) > 0.0


def mottled(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Dark rubber and a light rim ``(N, 3)``, both with marks of some centimetres."""
    x, y, z = points.T
    marks = np.sin(90 * x + 40 * y) * np.sin(75 * y - 60 * z)
    marks += np.sin(140 * x - 110 * z) * np.sin(120 * y + 3)
    marks += np.sin(230 * x + 170 * y) * np.sin(260 * z - 90 * y)
    grey = np.where(np.hypot(x, y) > 0.23, 60.0, 150.0) + 12.0 * marks
    return np.repeat(grey[:, None], 3, axis=1)


def test_the_bundled_fuser_keeps_a_wheel_that_it_never_saw(tmp_path: Path) -> None:
    """Rounded shapes, other fields than its own network's, a grid of another size."""
    scene = make_scene(
        tmp_path, wheel(), frames=12, coded=5, half_width=0.14, wrong_scale=0.02, colour=mottled
    )
    chosen = choose_model("tyre-mini", tmp_path)
    assert chosen.fuser is not None
    fuser = load_fuser(chosen.fuser.path, chosen.fuser.digest)
    mesh = merge(scene, fuser=fuser)
    assert mesh.figures["watertight"] == 1.0
    missing, _ = cKDTree(mesh.vertices).query(scene.truth.vertices)
    there, lost = distance_percent(mesh, scene), 100.0 * missing.mean() / 0.72
    assert max(there, lost) < 1.2
    assert signed_volume(surface_of(mesh)) == pytest.approx(signed_volume(scene.truth), rel=0.2)


def test_without_a_rim_the_fuser_is_averaged_with_the_weighted_field(torus_scene: Scene) -> None:
    """An untrained fuser says what the fields say."""
    without, with_it = merge(torus_scene), merge(torus_scene, fuser=Fuser())
    assert not np.array_equal(without.vertices, with_it.vertices)
    for mesh in (without, with_it):
        found = signed_volume(surface_of(mesh))
        assert found == pytest.approx(signed_volume(torus_scene.truth), rel=0.1)


def test_without_a_fuser_photos_are_not_used_for_a_tyre_without_a_rim(
    torus_scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = merge(torus_scene)
    monkeypatch.setattr("tasks.fusion.merge.photo_consistency", lambda *_: None)
    np.testing.assert_array_equal(merge(torus_scene).vertices, seen.vertices)


def test_what_no_frame_saw_is_said_to_be_inferred(tmp_path: Path) -> None:
    scene = make_scene(tmp_path, torus(), frames=12, coded=4, arc=1.0)
    mesh = merge(scene)
    front, back = mesh.vertices[:, 2] > 0.06, mesh.vertices[:, 2] < -0.06
    assert mesh.inferred[back].mean() > 0.9
    assert mesh.inferred[front].mean() < 0.1
    assert (mesh.inferred == (mesh.seen_by == 0)).all()
    assert mesh.seen_by[front].mean() > 6
    assert distance_percent(mesh, scene) < 1.0


def test_a_mask_that_lacks_half_the_tyre_does_not_carve(tmp_path: Path) -> None:
    def fault(index: int, alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if index in (2, 3, 9):
            alpha = alpha.copy()
            alpha[:, alpha.shape[1] // 2 :] = 0
        return alpha

    scene = make_scene(tmp_path, torus(), frames=14, coded=4, mask_fault=fault)
    mesh = merge(scene, SMALL.model_copy(update={"mc_resolution": 64}))
    assert mesh.figures["outlier_masks"] == 3.0
    assert mesh.warnings
    expected = 2 * math.pi**2 * 0.25 * 0.11**2
    assert signed_volume(surface_of(mesh)) == pytest.approx(expected, rel=0.03)


def test_an_empty_field_is_an_error(torus_scene: Scene) -> None:
    class Empty:
        def log_density(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
            return np.full(len(points), -9.0, np.float32)

        def colours(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
            return np.zeros((len(points), 3), np.float32)

    scene = torus_scene
    with pytest.raises(ReconstructionError, match="merge-empty"):
        merge_frame_fields(
            {f.index: Empty() for f in scene.coded},
            scene.coded,
            scene.poses,
            scene.frame_paths,
            scene.alpha_paths,
            MergeConfig(mc_resolution=32, grid_steps=16, grid_angles=48),
        )


def test_frames_without_poses_are_an_error(torus_scene: Scene) -> None:
    scene = torus_scene
    with pytest.raises(ReconstructionError, match="merge-no-pose"):
        merge_frame_fields({}, scene.coded, scene.poses, {}, {}, SMALL)


def test_wrong_scales_of_the_frames_are_corrected(tmp_path: Path) -> None:
    scene = make_scene(tmp_path, wheel(), frames=12, coded=5, half_width=0.13, wrong_scale=0.06)
    config = MergeConfig(mc_resolution=80, grid_steps=32, grid_angles=96)
    corrected = merge(scene, config)
    left = merge(scene, config.model_copy(update={"min_registration_gain": 1.0}))
    assert distance_percent(corrected, scene) < distance_percent(left, scene)
    assert corrected.figures["disagreement_median_mm"] < left.figures["disagreement_median_mm"]
