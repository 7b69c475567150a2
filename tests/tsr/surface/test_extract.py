"""Surfaces with known answers."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.spatial import cKDTree
from torch.utils._python_dispatch import TorchDispatchMode

from bench.fields import MAJOR, MINOR, torus_model
from tests.tsr.surface.shapes import Torus
from tsr.errors import TSRError
from tsr.surface.extract import (
    PARITY,
    ExtractOptions,
    extract_surface_of_code,
    log_density,
)
from tsr.system import TSR

VOLUME = 2 * math.pi**2 * MAJOR * MINOR**2


def test_torus_is_watertight_and_has_its_volume(torus: Torus) -> None:
    model, code = torus
    mesh = model.extract_mesh(code[None], True, resolution=128)[0]
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    assert mesh.volume == pytest.approx(VOLUME, rel=0.02)  # positive: normals point outwards
    assert mesh.euler_number == 0
    assert mesh.visual.vertex_colors.shape == (len(mesh.vertices), 4)
    assert mesh.metadata["warnings"] == []


@pytest.mark.parametrize("interpolate", ["density", "log_density"])
def test_sparse_equals_the_reference(torus: Torus, interpolate: str) -> None:
    model, code = torus
    sparse, dense, reference = (
        extract_surface_of_code(
            model,
            code,
            50,
            options=ExtractOptions(coarse_cells=16, method=method, interpolate=interpolate),  # type: ignore[arg-type]
        )
        for method in ("sparse", "dense", "reference")
    )
    assert sparse.evaluated < dense.evaluated == reference.evaluated == 50**3
    assert (sparse.coarse_cell > 0, dense.coarse_cell, reference.coarse_cell) == (True, 0, 0)
    voxel = 2 * 0.87 / 49
    for other in (dense, reference):
        assert sparse.vertices.shape == other.vertices.shape
        assert sparse.faces.shape == other.faces.shape
        distance = cKDTree(other.vertices).query(sparse.vertices)[0]
        assert distance.max() < 0.01 * voxel


def test_bfloat16_stays_close(torus: Torus) -> None:
    model, code = torus
    exact, rounded = (
        extract_surface_of_code(model, code, 64, options=ExtractOptions(precision=p))  # type: ignore[arg-type]
        for p in ("float32", "bfloat16")
    )
    distance = cKDTree(exact.vertices).query(rounded.vertices)[0]
    assert distance.mean() < 0.1 * 2 * 0.87 / 63


def test_marching_on_log_density_is_more_exact(torus: Torus) -> None:
    model, code = torus

    def error(interpolate: str) -> float:
        options = ExtractOptions(interpolate=interpolate)  # type: ignore[arg-type]
        v = extract_surface_of_code(model, code, 64, options=options).vertices.double()
        raw = log_density(model, code, v.float()) - math.log(25)
        return float(raw.square().mean().sqrt())

    assert error("log_density") < 0.5 * error("density")


def test_bad_arguments(torus: Torus) -> None:
    model, code = torus
    with pytest.raises(TSRError, match="threshold"):
        extract_surface_of_code(model, code, 32, threshold=0.0)
    with pytest.raises(TSRError, match="resolution"):
        extract_surface_of_code(model, code, 1)
    with pytest.raises(TSRError, match="chunk_size"):
        model.renderer.set_chunk_size(-1)
    with pytest.raises(TSRError, match="return_type"):
        model.render(code[None], 1, return_type="gif")  # type: ignore[arg-type]


def test_chunks_change_nothing(tiny: TSR, golden: dict[str, torch.Tensor]) -> None:
    code = golden["scene_codes"][0]
    surfaces = []
    for chunk in (0, 1000):
        tiny.renderer.set_chunk_size(chunk)
        surfaces.append(extract_surface_of_code(tiny, code, 24, options=PARITY))
    tiny.renderer.set_chunk_size(1 << 18)
    torch.testing.assert_close(surfaces[0].vertices, surfaces[1].vertices)


class _NoIntegerProducts(TorchDispatchMode):
    """A device like CUDA, which has no matrix products of integers."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        if func.overloadpacket.__name__ in ("matmul", "mm", "mv", "addmm", "bmm", "dot"):
            assert all(a.is_floating_point() for a in args if isinstance(a, torch.Tensor))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("method", ["sparse", "reference"])
def test_surfaces_need_no_integer_products(torus: Torus, method: str) -> None:
    with _NoIntegerProducts(), pytest.raises(AssertionError):
        torch.arange(3) @ torch.arange(3)
    options = ExtractOptions(method=method)  # type: ignore[arg-type]
    with _NoIntegerProducts():
        surface = extract_surface_of_code(*torus, 48, options=options)
    assert len(surface.vertices) > 100


@pytest.mark.gpu
def test_cuda_agrees_with_cpu(torus: Torus, tiny: TSR, golden: dict[str, torch.Tensor]) -> None:
    if not torch.cuda.is_available():
        pytest.fail("no CUDA device")
    on_gpu, code = torus_model("cuda")
    ours = extract_surface_of_code(on_gpu, code, 128)
    assert ours.vertices.is_cuda
    theirs = extract_surface_of_code(*torus, 128)
    distance = cKDTree(theirs.vertices).query(ours.vertices.cpu())[0]
    assert distance.max() < 0.05 * 2 * 0.87 / 127
    codes = tiny.to("cuda")([golden["image"]], device="cuda").cpu()
    tiny.to("cpu")
    assert float((codes - golden["scene_codes"]).abs().max()) < 1e-3 * float(codes.abs().max())


@pytest.mark.parametrize("texel", [(58, 60), (59, 60), (59, 61)])
@pytest.mark.parametrize("amplitude", [0.4, 0.8])
def test_a_texel_between_lattice_points_is_not_overlooked(
    torus: Torus, texel: tuple[int, int], amplitude: float
) -> None:
    model, code = torus
    row, column = texel
    code = code.clone()
    code[:, 1:] = 0
    code[1, 0, row, column] -= amplitude
    surface = extract_surface_of_code(model, code, 129, options=ExtractOptions(coarse_cells=16))
    span = torch.linspace(-0.87, 0.87, 129)  # does the grid see the bar along y?
    near = [(torch.tensor([i - 1.5, i + 2.5]) / 32 - 1) * 0.87 for i in (column, row)]
    x, z = (span[(span > a) & (span < b)] for a, b in near)
    exists = bool((log_density(model, code, torch.cartesian_prod(x, span, z)) > math.log(25)).any())
    found = bool((surface.vertices[:, 0] > 0.65).any())
    assert found == exists or surface.warnings
