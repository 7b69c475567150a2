"""Item 1: the surface of a torus with the full-size decoder, against dense evaluation."""

from __future__ import annotations

import functools
from typing import Any

import torch
from scipy.spatial import cKDTree

from bench.fields import torus_model
from bench.measure import (
    REPEATS,
    Row,
    alternating,
    in_process,
    matmul_peak,
    measurable_formats,
    without_bfloat16,
)
from tsr.network.field import SURFACE_DENSITY
from tsr.surface.extract import PARITY, ExtractedSurface, ExtractOptions, extract_surface_of_code
from tsr.surface.marching import march_volume
from tsr.system import TSR

GOALS = {256: 50, 512: 120}
CHUNK = 8192
SLAB = 32
"""At 512³ this many layers of cells are evaluated densely, and their seconds multiplied."""
LAYER_FLOP = 2 * 64 * 64
_MEMORY = """if True:
    import torch
    from bench.fields import torus_model
    from bench.measure import peak_memory_mb
    from tsr.surface.extract import extract_surface_of_code
    model, code = torus_model()
    extract_surface_of_code(model, code, 64)
    before = peak_memory_mb()
    extract_surface_of_code(model, code, 512)
    print(peak_memory_mb() - before)
"""


def _dense_slab(model: TSR, code: torch.Tensor, resolution: int, layers: int) -> torch.Tensor:
    """Density above the threshold in the ``layers + 1`` middle planes of the grid."""
    radius = model.cfg.renderer.radius
    axis = torch.linspace(-radius, radius, resolution)
    first = (resolution - layers) // 2
    volume = torch.empty(layers + 1, resolution, resolution)
    with torch.inference_mode():
        for i, x in enumerate(axis[first : first + layers + 1]):
            points = torch.cartesian_prod(x[None], axis, axis)
            out = model.renderer.query_triplane(model.decoder, points, code)
            volume[i] = out["density_act"].view(resolution, resolution) - SURFACE_DENSITY
    return volume


def _hausdorff(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(max(cKDTree(x).query(y)[0].max() for x, y in ((a, b), (b, a))))


def run(quick: bool) -> tuple[list[Row], dict[str, Any]]:
    """Measure it; ``quick`` leaves the dense evaluation at 256³ at one run."""
    model, code = torus_model()
    model.renderer.set_chunk_size(CHUNK)
    rows: list[Row] = []
    figures: dict[str, Any] = {}
    formats = measurable_formats()
    peaks = {name: matmul_peak(getattr(torch, name)) for name in formats}
    for resolution, goal in GOALS.items():
        voxel = 2 * model.cfg.renderer.radius / (resolution - 1)
        found: dict[str, ExtractedSurface] = {}

        def sparse(
            precision: Any, resolution: int = resolution, found: dict[str, ExtractedSurface] = found
        ) -> None:
            options = ExtractOptions(precision=precision)
            found[precision] = extract_surface_of_code(model, code, resolution, options=options)

        sparse("float32")
        fast = alternating(*(functools.partial(sparse, name) for name in formats), repeats=REPEATS)
        parity = extract_surface_of_code(
            model, code, resolution, options=ExtractOptions(interpolate="density")
        )
        if resolution == 256:
            dense: list[ExtractedSurface] = []
            (slow,) = alternating(
                lambda: dense.append(  # noqa: B023
                    extract_surface_of_code(model, code, resolution, options=PARITY)  # noqa: B023
                ),
                repeats=1 if quick else REPEATS,
            )
            seconds, how = slow.median, str(slow)
            distance = _hausdorff(parity.vertices, dense[0].vertices) / voxel
        else:
            slabs: list[torch.Tensor] = []

            def dense_slab(found: list[torch.Tensor] = slabs, resolution: int = resolution) -> None:
                found.append(march_volume(_dense_slab(model, code, resolution, SLAB))[0])

            (slow,) = alternating(dense_slab, repeats=1 if quick else 3)
            seconds = slow.median * resolution / (SLAB + 1)
            how = f"{seconds:.0f} s, extrapolated from {SLAB + 1} of {resolution} planes: {slow}"
            first = (resolution - SLAB) // 2
            theirs = slabs[0] + torch.tensor([first, 0, 0])
            ours = parity.vertices / voxel + (resolution - 1) / 2
            inside = (ours[:, 0] >= first) & (ours[:, 0] <= first + SLAB)
            distance = _hausdorff(ours[inside], theirs)
        rows.append(
            Row(
                f"Surface at {resolution}³, distance to the dense surface (Hausdorff)",
                "≤ 0.05 voxel",
                f"{distance:.4f} voxel",
                distance <= 0.05,
                "on the parity setting" + (f", in {SLAB} layers" if resolution == 512 else ""),
            )
        )
        for precision, times in zip(formats, fast, strict=True):
            ratio = seconds / times.median
            points = found[precision].evaluated
            rate = points * 8 * LAYER_FLOP / times.median
            rows.append(
                Row(
                    f"Surface at {resolution}³, {precision}",
                    f"≥ {goal} × dense",
                    f"{ratio:.0f} ×: {times}; dense float32 {how}",
                    ratio >= goal,
                    f"{points / 1e6:.2f} M points evaluated; "
                    f"{rate / peaks[precision]:.0%} of the matrix peak in the MLP's layers alone",
                )
            )
            figures[f"{resolution}_{precision}"] = {
                "seconds": times.seconds,
                "dense_seconds": seconds,
                "ratio": ratio,
                "points": points,
                "hausdorff_voxel": distance,
            }
        if "bfloat16" not in formats:
            rows.append(
                without_bfloat16(f"Surface at {resolution}³, bfloat16", f"≥ {goal} × dense")
            )
    ((memory,),) = in_process(_MEMORY)
    rows.append(
        Row(
            "Surface at 512³, peak memory above the model",
            "≤ 2 GB",
            f"{memory:.0f} MB",
            memory <= 2000,
        )
    )
    return rows, figures | {"memory_mb": memory, "matrix_peak_flops": peaks}
