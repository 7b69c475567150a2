"""The picture of a mesh may be missing for the mesh's sake, and for no passing fault."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tasks.stages.export_glb import _write_preview
from tests.tasks.atlas.scene import torus


@pytest.mark.parametrize("fault", [OSError(28, "No space left on device"), MemoryError()])
def test_what_passes_is_not_kept_as_a_missing_picture(
    fault: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise fault

    monkeypatch.setattr("tasks.mesh.preview.preview", failing)
    with pytest.raises(type(fault)):
        _write_preview(tmp_path / "preview.png", torus())


def test_a_mesh_that_cannot_be_drawn_has_no_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def odd(*_: object) -> None:
        raise np.linalg.LinAlgError("singular")

    monkeypatch.setattr("tasks.mesh.preview.preview", odd)
    _write_preview(tmp_path / "preview.png", torus())
    assert list(tmp_path.iterdir()) == []
