"""Pictures of a mesh: from the side that was asked for, in the colours that were asked for."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from configs.stages import ExportConfig
from tasks.geometry.ray_caster import RayCaster
from tasks.mesh.colouring import coloured
from tasks.mesh.export import export_glb
from tasks.mesh.glb_reader import ReadMesh, read_glb
from tasks.mesh.palette import PALETTE
from tasks.mesh.rendering import Studio
from tests.tasks.mesh.test_levels_of_detail import fine, textured

Picture = NDArray[np.uint8]


@pytest.fixture(scope="module")
def mesh() -> ReadMesh:
    return read_glb(export_glb(fine(), {}, ExportConfig()))


def redness(picture: Picture, column: int) -> int:
    """Red over green where the ring is cut by the picture's middle row."""
    red, green, _ = picture[picture.shape[0] // 2, column].astype(int)
    return int(red - green)


def test_the_side_is_the_one_that_was_asked_for(mesh: ReadMesh) -> None:
    studio = Studio(mesh)
    front, back = studio.render(0, 0, 96, 96), studio.render(180, 0, 96, 96)
    assert redness(front, 18) > 40, "red is at -x, the left seen from +z"
    assert redness(front, 78) < -40
    assert redness(back, 18) < -40
    assert redness(back, 78) > 40


def test_the_mesh_fills_the_picture_and_the_hole_is_open(mesh: ReadMesh) -> None:
    picture = Studio(mesh).render(0, 0, 120, 80).astype(int)
    grey = np.ptp(picture, axis=2) == 0  # the ground
    rows, columns = np.nonzero(~grey)
    assert rows.min() in range(1, 9)
    assert rows.max() in range(71, 79)
    assert abs(columns.min() + columns.max() - 119) <= 2
    assert grey[40, 60], "the hole shows the ground"


def test_a_turntable_comes_round(mesh: ReadMesh) -> None:
    pictures = list(Studio(mesh).turntable(10, 32, 32, 4))
    assert len(pictures) == 4
    np.testing.assert_array_equal(pictures[1], Studio(mesh).render(90, 10, 32, 32))


def test_colours_tell_what_is_known(mesh: ReadMesh) -> None:
    below = mesh.attributes["inferred"] > 0.5
    provenance = coloured(mesh, "provenance")
    assert len(np.unique(provenance[below], axis=0)) == 1
    assert provenance[below][0, 0] > provenance[below][0, 2], "what is inferred is orange"
    assert provenance[~below][0, 2] > provenance[~below][0, 0], "what was seen is blue"
    spread = coloured(mesh, "disagreement")
    assert spread[below][0, 0] > spread[below][0, 2]
    assert spread[~below][0, 2] > spread[~below][0, 0]
    pictures = [Studio(mesh, c).render(0, 0, 48, 48) for c in ("photo", "provenance")]
    assert np.abs(pictures[0].astype(int) - pictures[1]).max() > 60


def test_a_texture_is_shown() -> None:
    sheet = read_glb(textured())
    picture = Studio(sheet).render(0, 0, 64, 64).astype(int)
    left, right = picture[32, 20], picture[32, 44]
    assert left[0] > left[2] + 60, "the left chart shows the red half"
    assert right[2] > right[0] + 60


def test_a_mesh_without_colours_has_one() -> None:
    colours = coloured(read_glb(textured()), "photo")
    assert len(np.unique(colours, axis=0)) == 1
    assert PALETTE["body"].startswith("#")


def test_rays_are_many_where_the_picture_changes_alone(
    mesh: ReadMesh, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: list[int] = []
    cast = RayCaster.intersect

    def counted(self: RayCaster, origins: Any, directions: Any) -> Any:
        counts.append(len(directions))
        return cast(self, origins, directions)

    monkeypatch.setattr(RayCaster, "intersect", counted)
    studio = Studio(mesh)
    picture = studio.render(30, 10, 192, 192)
    assert sum(counts) < 2 * 192 * 192
    finer = cv2.resize(studio.render(30, 10, 768, 768), (192, 192), interpolation=cv2.INTER_AREA)
    apart = np.abs(finer.astype(int) - picture).max(axis=2)
    assert apart.mean() < 1
    assert np.quantile(apart, 0.99) < 24, "edges are as smooth"
