"""What the commands of ``tyre3d`` do."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from configs.request import ReconstructRequest
from configs.settings import Settings
from flows.local_server import LocalServer
from flows.show import ProgressLines, models_table, stage_table
from tasks.errors import InputError

_QUIET = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "OPENCV_LOG_LEVEL": "SILENT",
    "OPENCV_FFMPEG_LOGLEVEL": "-8",
}


def _settings() -> Settings:
    try:
        return Settings()
    except ValidationError as exc:
        raise InputError(
            "bad-setting", stage="start", what=_first_fault(exc), advice="Mend the environment"
        ) from exc


def _first_fault(exc: ValidationError) -> str:
    fault = exc.errors()[0]
    where = "-".join(str(part) for part in fault["loc"]).replace("_", "-")
    return f"{where}: {fault['msg']} (given: {fault['input']!r})"


def _prepare(settings: Settings, *, verbose: bool) -> None:
    """Set up logging and the environment of the libraries before any of them is imported."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    results = settings.home / "results"
    os.environ.setdefault("PREFECT_LOCAL_STORAGE_PATH", str(results))
    os.environ.setdefault("PREFECT_RESULTS_LOCAL_STORAGE_PATH", str(results))
    if not verbose:
        os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    log = logging.getLogger("tyre3d")
    log.handlers[:] = [handler]
    log.propagate = False
    log.setLevel(logging.DEBUG if verbose else logging.INFO)


def reconstruct(options: argparse.Namespace) -> int:
    """``tyre3d reconstruct``."""
    started = time.perf_counter()
    settings = _settings()
    _prepare(settings, verbose=options.verbose)
    request = _request(options)

    from tasks.inputs import check_input
    from tasks.progress import listening
    from tasks.results import check_writable

    check_input(request.input)
    check_writable(request.glb_path)
    server = LocalServer()
    server.start()
    try:
        flow = _ready(request, settings, server)
        start_s = time.perf_counter() - started
        with ProgressLines(sys.stderr) as lines, listening(lines):
            metadata = flow(request, request.stem)
    finally:
        server.stop()
    sys.stdout.write(stage_table(metadata, start_s))
    return 0


def _request(options: argparse.Namespace) -> ReconstructRequest:
    from pathlib import Path

    source = Path(options.input).expanduser().absolute()
    try:
        return ReconstructRequest.model_validate(
            {
                "input": source,
                "glb_path": options.out.expanduser().absolute() / f"{source.stem}.glb",
                "preset": options.preset,
                "model": options.model,
                "num_frames": options.num_frames,
                "mc_resolution": options.mc_resolution,
                "device": options.device,
                "diameter_mm": options.diameter_mm,
                "motion": options.motion,
                "session": options.session,
            }
        )
    except ValidationError as exc:
        raise InputError(
            "bad-option", stage="start", what=_first_fault(exc), advice="See: tyre3d --help"
        ) from exc


def _ready(
    request: ReconstructRequest, settings: Settings, server: LocalServer
) -> Callable[[ReconstructRequest, str], Mapping[str, Any]]:
    """The flow, once weights and input have been looked at and the server answers."""
    from configs.stages import ExtractConfig
    from tasks.models import background_weights, choose_model
    from tasks.video import probe

    choose_model(request.model, settings.models_dir)
    if request.input.is_file():
        background_weights(request.session, settings.models_dir)
        probe(request.input, ExtractConfig())
    from flows.reconstruct import reconstruct as flow

    server.wait()
    return flow


def models(options: argparse.Namespace) -> int:
    """``tyre3d models list`` and ``tyre3d models fetch``."""
    settings = _settings()
    _prepare(settings, verbose=options.verbose)
    from tasks.fetch_models import fetch, inventory

    if options.action == "list":
        sys.stdout.write(models_table(inventory(settings.models_dir)))
        return 0
    for name in options.names or ["u2netp"]:
        path = fetch(name, settings.models_dir)
        sys.stdout.write(f"{name}: {path}\n")
    return 0
