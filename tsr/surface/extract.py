"""Surfaces of scene codes: sparse by default, dense where nothing may be missed."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from tsr.errors import TSRError
from tsr.network.field import SURFACE_DENSITY
from tsr.surface.marching import march_volume
from tsr.surface.planes import GridField, PlaneField
from tsr.surface.sparse import extract_surface

if TYPE_CHECKING:
    from tsr.system import TSR

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ExtractOptions:
    """How a surface is extracted.

    Args:
        method: "sparse" evaluates a coarse lattice and then only the points near the surface;
            "dense" evaluates every grid point, with the same fast evaluation: no part that the
            grid can show is missed; "reference" evaluates every point through
            ``renderer.query_triplane`` in chunks of its chunk size.
        interpolate: Vertices are placed on grid edges by linear interpolation of the
            "log_density" or of the "density". The density is an exponential: interpolating it
            puts vertices in the wrong place. The published implementation does.
        coarse_cells: Cells per axis of the coarse lattice, at least; parts that are thinner than
            such a cell and detached may be missed by "sparse".
        margin: Share of a cell's range by which a predicted value may be wrong ("sparse").
        precision: "bfloat16" for the MLP's hidden layers is faster and moves the surface a little.
    """

    method: Literal["sparse", "dense", "reference"] = "sparse"
    interpolate: Literal["log_density", "density"] = "log_density"
    coarse_cells: int = 32
    margin: float = 0.25
    precision: Literal["float32", "bfloat16"] = "float32"


PARITY = ExtractOptions(method="reference", interpolate="density")
"""What the published implementation does."""


@dataclass(frozen=True)
class ExtractedSurface:
    """The surface of a scene code.

    Args:
        vertices: ``(V, 3)`` float32 in -radius..radius, on the model's device.
        faces: ``(F, 3)`` int64, wound outwards.
        evaluated: Number of points at which the density was evaluated.
        coarse_cell: Side of a cell of the coarse lattice in the field's units; detached parts
            thinner than this may be missed. 0 if every grid point was evaluated.
        warnings: Evidence that something may have been missed.
    """

    vertices: Tensor
    faces: Tensor
    evaluated: int
    coarse_cell: float
    warnings: tuple[str, ...] = ()


def extract_surface_of_code(
    model: TSR,
    code: Tensor,
    resolution: int = 256,
    threshold: float = SURFACE_DENSITY,
    options: ExtractOptions | None = None,
) -> ExtractedSurface:
    """Extract the surface where a scene code's density is ``threshold``.

    Args:
        model: The model.
        code: ``(3, C, S, S)``, on the model's device.
        resolution: Grid points per axis.
        threshold: Density of the surface, positive.
        options: The way to extract it; the default is fast.

    Raises:
        TSRError: The threshold or the resolution is out of range.
        OutOfMemoryError: The device is full even with half the points at once.
    """
    options = options or ExtractOptions()
    if not threshold > 0:
        raise TSRError(f"threshold must be a positive density, not {threshold}")
    if resolution < 2:
        raise TSRError(f"resolution must be at least 2, not {resolution}")
    code = code.to(model.tokenizer.embeddings.device)
    radius = model.cfg.renderer.radius
    step = 2 * radius / (resolution - 1)
    level = math.log(threshold)

    def signed(log_density: Tensor) -> Tensor:
        if options.interpolate == "density":
            return log_density.exp() - threshold
        return log_density - level

    warnings: tuple[str, ...] = ()
    with torch.inference_mode():
        if options.method == "reference":
            volume = signed(_reference(model, code, resolution))
            vertices, faces = march_volume(volume)
            evaluated, coarse = volume.numel(), 0.0
        else:
            grid = GridField(plane_field(model, code, options.precision), resolution)
            sparse = extract_surface(
                lambda index: signed(grid.log_density(index)),
                resolution,
                coarse_cells=options.coarse_cells if options.method == "sparse" else resolution,
                margin=options.margin,
                planes=grid.planes,
                device=code.device,
            )
            vertices, faces, evaluated = sparse.vertices, sparse.faces, sparse.evaluated
            coarse = sparse.coarse_stride * step if sparse.coarse_stride > 1 else 0.0
            warnings = _warnings(sparse.thin_cells, sparse.suspect_cells, coarse)
    for warning in warnings:
        logger.warning("%s", warning)
    vertices = vertices * step - radius
    return ExtractedSurface(vertices.clone(), faces.clone(), evaluated, coarse, warnings)


def _warnings(thin: int, suspect: int, coarse: float) -> tuple[str, ...]:
    if not thin and not suspect:
        return ()
    return (
        f"parts thinner than {coarse:.3g} may have been missed: of the coarse lattice's cells, "
        f"{thin} held surface that the lattice itself does not show, {suspect} more came near the "
        'threshold; raise coarse_cells, or use method="dense" to rule it out',
    )


def _reference(model: TSR, code: Tensor, resolution: int) -> Tensor:
    radius = model.cfg.renderer.radius
    axis = torch.linspace(-radius, radius, resolution, device=code.device)
    volume = torch.empty((resolution,) * 3, device=code.device)
    for i, x in enumerate(axis):
        points = torch.cartesian_prod(x[None], axis, axis)
        raw = model.renderer.query_triplane(model.decoder, points, code)["density"]
        volume[i] = raw.view(resolution, resolution) + model.cfg.renderer.density_bias
    return volume


def plane_field(
    model: TSR, code: Tensor, precision: Literal["float32", "bfloat16"] = "float32"
) -> PlaneField:
    """The fast evaluator of one scene code, for several queries.

    Args:
        model: The model.
        code: ``(3, C, S, S)``.
        precision: The number format of the MLP's hidden layers.
    """
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    return PlaneField(model.decoder, model.cfg.renderer, code, dtype)


def log_density(model: TSR, code: Tensor, points: Tensor) -> Tensor:
    """Natural logarithm of a scene code's density at points; fast, in chunks, without gradients.

    Inside the surface it is above that of :data:`tsr.network.field.SURFACE_DENSITY`.

    Args:
        model: The model.
        code: ``(3, C, S, S)``.
        points: ``(N, 3)`` in -radius..radius.

    Returns:
        ``(N,)`` float32.
    """
    return plane_field(model, code).log_density(points)


def colours(model: TSR, code: Tensor, points: Tensor) -> Tensor:
    """Colours of a scene code at points; fast, in chunks, without gradients.

    Args:
        model: The model.
        code: ``(3, C, S, S)``.
        points: ``(N, 3)`` in -radius..radius.

    Returns:
        ``(N, 3)`` float32 in 0..1.
    """
    return plane_field(model, code).evaluate(points)[:, 1:].sigmoid()
