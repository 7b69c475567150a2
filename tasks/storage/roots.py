"""Folders that a request is bound to: whoever let it through looked at them, a run looks again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from configs.locations import printable
from configs.stages import StageName
from tasks.core.errors import InputError


def check_input_root(location: Path | str, roots: Sequence[Path | str]) -> None:
    """Make sure that an input still lies below one of its roots.

    Args:
        location: A path, or an ``s3://`` address, in which there are no links.
        roots: Folders and prefixes; none: it may lie anywhere.

    Raises:
        InputError: ``input-missing`` where the root is gone, ``input-unreadable`` where a link
            leads out of it.
    """
    _check(
        location, roots, gone="input-missing", leads_out="input-unreadable", stage=StageName.EXTRACT
    )


def check_output_root(location: Path | str, roots: Sequence[Path | str]) -> None:
    """Make sure that a result still goes below one of its roots; a root is never made.

    Args:
        location: As of :func:`check_input_root`.
        roots: As of :func:`check_input_root`.

    Raises:
        InputError: ``output-unwritable``.
    """
    code = "output-unwritable"
    _check(location, roots, gone=code, leads_out=code, stage=StageName.EXPORT)


def _check(
    location: Path | str, roots: Sequence[Path | str], *, gone: str, leads_out: str, stage: str
) -> None:
    if not roots or not isinstance(location, Path):
        return
    folders = [root for root in roots if isinstance(root, Path)]
    for folder in folders:
        if location.is_relative_to(folder) and not folder.is_dir():
            raise InputError(
                gone,
                stage=stage,
                what=f"the folder {folder} is not there any more",
                advice="Is the share mounted on this machine, under the same path?",
            )
    if not any(_lies_in(location, folder) for folder in folders):
        raise InputError(
            leads_out,
            stage=stage,
            what=f"{printable(str(location))} leads out of the folders that it may lie in",
            advice="See who put a link there since the request was let through",
        )


def _lies_in(location: Path, folder: Path) -> bool:
    """Whether it does once links are followed; what goes round lies nowhere."""
    try:
        return location.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):
        return False
