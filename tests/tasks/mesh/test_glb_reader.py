"""A GLB read back: what was written, of plain and of quantised numbers."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import trimesh

from configs.stages import ExportConfig
from tasks.imaging.srgb import linear_from_srgb
from tasks.mesh.export import export_glb
from tasks.mesh.glb import pack_glb
from tasks.mesh.glb_reader import read_glb
from tests.tasks.mesh.test_export import torus


def test_what_was_written_is_read() -> None:
    mesh = torus()
    again = read_glb(export_glb(mesh, {"input": {"name": "x.mp4"}}, ExportConfig()))
    np.testing.assert_array_equal(again.vertices.astype(np.float32), mesh.vertices)
    np.testing.assert_array_equal(again.faces, mesh.faces)
    np.testing.assert_array_equal(again.attributes["seen_by"], mesh.seen_by)
    np.testing.assert_array_equal(again.attributes["inferred"], mesh.inferred)
    np.testing.assert_array_equal(
        again.attributes["disagreement"].astype(np.float32), mesh.disagreement
    )
    assert again.colours is not None
    linear = linear_from_srgb(mesh.colours / 255.0)
    np.testing.assert_allclose(again.colours[:, :3], linear, atol=1e-5)
    assert again.extras == {"input": {"name": "x.mp4"}}
    assert again.texture is None
    assert again.uv is None


def test_attributes_stay_in_their_order() -> None:
    """A GLB that is written from what was read has the same bytes in every process."""
    content = export_glb(torus(), {}, ExportConfig())
    (length,) = struct.unpack("<I", content[12:16])
    (mesh,) = json.loads(content[20 : 20 + length])["meshes"]
    own = [n[1:].lower() for n in mesh["primitives"][0]["attributes"] if n.startswith("_")]
    assert len(own) > 2
    assert list(read_glb(content).attributes) == own


def test_files_of_others_are_read(tmp_path: Path) -> None:
    box = trimesh.creation.box((1, 2, 3))
    scene = trimesh.Scene()
    turned = trimesh.transformations.rotation_matrix(np.pi / 2, (0, 0, 1), (0, 0, 0))
    turned[:3, 3] = (10, 0, 0)
    scene.add_geometry(box, transform=turned)
    scene.add_geometry(trimesh.creation.icosphere(subdivisions=1))
    content = scene.export(file_type="glb")
    assert isinstance(content, bytes)
    again = read_glb(content)
    assert len(again.faces) == 12 + 80
    of_box = again.vertices[again.vertices[:, 0] > 5]
    np.testing.assert_allclose(of_box.min(axis=0), (9, -0.5, -1.5), atol=1e-6)
    np.testing.assert_allclose(of_box.max(axis=0), (11, 0.5, 1.5), atol=1e-6)


@pytest.mark.parametrize("fault", ["extension", "cut", "nothing", "nonsense"])
def test_what_cannot_be_read_is_refused_in_words(fault: str) -> None:
    content = export_glb(torus(), {}, ExportConfig())
    (length,) = struct.unpack("<I", content[12:16])
    document, data = json.loads(content[20 : 20 + length]), content[28 + length :]
    if fault == "extension":
        document["extensionsRequired"] = ["KHR_draco_mesh_compression"]
    elif fault == "cut":
        data = data[: len(data) // 2 // 4 * 4]
    elif fault == "nothing":
        document["meshes"][0]["primitives"][0]["mode"] = 1
    else:
        del document["bufferViews"]
    words = {
        "extension": "draco",
        "cut": "cut off",
        "nothing": "no triangles",
        "nonsense": "not a",
    }
    with pytest.raises(ValueError, match=words[fault]):
        read_glb(pack_glb(document, data))
