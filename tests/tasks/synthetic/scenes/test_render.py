"""Pictures of one object against analytic values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray

from tasks.geometry.camera import look_at
from tasks.synthetic.scenes.raycast import RenderableCaster
from tasks.synthetic.scenes.render import Light, Look, render_view, sample_look


@dataclass(frozen=True)
class Paint:
    albedo: NDArray[np.float32]
    specular: NDArray[np.float32]
    roughness: NDArray[np.float32]


class Solid:
    """A mesh of one grey material."""

    def __init__(self, mesh: trimesh.Trimesh) -> None:
        self.vertices = np.asarray(mesh.vertices, dtype=np.float32)
        self.faces = np.asarray(mesh.faces, dtype=np.int32)
        self.normals = np.asarray(mesh.vertex_normals, dtype=np.float32)

    def material(self, face_index: NDArray[np.int32], points: NDArray[np.float32]) -> Paint:
        n = len(points)
        grey = np.full(n, 0.2, dtype=np.float32)
        return Paint(np.stack([grey] * 3, axis=1), grey * 0.2, grey * 3)


@pytest.fixture(scope="module")
def sphere() -> RenderableCaster:
    return RenderableCaster(Solid(trimesh.creation.icosphere(subdivisions=5, radius=0.3)))


@pytest.fixture(scope="module")
def torus() -> RenderableCaster:
    shape = trimesh.creation.torus(0.25, 0.11, major_sections=96, minor_sections=48)
    return RenderableCaster(Solid(shape))


def key_light_from(direction: tuple[float, float, float]) -> Look:
    light = Light(direction, (1.0, 1.0, 1.0), 300.0)
    return Look((light,), sky=(0.02,) * 3, ground=(0.02,) * 3, sheen=0.0)


def test_silhouette_and_depth_of_a_sphere(sphere: RenderableCaster) -> None:
    camera = look_at(np.array([0.3, 0.4, 1.2]), np.zeros(3), focal_px=220.0, width=160, height=120)
    distance = float(np.linalg.norm(camera.centre))
    view = render_view(sphere, camera, sample_look(np.random.default_rng(1)))
    radius_px = 220.0 * 0.3 / np.sqrt(distance**2 - 0.3**2)
    area = view.rgba[..., 3].sum() / 255
    assert area == pytest.approx(np.pi * radius_px**2, rel=0.01)
    assert view.depth[60, 80] == pytest.approx(distance - 0.3, abs=2e-3)
    assert np.array_equal(np.isfinite(view.depth), view.rgba[..., 3] > 0)
    assert np.array_equal(view.face_index >= 0, view.rgba[..., 3] > 0)


def test_projected_vertices_fall_on_the_mask(torus: RenderableCaster) -> None:
    camera = look_at(
        np.array([0.9, 0.5, 1.0]),
        np.array([0.05, 0.0, 0.02]),
        focal_px=180.0,
        width=150,
        height=110,
        roll_rad=0.4,
    )
    view = render_view(torus, camera, sample_look(np.random.default_rng(2)))
    uvz = camera.project(torus.renderable.vertices.astype(np.float64))
    columns, rows = uvz[:, 0].astype(int), uvz[:, 1].astype(int)
    inside = (columns >= 0) & (columns < 150) & (rows >= 0) & (rows < 110)
    assert inside.mean() > 0.9
    covered = view.rgba[..., 3] > 0
    assert covered[rows[inside], columns[inside]].mean() > 0.98
    reached = np.zeros_like(covered)
    reached[rows[inside], columns[inside]] = True
    assert reached[covered].mean() > 0.6


def test_the_lit_side_is_bright_and_the_other_in_shadow(sphere: RenderableCaster) -> None:
    camera = look_at(np.array([0.0, 0.0, 1.5]), np.zeros(3), focal_px=150.0, width=96, height=96)
    grey = render_view(sphere, camera, key_light_from((-1.0, 0.0, 0.0))).rgba[..., :3].mean(axis=2)
    assert grey[48, 25] > 4 * grey[48, 70] > 0


def test_the_near_wall_of_a_ring_shadows_its_hole(torus: RenderableCaster) -> None:
    camera = look_at(np.array([0.0, 0.0, 2.0]), np.zeros(3), focal_px=300.0, width=128, height=128)
    low, high = np.sin(0.35), np.cos(0.35)
    lit = render_view(torus, camera, key_light_from((0.0, high, low))).rgba[..., 0].astype(int)
    column = lit[:, 64]
    top, bottom = column[64 - 34 : 64 - 24], column[64 + 24 : 64 + 34]  # the hole's rim
    assert top.mean() < bottom.mean()  # the lower inner wall faces the light, the upper does not


def test_the_same_view_twice_is_the_same_picture(torus: RenderableCaster) -> None:
    camera = look_at(np.array([0.8, 0.3, 1.0]), np.zeros(3), focal_px=90.0, width=64, height=64)
    look = sample_look(np.random.default_rng(3))
    first = render_view(torus, camera, look)
    shape = trimesh.Trimesh(torus.renderable.vertices, torus.renderable.faces)
    again = render_view(RenderableCaster(Solid(shape)), camera, look)
    assert np.array_equal(first.rgba, render_view(torus, camera, look).rgba)
    assert np.array_equal(first.rgba[..., 3], again.rgba[..., 3])


def test_an_object_outside_the_view_leaves_it_empty(sphere: RenderableCaster) -> None:
    camera = look_at(
        np.array([0.0, 0.0, 2.0]), np.array([9.0, 0.0, 2.5]), focal_px=90.0, width=32, height=32
    )
    view = render_view(sphere, camera, sample_look(np.random.default_rng(4)))
    assert not view.rgba.any()
    assert not np.isfinite(view.depth).any()


def test_openness_is_as_fine_as_each_caster_is_made(torus: RenderableCaster) -> None:
    """A caster made before for the same object, with other rays, decides nothing."""
    coarse = RenderableCaster(torus.renderable, occlusion_rays=1)
    again = RenderableCaster(torus.renderable)
    assert len(np.unique(coarse.corner_openness)) < len(np.unique(torus.corner_openness))
    np.testing.assert_array_equal(again.corner_openness, torus.corner_openness)
