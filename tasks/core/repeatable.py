"""Arithmetic whose result depends on neither the number of threads nor on what else runs.

A stage is cached by content, so that it has to give the same bytes for the same input. Two
libraries do not by themselves: OpenBLAS splits its products by the number of its threads, and
OpenCV takes routines of Intel's IPP, which round otherwise, on one thread and its own on several.
"""

from __future__ import annotations

import cv2
from threadpoolctl import threadpool_limits


def compute_repeatably() -> None:
    """Make numpy, scipy and OpenCV independent of threads, for good.

    OpenBLAS is set for the whole process, IPP for the calling thread only. Every stage begins with
    this; what computes in other threads or processes, or outside of a stage, calls it itself.
    Products are small here, so that one thread costs nothing.
    """
    cv2.ipp.setUseIPP(False)
    threadpool_limits(limits=1, user_api="blas")
