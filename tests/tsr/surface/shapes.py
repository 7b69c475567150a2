"""Names of what the tests of surfaces share."""

from __future__ import annotations

from collections.abc import Callable

import torch

from tsr.system import TSR

Torus = tuple[TSR, torch.Tensor]
Shape = Callable[[torch.Tensor], torch.Tensor]
"""Points ``(N, 3)`` to values ``(N,)``, inside > 0."""
