"""PSNR with known answers, and of meshes whose colours are known."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from configs.stages import AtlasConfig
from tasks.atlas.make import make_atlas
from tasks.evaluation.appearance import psnr, score_appearance
from tests.tasks.atlas.scene import film, torus


def test_psnr_of_known_errors() -> None:
    photo = np.full((4, 4, 3), 100, np.uint8)
    region = np.ones((4, 4), np.bool_)
    assert psnr(photo + 10, photo, region, gain=False) == pytest.approx(20 * math.log10(25.5))
    assert psnr(photo // 2, photo, region, gain=True) > 100
    image = photo.copy()
    image[0] = 0
    region[0] = False
    assert psnr(image, photo, region, gain=False) > 100, "what lies outside does not count"
    assert math.isnan(psnr(image, photo, np.zeros((4, 4), np.bool_), gain=False))


def test_a_texture_is_nearer_to_photos_than_coarse_vertices(tmp_path: Path) -> None:
    mesh = torus(40)
    filmed = film(tmp_path, mesh, count=9)
    held_out = [2, 5]
    used = {i: p for i, p in filmed.alphas.items() if i not in held_out}
    atlas = make_atlas(mesh, filmed.cameras, filmed.frames, used, AtlasConfig())
    scores = score_appearance(mesh, atlas, filmed.cameras, filmed.frames, filmed.alphas, held_out)
    assert scores["texture"] > 28
    assert scores["texture"] > scores["vertices"] + 5
    assert scores["texture_gain"] >= scores["texture"]
    none = score_appearance(mesh, atlas, filmed.cameras, filmed.frames, filmed.alphas, [])
    assert all(math.isnan(v) for v in none.values())
