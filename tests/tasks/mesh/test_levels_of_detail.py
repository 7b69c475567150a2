"""Levels of detail: small, valid, near the mesh that they stand for, and honest about how near."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import trimesh
from scipy.spatial import cKDTree

from configs.stages import ExportConfig
from tasks.imaging.images import encode_image
from tasks.mesh.export import export_glb
from tasks.mesh.glb import (
    FLOAT,
    UINT,
    GlbBuffer,
    GlbMesh,
    Texture,
    document_of,
    encode_glb,
    pack_glb,
)
from tasks.mesh.glb_reader import read_glb
from tasks.mesh.levels_of_detail import Level, _steps, level_glb
from tasks.mesh.merged import MergedMesh
from tasks.mesh.meshopt_views import EXTENSION
from tasks.mesh.rendering import Studio
from tests.support.gltf import assert_valid
from tests.tasks.mesh.test_export import torus


def preview_glb(content: bytes, max_bytes: int) -> Level:
    return level_glb(read_glb(content), max_bytes, compressed=False)


def fine() -> MergedMesh:
    """A torus of 16,000 faces whose lower half no frame saw, red to green along x."""
    shape = trimesh.creation.torus(0.27, 0.09, major_sections=128, minor_sections=64)
    points = np.asarray(shape.vertices, np.float32)
    share = np.clip(points[:, 0] / 0.72 + 0.5, 0, 1)
    colours = np.stack([255 * (1 - share), 255 * share, 0 * share], axis=1).astype(np.uint8)
    below = points[:, 1] < 0
    return MergedMesh(
        points,
        np.asarray(shape.faces, np.int32),
        colours,
        np.where(below, 0, 7).astype(np.uint8),
        np.where(below, 0.004, 0.001).astype(np.float32),
        below,
    )


@pytest.fixture(scope="module")
def full() -> bytes:
    return export_glb(fine(), {"verdict": "fail", "warnings": ["long"] * 99}, ExportConfig())


def test_a_torn_mesh_fits_too() -> None:
    """Shreds along borders do not collapse: every face stands alone."""
    rng = np.random.default_rng(0)
    shape = fine()
    shreds = shape.vertices[shape.faces].reshape(-1, 3)
    torn = replace(
        shape,
        vertices=(shreds + rng.normal(0, 1e-4, shreds.shape)).astype(np.float32),
        faces=np.arange(len(shreds), dtype=np.int32).reshape(-1, 3),
        colours=shape.colours[shape.faces].reshape(-1, 3),
        seen_by=shape.seen_by[shape.faces].ravel(),
        disagreement=shape.disagreement[shape.faces].ravel(),
        inferred=shape.inferred[shape.faces].ravel(),
    )
    content = export_glb(torn, {"verdict": "fail", "warnings": []}, ExportConfig())
    made = preview_glb(content, 60_000)
    assert len(made.content) <= 60_000
    assert made.num_faces > 500
    assert made.lost.p99_mm < 30.0
    again = read_glb(made.content)
    assert np.ptp(again.vertices, axis=0) == pytest.approx(np.ptp(shape.vertices, axis=0), rel=0.05)


def test_what_a_coarse_level_says_of_its_vertices_is_what_the_file_holds() -> None:
    """Cells whose faces all fall in a line or a point leave vertices that no face is of."""
    shape = trimesh.creation.torus(0.27, 0.09, major_sections=200, minor_sections=60)
    rng = np.random.default_rng(0)
    mesh = MergedMesh(
        np.asarray(shape.vertices + rng.normal(0, 5e-4, shape.vertices.shape), np.float32),
        np.asarray(shape.faces, np.int32),
        np.zeros((len(shape.vertices), 3), np.uint8),
        np.ones(len(shape.vertices), np.uint8),
        np.zeros(len(shape.vertices), np.float32),
        np.zeros(len(shape.vertices), np.bool_),
    )
    content = export_glb(mesh, {"verdict": "fail", "warnings": []}, ExportConfig())
    made = level_glb(read_glb(content), 8000, compressed=True)
    again = read_glb(made.content)
    of_faces = np.unique(again.vertices[np.unique(again.faces)], axis=0)
    assert made.num_written_vertices == len(again.vertices)
    assert made.num_vertices == len(of_faces)
    assert made.num_faces == len(again.faces)


@pytest.mark.parametrize("max_bytes", [60_000, 150_000])
def test_it_is_small_and_near(full: bytes, max_bytes: int, tmp_path: Path) -> None:
    made = preview_glb(full, max_bytes)
    assert 0.8 * max_bytes < len(made.content) <= max_bytes
    again = trimesh.load(io.BytesIO(made.content), file_type="glb", force="mesh", process=False)
    assert again.faces.shape == (made.num_faces, 3)
    assert again.is_watertight
    assert again.volume == pytest.approx(2 * np.pi**2 * 0.27 * 0.09**2, rel=0.01)
    assert made.lost.mean_mm <= made.lost.p99_mm <= made.lost.max_mm < 3.0
    radius = np.hypot(again.vertices[:, 0], again.vertices[:, 1]) - 0.27
    off_mm = 1000 * np.abs(np.hypot(radius, again.vertices[:, 2]) - 0.09)
    assert off_mm.max() < made.lost.max_mm + 0.3
    path = tmp_path / "t.glb"
    path.write_bytes(made.content)
    assert_valid(path)


def test_attributes_are_those_of_the_place(full: bytes) -> None:
    made = read_glb(preview_glb(full, 80_000).content)
    clear = np.abs(made.vertices[:, 1]) > 0.02
    below = made.vertices[clear, 1] < 0
    np.testing.assert_array_equal(made.attributes["inferred"][clear], below)
    np.testing.assert_array_equal(made.attributes["seen_by"][clear], np.where(below, 0, 7))
    np.testing.assert_allclose(
        made.attributes["disagreement"][clear], np.where(below, 0.004, 0.001), atol=1e-6
    )
    assert made.colours is not None
    x = made.vertices[:, 0]
    assert made.colours[x < -0.3, 0].min() > 0.5 > made.colours[x > 0.3, 0].max()
    outwards = made.vertices - 0.27 * made.vertices * [1, 1, 0] / np.linalg.norm(
        made.vertices[:, :2], axis=1, keepdims=True
    )
    outwards /= np.linalg.norm(outwards, axis=1, keepdims=True)
    assert made.normals is not None
    assert (made.normals * outwards).sum(axis=1).min() > 0.97


def test_it_says_what_it_stands_for_and_what_it_lost(full: bytes) -> None:
    made = preview_glb(full, 80_000)
    document = document_of(made.content)
    extras = document["asset"]["extras"]
    assert extras["verdict"] == "fail"
    assert "warnings" not in extras
    assert extras["detail"]["max_mm"] == made.lost.max_mm
    assert document["nodes"][0]["name"] == "tyre (verdict: fail)"
    assert made.figures()["error_max_mm"] == round(made.lost.max_mm, 4)


def test_a_small_mesh_is_kept_whole() -> None:
    made = preview_glb(export_glb(torus(), {}, ExportConfig()), 600_000)
    assert made.num_faces == len(torus().faces)
    assert made.lost.max_mm < 0.02, "of quantisation alone"


def test_what_does_not_fit_is_refused(full: bytes) -> None:
    with pytest.raises(ValueError, match="fits into 1500 bytes"):
        preview_glb(full, 1500)


def textured() -> bytes:
    """A fine sheet in two charts that meet at x = 0.5: one shows the red, one the blue half."""
    steps = np.linspace(0, 1, 41)
    parts, uvs, faces, start = [], [], [], 0
    for chart in range(2):
        x, y = np.meshgrid(0.5 * chart + 0.5 * steps, steps, indexing="ij")
        parts.append(np.stack([x.ravel(), y.ravel(), 0.05 * np.sin(6 * x.ravel())], axis=1))
        uvs.append(np.stack([0.25 + 0.5 * chart + 0 * x.ravel(), y.ravel()], axis=1))
        corner = start + np.arange(40 * 41).reshape(40, 41)[:, :40].ravel()
        faces += [np.stack([corner, corner + 41, corner + 1], axis=1)]
        faces += [np.stack([corner + 1, corner + 41, corner + 42], axis=1)]
        start += 41 * 41
    image = np.zeros((64, 64, 3), np.uint8)
    image[:, :32], image[:, 32:] = (0, 0, 200), (200, 0, 0)
    vertices, uv = np.concatenate(parts), np.concatenate(uvs)
    buffer = GlbBuffer()
    bounds = {"min": vertices.min(axis=0).tolist(), "max": vertices.max(axis=0).tolist()}
    attributes = {
        "POSITION": buffer.add(vertices.astype("<f4"), "VEC3", FLOAT, **bounds),
        "TEXCOORD_0": buffer.add(uv.astype("<f4"), "VEC2", FLOAT),
    }
    indices = buffer.add(np.concatenate(faces).astype("<u4"), "SCALAR", UINT)
    view = buffer.add_file(encode_image(".png", image))
    surface = {"baseColorTexture": {"index": 0}}
    document = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": attributes, "indices": indices, "material": 0}]}],
        "materials": [{"pbrMetallicRoughness": surface}],
        "textures": [{"source": 0}],
        "images": [{"bufferView": view, "mimeType": "image/png"}],
        "accessors": buffer.accessors,
        "bufferViews": buffer.views,
        "buffers": [{"byteLength": len(buffer.data)}],
    }
    return pack_glb(document, bytes(buffer.data))


def test_charts_of_a_texture_stay_whole(tmp_path: Path) -> None:
    content = textured()
    made = preview_glb(content, 60_000)
    again = read_glb(made.content)
    assert made.num_faces < len(read_glb(content).faces)
    assert again.texture is not None
    image = cv2.imdecode(np.frombuffer(again.texture, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    assert image.shape == (64, 64, 3)
    assert again.uv is not None
    middles = again.vertices[again.faces].mean(axis=1)[:, 0]
    charts = again.uv[again.faces][..., 0]
    np.testing.assert_allclose(np.ptp(charts, axis=1), 0, atol=1e-6)
    np.testing.assert_allclose(charts[:, 0], np.where(middles < 0.5, 0.25, 0.75), atol=1e-6)
    rim = np.unique(again.vertices[np.abs(again.vertices[:, 0] - 0.5) < 1e-4][:, 1].round(4))
    assert len(rim) == 41, "both charts keep every vertex of the seam"
    path = tmp_path / "t.glb"
    path.write_bytes(made.content)
    assert_valid(path)


def test_where_the_borders_of_charts_leave_no_room_the_charts_go() -> None:
    content = textured()
    made = preview_glb(content, 9_000)
    again = read_glb(made.content)
    assert len(made.content) <= 9_000
    assert again.texture is None
    assert again.uv is None
    seam = np.abs(again.vertices[:, 0] - 0.5) < 1e-4
    assert len(np.unique(again.vertices[seam][:, 1].round(4))) == seam.sum(), "each place once"
    assert made.lost.max_mm < 5.0


def test_what_the_texture_shows_stays_where_it_is() -> None:
    """Vertices that were merged lie between those that they stand for."""
    made = preview_glb(textured(), 30_000)
    again = read_glb(made.content)
    assert again.uv is not None
    assert 2 * made.num_faces < len(read_glb(textured()).faces)
    np.testing.assert_allclose(again.uv[:, 1], again.vertices[:, 1], atol=1e-4)


def ragged() -> bytes:
    """The sheet, red, and beside it 800 charts of two faces each, green at the texture's foot."""
    sheet = read_glb(textured())
    assert sheet.uv is not None
    vertices, faces = [sheet.vertices], [sheet.faces]
    uv = [np.column_stack([np.full(len(sheet.vertices), 0.25), 0.5 * sheet.uv[:, 1]])]
    for number in range(800):
        start = np.array([2 + number % 20 / 20, number // 20 / 40, 0])
        square = np.array([[0, 0, 0], [1 / 20, 0, 0], [1 / 20, 1 / 40, 0], [0, 1 / 40, 0]])
        faces.append(np.array([[0, 1, 2], [0, 2, 3]]) + sum(map(len, vertices)))
        vertices.append(start + square)
        uv.append(np.array([0.75, 0.9]) + 0.05 * square[:, :2])
    image = np.zeros((256, 256, 3), np.uint8)
    image[:140], image[140:] = (0, 0, 200), (0, 200, 0)
    points = np.concatenate(vertices).astype(np.float32)
    on_sheet = np.arange(len(points)) < len(sheet.vertices)
    return encode_glb(
        GlbMesh(
            points,
            np.concatenate(faces).astype(np.int32),
            np.tile(np.float32([0, 0, 1]), (len(points), 1)),
            np.where(on_sheet[:, None], (200, 0, 0), (0, 200, 0)).astype(np.uint8),
            {"inferred": ~on_sheet},
            Texture(np.concatenate(uv).astype(np.float32), encode_image(".png", image)),
        ),
        name="tyre",
        generator="test",
        extras={},
    )


@pytest.mark.parametrize("compressed", [False, True])
def test_where_small_charts_leave_no_room_large_ones_keep_the_texture(
    compressed: bool, tmp_path: Path
) -> None:
    mesh = read_glb(ragged())
    most = 45_000 if compressed else 100_000
    made = level_glb(mesh, most, compressed=compressed)
    assert len(made.content) <= most
    again = read_glb(made.content)
    assert again.texture is not None
    assert again.uv is not None
    assert again.tint is not None
    assert again.colours is not None
    charts = again.vertices[:, 0] > 1.5
    seen = np.unique(again.vertices[charts].round(3), axis=0)
    assert len(seen) == charts.sum(), "charts are one surface: each place once"
    np.testing.assert_allclose(again.tint[~charts], 1, atol=1e-4)
    np.testing.assert_allclose(again.tint[charts], again.colours[charts, :3], atol=1e-4)
    assert made.lost.max_mm < 5.0
    path = tmp_path / "t.glb"
    path.write_bytes(made.content)
    assert_valid(path)
    front = Studio(again).render(0, 0, 300, 120).astype(int)
    sheet, rim = front[48:72, 104:128], front[48:72, 172:196]
    assert (sheet[..., 0] > 2 * sheet[..., 1]).all(), "red by the texture"
    assert (rim[..., 1] > 2 * rim[..., 0]).all(), "green by their own colours, on white"


@pytest.fixture(scope="module")
def packed(full: bytes) -> bytes:
    return level_glb(read_glb(full), 150_000, compressed=True, brief=False).content


def test_a_compressed_level_holds_all_that_the_full_mesh_holds(
    full: bytes, packed: bytes, tmp_path: Path
) -> None:
    """Whole: no face is left away, and every vertex finds its own again."""
    before, after = read_glb(full), read_glb(packed)
    document = document_of(packed)
    assert document["extensionsRequired"] == ["KHR_mesh_quantization", EXTENSION]
    extras = document["asset"]["extras"]
    assert {k: v for k, v in extras.items() if k != "detail"} == before.extras
    assert after.faces.shape == before.faces.shape
    assert (
        set(after.attributes) == set(before.attributes) == {"seen_by", "inferred", "disagreement"}
    )
    off, own = cKDTree(before.vertices).query(after.vertices)
    assert len(np.unique(own)) == len(before.vertices) == len(after.vertices)
    assert 1000 * off.max() <= extras["detail"]["max_mm"] + 1e-6
    assert extras["detail"]["max_mm"] < 0.02
    for name in ("seen_by", "inferred"):
        np.testing.assert_array_equal(after.attributes[name], before.attributes[name][own])
    np.testing.assert_allclose(
        after.attributes["disagreement"], before.attributes["disagreement"][own], atol=1e-7
    )
    assert before.colours is not None
    assert after.colours is not None
    np.testing.assert_array_equal(after.colours, before.colours[own])
    assert before.normals is not None
    assert after.normals is not None
    assert (after.normals * before.normals[own]).sum(axis=1).min() > np.cos(0.01)
    ours = {frozenset(face) for face in own[after.faces].tolist()}
    assert ours == {frozenset(face) for face in before.faces.tolist()}
    path = tmp_path / "t.glb"
    path.write_bytes(packed)
    assert_valid(path)


def test_compressed_it_is_smaller_and_keeps_more_faces(full: bytes) -> None:
    mesh = read_glb(full)
    plain, packed = (level_glb(mesh, 60_000, compressed=c) for c in (False, True))
    assert packed.num_faces > 2 * plain.num_faces
    assert packed.lost.p99_mm < plain.lost.p99_mm
    assert packed.closed
    assert len(packed.content) <= 60_000


def test_the_same_mesh_gives_the_same_bytes(full: bytes, packed: bytes) -> None:
    assert level_glb(read_glb(full), 150_000, compressed=True, brief=False).content == packed


def test_vertices_of_their_own_keep_places_of_their_own() -> None:
    """Nearer to each other than a step: a closed mesh would be closed no more."""
    grid = 0.03 * np.stack(np.meshgrid(*3 * [np.arange(4.0)]), axis=-1).reshape(-1, 3)
    near = np.concatenate([grid, grid + 1e-4, grid[:5]])
    steps = _steps(near, 0.01)
    assert len(np.unique(steps[:128], axis=0)) == 128
    np.testing.assert_array_equal(steps[:5], steps[128:])
    assert np.abs(0.01 * steps - near).max() <= 0.0101 + 1e-4


def test_the_texture_stays_beside_what_is_known_of_vertices(tmp_path: Path) -> None:
    content = textured()
    made = level_glb(read_glb(content), 60_000, compressed=True)
    before, after = read_glb(content), read_glb(made.content)
    assert after.texture is not None
    assert before.uv is not None
    assert after.uv is not None
    assert made.num_faces == len(before.faces)
    place = np.round(np.column_stack([before.vertices, before.uv]), 3)
    own = cKDTree(place).query(np.column_stack([after.vertices, after.uv]))[1]
    np.testing.assert_allclose(after.uv, before.uv[own], atol=2.0**-17)
    path = tmp_path / "t.glb"
    path.write_bytes(made.content)
    assert_valid(path)
