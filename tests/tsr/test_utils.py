from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import trimesh
from PIL import Image

from tsr.errors import TSRError
from tsr.utils import remove_background, resize_foreground, save_video, to_gradio_3d_orientation


def test_transparency_is_kept() -> None:
    image = Image.new("RGBA", (4, 4), (1, 2, 3, 0))
    assert remove_background(image) is image


def test_background_goes_through_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    rembg = SimpleNamespace(remove=lambda image, **kw: calls.append(kw) or image)
    monkeypatch.setitem(sys.modules, "rembg", rembg)  # type: ignore[arg-type]
    image = Image.new("RGB", (4, 4))
    assert remove_background(image, "session") is image
    remove_background(Image.new("RGBA", (4, 4)), "session", force=True, alpha_matting=True)
    assert calls == [{"session": "session"}, {"session": "session", "alpha_matting": True}]


def test_resizing_needs_a_foreground() -> None:
    with pytest.raises(TSRError, match="RGBA"):
        resize_foreground(Image.new("RGB", (4, 4)), 0.85)
    with pytest.raises(TSRError, match="no foreground"):
        resize_foreground(Image.new("RGBA", (4, 4)), 0.85)


def test_orientation_is_the_published_one() -> None:
    mesh = trimesh.Trimesh([[1, 2, 3], [0, 0, 0], [0, 1, 0]], [[0, 1, 2]], process=False)
    about = trimesh.transformations.rotation_matrix
    expected = trimesh.transform_points(
        mesh.vertices, about(np.pi / 2, [0, 1, 0]) @ about(-np.pi / 2, [1, 0, 0])
    )
    assert to_gradio_3d_orientation(mesh) is mesh
    np.testing.assert_array_equal(mesh.vertices[0], [-2, 3, -1])
    np.testing.assert_allclose(mesh.vertices, expected, atol=1e-12)


def test_video_is_written(tmp_path: Path) -> None:
    path = tmp_path / "turn.mp4"
    save_video([Image.new("RGB", (32, 16), (10 * i, 0, 0)) for i in range(5)], str(path), fps=5)
    video = cv2.VideoCapture(str(path))
    assert int(video.get(cv2.CAP_PROP_FRAME_COUNT)) == 5
    with pytest.raises(TSRError, match="no frames"):
        save_video([], path)
