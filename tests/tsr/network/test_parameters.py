"""Parameters are drawn where there is memory for them, and cost nothing where there is none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import torch

from tsr.network.parameters import normal

LOADING = """
import sys
from tsr.system import TSR
TSR.from_pretrained(sys.argv[1], weight_name="model.safetensors")
print([name for name in ("torch._dynamo", "torch._inductor") if name in sys.modules])
"""


def test_values_are_drawn() -> None:
    torch.manual_seed(3)
    drawn = normal(200, 300, std=0.5)
    torch.manual_seed(3)
    assert torch.equal(drawn, torch.randn(200, 300) * 0.5)
    assert drawn.requires_grad


def test_a_model_is_read_without_the_compiler(tiny_model: Path) -> None:
    """Its import takes longer than reading the bundled model."""
    command = [sys.executable, "-c", LOADING, str(tiny_model)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    assert answer.stdout.strip() == "[]"
