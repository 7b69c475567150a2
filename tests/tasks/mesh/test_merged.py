"""The merged mesh in its artifact and back."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from tasks.geometry.similarity import Similarity
from tasks.mesh.merged import MergedMesh, load_mesh, mesh_record, save_mesh
from tasks.storage.artifacts import Artifact
from tests.tasks.mesh.test_export import torus


def test_a_mesh_comes_back_as_it_was(tmp_path: Path) -> None:
    """Its record as JSON; every array with its bits and its type."""
    quarter = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    mesh = replace(
        torus(),
        figures={"frames": 8.0},
        warnings=("odd", "two"),
        from_world=Similarity(0.3, quarter, np.array([1 / 3, 2, 3])),
    )
    save_mesh(tmp_path, mesh)
    record = json.loads(json.dumps(mesh_record(mesh)))
    again = load_mesh(Artifact(tmp_path, record, ("mesh.npz",)))
    for each in fields(MergedMesh):
        before, after = getattr(mesh, each.name), getattr(again, each.name)
        if isinstance(before, np.ndarray):
            assert after.dtype == before.dtype, each.name
            np.testing.assert_array_equal(after, before)
        elif each.name != "from_world":
            assert after == before, each.name
    points = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(again.from_world.apply(points), mesh.from_world.apply(points))
