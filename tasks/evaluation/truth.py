"""Known objects to measure against: generated tyres and imported wheels."""

from __future__ import annotations

import trimesh

from tasks.evaluation.distance import SurfaceDistance
from tasks.evaluation.metrics import Truth
from tasks.synthetic.scenes.visibility import visible_surface
from tasks.synthetic.tyres.imported_wheels import ImportedWheel
from tasks.synthetic.tyres.tyre import Tyre

SURFACE_SAMPLES = 200_000
VISIBLE_SAMPLES = 30_000


def truth_of(wheel: Tyre | ImportedWheel) -> Truth:
    """Dense samples of a wheel's surface and of its visible part; seeds are fixed.

    Args:
        wheel: A generated tyre (with an exact inside query) or an imported wheel (without).
    """
    mesh = trimesh.Trimesh(wheel.vertices, wheel.faces, process=False)
    visible, normals = visible_surface(mesh, VISIBLE_SAMPLES, seed=2)
    return Truth(
        surface=SurfaceDistance(mesh, SURFACE_SAMPLES),
        visible=visible,
        visible_normals=normals,
        diameter=float(wheel.diameter),
        width=float(wheel.width),
        contains=wheel.contains if isinstance(wheel, Tyre) else None,
    )
