"""What runs are called in Prefect's UI."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePosixPath

from prefect.runtime import flow_run as this_run


def after_folder(kind: str) -> Callable[[], str]:
    """Names a run after its folder of results.

    Args:
        kind: What comes before.

    Returns:
        A function that reads the folder of the request of the run that is about to start.
    """

    def name() -> str:
        request = this_run.parameters["request"]
        folder = request["out_dir"] if isinstance(request, dict) else request.out_dir
        return f"{kind}-{PurePosixPath(folder).name}"

    return name
