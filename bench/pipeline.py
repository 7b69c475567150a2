"""Runs a flow in a process of its own, as the command line does, and takes its time apart.

``python -m bench.pipeline one INPUT OUT [options as JSON]``, ``batch FOLDER OUT [options]``, or
``queue FOLDER OUT [options]``, where several processes share a folder; the last line printed is
JSON. ``TYRE3D_HOME`` says where weights and artifacts lie.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bench.measure import ROOT

_IMPORTED_LATE = (
    "onnxruntime", "pycolmap", "trimesh", "safetensors.torch", "tasks.matting.u2net", "tsr.system",
)  # fmt: skip


def run_pipeline(
    what: str, source: Path, out: Path, home: Path, cpus: set[int] | None = None, **options: Any
) -> dict[str, Any]:
    """Run a flow in a fresh process and wait for its results."""
    return results_of(start_pipeline(what, source, out, home, cpus, **options))


def start_pipeline(
    what: str, source: Path, out: Path, home: Path, cpus: set[int] | None = None, **options: Any
) -> subprocess.Popen[str]:
    """Start a flow in a fresh process, on some cores only if any are named."""
    command = [sys.executable, "-m", "bench.pipeline", what, str(source), str(out)]
    process = subprocess.Popen(
        [*command, json.dumps(options)],
        cwd=ROOT,
        env=os.environ | {"TYRE3D_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    if cpus:
        os.sched_setaffinity(process.pid, cpus)
    return process


def results_of(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The results that a process prints on its last line."""
    text, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"the run failed with exit code {process.returncode}: {text[-500:]}")
    results: dict[str, Any] = json.loads(text.strip().splitlines()[-1])
    return results


class Computation:
    """Seconds that stages spend on their work, without reading their inputs from the store."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._reading = 0.0

    def watch(self) -> None:
        """Count in every artifact store of this process from now on."""
        from tasks.storage.artifacts import ArtifactStore

        make, read = ArtifactStore.make, ArtifactStore.open

        def timed_make(
            store: Any, stage: str, key: str, produce: Callable[[Path], Mapping[str, Any]]
        ) -> Any:
            def timed(folder: Path) -> Mapping[str, Any]:
                before, started = self._reading, time.perf_counter()
                record = produce(folder)
                spent = time.perf_counter() - started
                self.seconds += spent - (self._reading - before)
                return record

            return make(store, stage, key, timed)

        def timed_open(store: Any, ref: Any) -> Any:
            started = time.perf_counter()
            found = read(store, ref)
            self._reading += time.perf_counter() - started
            return found

        ArtifactStore.make = timed_make  # type: ignore
        ArtifactStore.open = timed_open  # type: ignore


def _next(folder: Path) -> Path | None:
    """Take a video that no other process has taken; None if there is none."""
    for video in sorted(folder.glob("*.mp4")):
        with contextlib.suppress(FileExistsError):
            video.with_suffix(".taken").touch(exist_ok=False)
            return video
    return None


def main() -> int:
    """Run the flow that the arguments name."""
    what, source, out, text = sys.argv[1:5]
    options = json.loads(text)
    started = time.perf_counter()
    from configs.settings import Settings
    from flows.cli.commands import prepare
    from flows.cli.local_server import LocalServer

    prepare(Settings(), verbose=False)
    server = LocalServer()
    server.start()
    try:
        from configs.request import BatchRequest, MeshOptions, ReconstructRequest
        from flows.batch import batch
        from flows.reconstruct import reconstruct

        computation = Computation()
        computation.watch()
        if what != "one":  # a process imports once, however many videos it makes
            for name in _IMPORTED_LATE:
                importlib.import_module(name)
        server.wait()
        ready = time.perf_counter()
        if what == "one":
            glb = Path(out) / "tyre.glb"
            request = ReconstructRequest(input=Path(source), glb_path=glb, **options)
            states = [s["state"] for s in reconstruct(request, request.stem)["stages"]]
        elif what == "queue":
            states = []
            while (video := _next(Path(source))) is not None:
                glb = Path(out) / f"{video.stem}.glb"
                request = ReconstructRequest(input=video, glb_path=glb, **options)
                reconstruct(request, request.stem)
                states.append(video.stem)
        else:
            common = MeshOptions(**options)
            request = BatchRequest(inputs=(source,), out_dir=Path(out), options=common)
            states = [batch(request, return_state=True).name or ""]
        wall = time.perf_counter() - ready
    finally:
        server.stop()
    results = {
        "start_s": ready - started,
        "wall_s": wall,
        "computation_s": computation.seconds,
        "states": states,
    }
    sys.stdout.write(json.dumps(results) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
