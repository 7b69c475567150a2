"""The benchmarks' plumbing; nothing is timed here."""

from __future__ import annotations

import ast
import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import bench.__main__ as command
from bench import cuda
from bench.forward import as_reference, forward_flop
from bench.measure import Row, Times, alternating, in_process, machine
from bench.pipeline import _IMPORTED_LATE
from bench.report import render
from tsr.system import TSR


def part(what: str) -> dict[str, Any]:
    rows = [vars(Row(what, "≤ 1 s", "0.5 s | 1 run", True, "quiet")), vars(Row("b", "", "", None))]
    return {"at": "today", "quick": False, "machine": machine(), "rows": rows, "figures": {}}


def test_what_the_benchmarks_import_exists() -> None:
    """Also by the code that they run in processes of their own, which is in strings."""
    for name in (*command.ITEMS, "pipeline"):
        module = importlib.import_module(f"bench.{name}")
        assert callable(module.main if name == "pipeline" else module.run)
        for text in vars(module).values():
            if not isinstance(text, str) or not text.startswith("if True:"):
                continue
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.ImportFrom):
                    imported = importlib.import_module(str(node.module))
                    assert all(hasattr(imported, alias.name) for alias in node.names), name
    for name in _IMPORTED_LATE:
        importlib.import_module(name)


def test_calls_take_turns() -> None:
    order: list[str] = []
    clock = iter(range(100))
    times = alternating(
        lambda: order.append("a"),
        lambda: order.append("b"),
        repeats=3,
        clock=lambda: float(next(clock)),
    )
    assert order == list("ababab")
    assert [t.seconds for t in times] == [(1.0, 1.0, 1.0)] * 2
    assert str(Times((1.0, 3.0, 2.0))) == "2.00 s (1.00 to 3.00, 3 runs)"


def test_fresh_processes_tell_numbers() -> None:
    assert in_process("import sys; print(1, sys.argv[1])", "2.5", repeats=2) == [[1.0, 2.5]] * 2


def test_a_part_replaces_itself_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = command.merge(command.merge({}, "start", part("old")), "extraction", part("kept"))
    assert list(told["items"]) == ["extraction", "start"]
    told = command.merge(told, "start", part("new"))
    elsewhere = part("elsewhere")
    elsewhere["machine"] |= {"processor": "another"}
    told = command.merge(told, "start", elsewhere)
    text = render(told)
    assert "old" not in text
    assert "| elsewhere |" in text
    assert r"| new | ≤ 1 s | 0.5 s \| 1 run | yes | quiet |" in text
    monkeypatch.setattr(sys, "argv", ["bench", "--only", "cuda", "--out", str(tmp_path)])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert command.main() == 0
    assert "not measured" in (tmp_path / "benchmarks.md").read_text()
    assert "not measured" in capsys.readouterr().err
    assert all(row.met is None for row in cuda.run(quick=True)[0])


def test_the_table_in_the_documents_is_that_of_the_figures() -> None:
    docs = Path(command.ROOT) / "docs"
    told = json.loads((docs / "benchmarks.json").read_text())
    assert render(told) == (docs / "benchmarks.md").read_text()
    assert set(command.merge(told, "start", part("here"))["items"]) == set(told["items"])


def test_the_references_attention_gives_the_same(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = TSR.from_pretrained(str(tiny_model), weight_name="model.safetensors")
    image = torch.rand(1, 64, 64, 3)
    ours = model(image)
    with as_reference():
        torch.testing.assert_close(model(image), ours, atol=1e-5, rtol=1e-4)
    assert 2.8e12 < forward_flop(1) < 3.1e12
    assert forward_flop(4) < 4 * forward_flop(1)
