"""Texels of squares that are laid out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.atlas import texels
from tasks.atlas.layout import Layout
from tasks.atlas.texels import find_texels


def laid_out(*corners: tuple[float, float, float, float], width: int = 8) -> Layout:
    """Rectangles of two faces each: left, top, right, bottom; in a picture eight rows high."""
    uv = [[(x, y), (right, y), (right, low), (x, low)] for x, y, right, low in corners]
    first = 4 * np.arange(len(corners))[:, None]
    faces = (first + np.array([0, 1, 2, 0, 2, 3])).reshape(-1, 3)
    count = 4 * len(corners)
    source = np.arange(count, dtype=np.int32)[::-1].copy()  # copies of vertices in another order
    return Layout(
        np.array(uv, np.float32).reshape(-1, 2),
        source,
        faces.astype(np.int32),
        np.ones(len(faces), np.bool_),
        width,
        8,
        (0, 8),
        1.0,
    )


def places(layout: Layout, at: np.ndarray) -> set[tuple[int, int]]:
    rows, columns = np.divmod(at, layout.width)
    return set(zip(columns.tolist(), rows.tolist(), strict=True))


@pytest.mark.parametrize("rows", [3, 256])
def test_texels_are_those_whose_middle_a_face_covers(
    rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(texels, "_ROWS", rows)
    layout = laid_out((1, 2, 5, 6))
    found = find_texels(layout, np.zeros(4))
    assert places(layout, found.at) == {(x, y) for x in range(1, 5) for y in range(2, 6)}
    np.testing.assert_allclose(found.weights.sum(axis=1), 1, atol=1e-6)
    own = np.zeros((4, 2), np.float32)
    own[layout.source] = layout.uv
    rows_, columns = np.divmod(found.at, 8)
    middles = np.stack([columns, rows_], axis=1) + 0.5
    np.testing.assert_allclose(found.mixed(own), middles, atol=1e-4)
    np.testing.assert_allclose(found.mixed(own[:, 0]), middles[:, 0], atol=1e-4)


def test_the_uppermost_of_two_faces_is_shown() -> None:
    layout = laid_out((0, 0, 8, 8), (2, 2, 6, 6))
    for high in (0, 1):
        height = np.repeat([0.1 * (1 - high), 0.1 * high], 4)
        found = find_texels(layout, height)
        assert len(found.at) == 64
        of_second = set(layout.source[4:].tolist())
        shown = {at for at, c in zip(found.at, found.corners, strict=True) if c[0] in of_second}
        assert len(shown) == 16 * high


def test_what_lies_beyond_the_right_edge_lies_at_the_left() -> None:
    layout = laid_out((6, 1, 10, 3))
    found = find_texels(layout, np.zeros(4))
    assert places(layout, found.at) == {(x, y) for x in (6, 7, 0, 1) for y in (1, 2)}
    own = np.zeros(4, np.float32)
    own[layout.source] = layout.uv[:, 0]
    columns = found.at % 8 + 0.5
    np.testing.assert_allclose(found.mixed(own) % 8, columns, atol=1e-4)
