"""The GLB: reloaded by another library, bounded, counted, validated."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
import trimesh

from configs.settings import Settings
from configs.stages import AtlasConfig, ExportConfig
from tasks.atlas.make import make_atlas
from tasks.atlas.record import TyreAtlas
from tasks.core.errors import InputError, ReconstructionError, StorageError
from tasks.geometry.similarity import Similarity
from tasks.imaging.srgb import linear_from_srgb
from tasks.mesh.export import export_glb
from tasks.mesh.glb import document_of
from tasks.mesh.merged import MergedMesh
from tasks.storage.results import check_writable, write_result
from tests.support.gltf import assert_valid
from tests.tasks.atlas import scene


def torus() -> MergedMesh:
    shape = trimesh.creation.torus(0.27, 0.09, major_sections=24, minor_sections=12)
    count = len(shape.vertices)
    return MergedMesh(
        vertices=np.asarray(shape.vertices, np.float32),
        faces=np.asarray(shape.faces, np.int32),
        colours=np.tile(np.array([[20, 22, 30]], np.uint8), (count, 1)),
        seen_by=np.arange(count).astype(np.uint8),
        disagreement=np.full(count, 0.002, np.float32),
        inferred=np.arange(count) % 2 == 0,
        figures={"watertight": 1.0},
        warnings=("a warning",),
        from_world=Similarity(2.0, np.eye(3)[[1, 2, 0]], np.array([1.0, 2.0, 3.0])),
    )


def test_round_trip(tmp_path: Path) -> None:
    mesh = torus()
    content = export_glb(mesh, {"input": {"name": "x.mp4"}}, ExportConfig())
    path = tmp_path / "t.glb"
    path.write_bytes(content)
    document = document_of(content)
    assert document["asset"]["generator"].startswith("Tyre3D ")
    assert document["asset"]["extras"] == {"input": {"name": "x.mp4"}}
    assert document["nodes"][0]["name"] == "tyre"
    again = trimesh.load(io.BytesIO(content), file_type="glb", force="mesh", process=False)
    np.testing.assert_array_equal(again.vertices.astype(np.float32), mesh.vertices)
    np.testing.assert_array_equal(again.faces, mesh.faces)
    assert again.is_watertight
    assert again.volume == pytest.approx(2 * np.pi**2 * 0.27 * 0.09**2, rel=0.1)
    assert np.ptp(again.vertices[:, 2]) == pytest.approx(0.18, rel=0.01)
    np.testing.assert_allclose(again.vertex_attributes["_SEEN_BY"].ravel(), mesh.seen_by)
    assert_valid(path)


def test_dark_colours_keep_their_steps() -> None:
    content = export_glb(torus(), {}, ExportConfig())
    document = document_of(content)
    attributes = document["meshes"][0]["primitives"][0]["attributes"]
    accessor = document["accessors"][attributes["COLOR_0"]]
    assert accessor["componentType"] == 5123
    assert accessor["normalized"]
    linear = linear_from_srgb(np.array([20, 22, 30]) / 255)
    assert len(set(np.rint(linear * 65535))) == 3
    assert linear[0] == pytest.approx(0.00699, abs=1e-4)


def test_a_vertex_without_area_around_it_gets_some_unit_normal(tmp_path: Path) -> None:
    mesh = torus()
    vertices, faces = mesh.vertices.copy(), mesh.faces.copy()
    vertices[faces[0]] = vertices[faces[0, 0]]
    faces = np.concatenate([faces[:1], faces[~np.isin(faces, faces[0]).any(axis=1)]])
    flat = MergedMesh(vertices, faces, mesh.colours, mesh.seen_by, mesh.disagreement, mesh.inferred)
    path = tmp_path / "t.glb"
    path.write_bytes(export_glb(flat, {}, ExportConfig()))
    # of the scene's geometry: a copy of it (force="mesh") computes normals anew
    (again,) = trimesh.load_scene(path, process=False).geometry.values()
    np.testing.assert_allclose(np.linalg.norm(again.vertex_normals, axis=1), 1.0, atol=1e-6)
    assert_valid(path)


@pytest.fixture(scope="module")
def textured(tmp_path_factory: pytest.TempPathFactory) -> tuple[MergedMesh, TyreAtlas, Path]:
    """A torus whose texture is a filmed one's, and its GLB."""
    folder = tmp_path_factory.mktemp("textured")
    mesh = scene.torus(96)
    filmed = scene.film(folder, mesh, count=5)
    atlas = make_atlas(mesh, filmed.cameras, filmed.frames, filmed.alphas, AtlasConfig())
    path = folder / "t.glb"
    path.write_bytes(export_glb(mesh, {}, ExportConfig(), atlas))
    return mesh, atlas, path


