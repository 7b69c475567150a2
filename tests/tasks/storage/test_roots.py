"""Folders that a request is bound to: gone, or left through a link."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.core.errors import InputError
from tasks.storage.roots import check_input_root, check_output_root


def test_what_lies_there_still_is_let_through(tmp_path: Path) -> None:
    (root := tmp_path / "root").mkdir()
    (tmp_path / "link").symlink_to(root)
    check_output_root(root / "new/a.glb", [tmp_path / "another", root])
    check_output_root(tmp_path / "link/a.glb", [tmp_path / "link"])
    check_input_root("s3://bucket/in/a.mp4", ["s3://bucket/in"])
    check_output_root(tmp_path / "anywhere/a.glb", ())


def test_a_root_that_is_gone_is_told(tmp_path: Path) -> None:
    root = tmp_path / "root"
    with pytest.raises(InputError, match=r"output-unwritable.*root is not there"):
        check_output_root(root / "a.glb", [root])
    with pytest.raises(InputError, match=r"input-missing.*root is not there"):
        check_input_root(root / "a.mp4", [root])
    assert not root.exists()


def test_a_link_that_leads_out_is_refused(tmp_path: Path) -> None:
    (root := tmp_path / "root").mkdir()
    (elsewhere := tmp_path / "elsewhere").mkdir()
    (elsewhere / "a.mp4").write_bytes(b"another's")
    (root / "made").symlink_to(elsewhere)
    (root / "a.mp4").symlink_to(elsewhere / "a.mp4")
    (root / "loop").symlink_to(root / "loop")
    with pytest.raises(InputError, match="output-unwritable"):
        check_output_root(root / "made/a.glb", [root])
    for name in ("a.mp4", "made/a.mp4", "loop/a.mp4"):
        with pytest.raises(InputError, match="input-unreadable"):
            check_input_root(root / name, [root])
