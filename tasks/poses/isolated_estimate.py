"""The search for poses in a process of its own.

COLMAP ends its process where its database finds no space, and its log library takes over signals.
"""

from __future__ import annotations

from typing import Any

from configs.stages import StageName
from tasks.core.isolated_call import call_isolated
from tasks.poses.record import PoseEstimate


def estimate_poses(*args: Any, **kwargs: Any) -> PoseEstimate:
    """As :func:`tasks.poses.estimate.estimate_poses`, apart.

    Args:
        args: Its arguments; they are pickled.
        kwargs: Likewise.

    Returns:
        Cameras of the registered frames and the tyre, in one world of arbitrary scale.

    Raises:
        Tyre3dError: As there; besides those of :func:`tasks.core.isolated_call.call_isolated`.
    """
    return call_isolated(StageName.ESTIMATE_POSES.value, _estimate_poses_here, *args, **kwargs)


def _estimate_poses_here(*args: Any, **kwargs: Any) -> PoseEstimate:
    from tasks.poses.estimate import estimate_poses as here  # only here: it brings COLMAP in

    return here(*args, **kwargs)
