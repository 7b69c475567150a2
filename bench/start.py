"""Item 3: imports, the command's help, and loading the full-size model."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from bench.fields import full_size_config
from bench.measure import REPEATS, Row, Times, alternating, in_process
from tsr.config import CLASSES
from tsr.system import TSR

_IMPORT = "import time; s = time.process_time(); import {}; print(time.process_time() - s)"
_LOAD = """if True:
    import sys, time
    from tsr.system import TSR
    s, c = time.perf_counter(), time.process_time()
    model = TSR.from_pretrained(sys.argv[1])
    print(time.perf_counter() - s, time.process_time() - c)
"""


def _write_model(folder: Path) -> None:
    cfg = full_size_config()
    parts = {k: v for k, v in asdict(cfg).items() if k != "image_tokenizer"}
    name = cfg.image_tokenizer.pretrained_model_name_or_path
    parts |= {"image_tokenizer": {"pretrained_model_name_or_path": name}, **CLASSES}
    (folder / "config.yaml").write_text(json.dumps(parts))
    torch.save(TSR(cfg).state_dict(), folder / "model.ckpt")


def run(quick: bool) -> tuple[list[Row], dict[str, Any]]:
    """Measure it."""
    repeats = 1 if quick else REPEATS
    ours, torch_alone = [], []
    for _ in range(repeats):
        torch_alone += in_process(_IMPORT.format("torch"))
        ours += in_process(_IMPORT.format("tsr.system"))
    imports = [Times(tuple(x[0] for x in found)) for found in (ours, torch_alone)]
    ratio = imports[0].median / imports[1].median
    command = [str(Path(sys.executable).with_name("tyre3d")), "--help"]
    (help_times,) = alternating(
        lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL),
        repeats=repeats,
        clock=time.perf_counter,
    )
    with tempfile.TemporaryDirectory() as folder:
        _write_model(Path(folder))
        loads = in_process(_LOAD, folder, repeats=repeats)
    wall, cpu = (Times(tuple(x[i] for x in loads)) for i in range(2))
    rows = [
        Row(
            "`import tsr.system` against `import torch`",
            "≤ 1.5 ×",
            f"{ratio:.2f} ×: {imports[0]} against {imports[1]}",
            ratio <= 1.5,
        ),
        Row("`tyre3d --help`, wall", "≤ 0.5 s", str(help_times), help_times.median <= 0.5),
        Row(
            "Full-size model from local files (`model.ckpt`, 1.68 GB), wall",
            "≤ 5 s",
            str(wall),
            wall.median <= 5,
            f"memory-mapped; CPU {cpu}",
        ),
    ]
    return rows, {
        "import_seconds": imports[0].seconds,
        "import_torch_seconds": imports[1].seconds,
        "help_seconds": help_times.seconds,
        "load_seconds": wall.seconds,
    }
