"""Arithmetic whose result depends on neither the number of threads nor on what else runs.

A stage is cached by content, so that it has to give the same bytes for the same input. Two
libraries do not by themselves: OpenBLAS splits its products by the number of its threads, and
OpenCV takes routines of Intel's IPP, which round otherwise, on one thread and its own on several.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
from pathlib import Path

import cv2

_BUNDLES = ("numpy", "scipy")
"""Packages whose wheels bring an OpenBLAS of their own, beside them in ``<package>.libs``."""

_SETTERS = ("scipy_openblas_set_num_threads64_", "scipy_openblas_set_num_threads")


def compute_repeatably() -> None:
    """Make numpy, scipy and OpenCV independent of threads, for good.

    OpenBLAS is set for the whole process, IPP for the calling thread only: stages call this in the
    thread that they run in. Products are small here, so that one thread costs nothing.
    """
    cv2.ipp.setUseIPP(False)
    _one_blas_thread()


@functools.cache
def _one_blas_thread() -> None:
    for package in _BUNDLES:
        for library in _bundled_openblas(package):
            for name in _SETTERS:
                setter = getattr(library, name, None)
                if setter is not None:
                    setter(ctypes.c_int(1))


def _bundled_openblas(package: str) -> list[ctypes.CDLL]:
    """The OpenBLAS that a package's wheel brings; none where it was built against another BLAS."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return []
    folder = Path(spec.origin).parent.parent / f"{package}.libs"
    return [ctypes.CDLL(str(p)) for p in sorted(folder.glob("*openblas*"))]