def test_cut_open_for_a_texture_the_surface_is_the_same(
    textured: tuple[MergedMesh, TyreAtlas, Path],
) -> None:
    mesh, atlas, path = textured
    again = trimesh.load(path, force="mesh", process=False)
    np.testing.assert_array_equal(again.faces, atlas.layout.faces)
    np.testing.assert_array_equal(again.vertices[again.faces], mesh.vertices[mesh.faces])
    assert not again.is_watertight
    again.merge_vertices(merge_tex=True, merge_norm=True)
    assert again.is_watertight
    assert len(again.vertices) == len(mesh.vertices)
    assert_valid(path)


def test_each_point_of_the_texture_has_the_colour_of_its_place(
    textured: tuple[MergedMesh, TyreAtlas, Path],
) -> None:
    """Read and sampled by another library, where frames saw the tyre."""
    _, _, path = textured
    again = trimesh.load(path, force="mesh", process=False)
    found = again.visual.to_color().vertex_colors[:, :3].astype(float)
    points = np.asarray(again.vertices)
    front = (points[:, 2] > 0.05) & (np.hypot(points[:, 0], points[:, 1]) > 0.27)
    error = np.abs(found - scene.true_colours(points)).max(axis=1)[front]
    assert np.median(error) < 5
    assert (error > 40).mean() < 0.1, "edges of the dashes alone"


def test_beside_a_texture_vertices_keep_what_is_known_of_them(
    textured: tuple[MergedMesh, TyreAtlas, Path],
) -> None:
    mesh, atlas, path = textured
    document = document_of(path.read_bytes())
    (primitive,) = document["meshes"][0]["primitives"]
    names = set(primitive["attributes"])
    known = {"POSITION", "NORMAL", "TEXCOORD_0", "_SEEN_BY", "_INFERRED", "_DISAGREEMENT"}
    # as COLOR_0, viewers would multiply them with the texture
    assert names == known | {"_COLOR_0"}
    counts = {document["accessors"][a]["count"] for a in primitive["attributes"].values()}
    assert counts == {len(atlas.layout.source)}
    (image,) = document["images"]
    assert image["mimeType"] == "image/jpeg"
    (sampler,) = document["samplers"]
    assert (sampler["wrapS"], sampler["wrapT"]) == (10497, 33071)
    plain = document_of(export_glb(mesh, {}, ExportConfig()))
    assert "COLOR_0" in plain["meshes"][0]["primitives"][0]["attributes"]
    assert "images" not in plain


@pytest.mark.parametrize("fault", ["empty", "nan", "faces"])
def test_broken_meshes_are_refused(fault: str) -> None:
    mesh = torus()
    vertices, faces = mesh.vertices.copy(), mesh.faces.copy()
    if fault == "empty":
        faces = faces[:0]
    elif fault == "nan":
        vertices[0] = np.nan
    else:
        faces[0, 0] = len(vertices)
    broken = MergedMesh(
        vertices, faces, mesh.colours, mesh.seen_by, mesh.disagreement, mesh.inferred
    )
    with pytest.raises(ReconstructionError, match="mesh-"):
        export_glb(broken, {}, ExportConfig())


def test_a_mesh_that_failed_says_so_in_its_name() -> None:
    names = [
        document_of(export_glb(torus(), {"verdict": v}, ExportConfig()))["nodes"][0]["name"]
        for v in ("pass", "review", "fail")
    ]
    assert names == ["tyre", "tyre", "tyre (verdict: fail)"]


def test_results_appear_together(tmp_path: Path) -> None:
    path = tmp_path / "a" / "x.glb"
    check_writable(path, Settings())
    beside = {".tread.png": b"png", ".preview.glb": b"small"}
    files = write_result(path, b"glb", {"n": 1}, Settings(), "<html>", beside)
    names = ["x.glb", "x.html", "x.json", "x.preview.glb", "x.tread.png"]
    assert sorted(p.name for p in path.parent.iterdir()) == names
    assert json.loads(path.with_suffix(".json").read_text()) == {"n": 1, "files": files}
    assert sorted(files) == [name for name in names if name != "x.json"]
    for name, digest in files.items():
        assert hashlib.sha256((path.parent / name).read_bytes()).hexdigest() == digest


def test_a_full_disk_leaves_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="disk-full"):
        write_result(tmp_path / "x.glb", b"glb", {}, Settings())
    assert list(tmp_path.iterdir()) == []


def test_unwritable_output_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="output-unwritable"):
        check_writable(tmp_path / "file" / "x.glb", Settings())
    (tmp_path / "x.glb").mkdir()
    with pytest.raises(InputError, match="output-unwritable"):
        check_writable(tmp_path / "x.glb", Settings())
