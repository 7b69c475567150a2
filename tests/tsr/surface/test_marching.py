"""Marching cubes."""

from __future__ import annotations

import numpy as np
import torch
import trimesh

from tsr.surface.marching import march_volume


def test_noise_makes_a_closed_manifold() -> None:
    torch.manual_seed(0)
    volume = torch.nn.functional.pad(torch.randn(20, 21, 22), (1,) * 6, value=-1.0)
    vertices, faces = march_volume(volume)
    edges = np.sort(trimesh.geometry.faces_to_edges(faces.numpy()), axis=1)
    assert set(np.unique(edges, axis=0, return_counts=True)[1]) == {2}
    mesh = trimesh.Trimesh(vertices.numpy(), faces.numpy(), process=False)
    assert mesh.is_winding_consistent
    assert mesh.volume > 0
