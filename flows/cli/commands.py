"""What the commands of ``tyre3d`` do."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from configs.locations import as_location, inside, stem_of
from configs.presets import FEATURES
from configs.request import ReconstructRequest
from configs.settings import Settings
from flows import TAG
from flows.cli.config_command import mesh_options
from flows.cli.local_server import LocalServer, check_server
from flows.cli.output import models_table, stage_table
from flows.support.database import what_is_wrong
from flows.support.own_server import (
    ask_loopback_directly,
    can_write,
    prefect_home,
    use_own_password,
)
from flows.support.settings import load_settings, unknown_variables, validated
from tasks.core.errors import ResourceError

REFUSED = 7
"""Exit code where there is a mesh and the verdict on it is ``fail``."""
_ENVIRONMENT = {
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",  # as prefect.yaml has it; servers watch over runs
    "OPENCV_LOG_LEVEL": "SILENT",
    "OPENCV_FFMPEG_LOGLEVEL": "-8",
}


def prepare(settings: Settings, *, verbose: bool, quiet: bool = False) -> None:
    """Set up logging and the environment of the libraries before any of them is imported."""
    # the check of one kind of address, which no run needs, takes a second to import
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    ask_loopback_directly()
    moved = _move_from_unusable(settings)
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
    log.setLevel(logging.DEBUG if verbose else logging.ERROR if quiet else logging.INFO)
    if not verbose:  # a person sees progress and a table
        logging.getLogger("tyre3d.stages").setLevel(logging.WARNING)
    for line in unknown_variables(os.environ):
        log.warning("%s", line)
    if moved:
        log.warning("%s", moved)


def _move_from_unusable(settings: Settings) -> str:
    """Take a folder of our own for Prefect where the user's cannot be used; what to tell of it."""
    home, named = prefect_home(), "PREFECT_HOME" in os.environ
    writable = can_write(home)
    if not writable:
        wrong, mend = f"Prefect's folder {home} cannot be written", "Let this user write there"
    elif problem := what_is_wrong(home):
        wrong = f"Prefect's database {home / 'prefect.db'} {problem}"
        mend = "Move it away (runs are recorded in it, results are not)"
    else:
        return ""
    ours = settings.home / "prefect"
    if home == ours:
        raise ResourceError(
            "server-start",
            stage="start",
            what=wrong,
            advice=f"{mend}, or name another folder by PREFECT_HOME",
        )
    if (home / "profiles.toml").is_file():
        os.environ.setdefault("PREFECT_PROFILES_PATH", str(home / "profiles.toml"))
    os.environ["PREFECT_HOME"] = str(ours)
    if not (writable or named):
        return ""  # as in a container with a read-only root: nobody asked for that folder
    if not can_write(ours):
        too = f"; {ours} cannot be written" if writable else f", and neither can {ours}"
        return f"{wrong}{too}"
    return f"{wrong}: runs are recorded in {ours} (to choose another folder, set PREFECT_HOME)"


def server_lost() -> None:
    """End this process: its local server is gone, and Prefect's client would wait for minutes."""
    error = ResourceError(
        "server-lost",
        stage="start",
        what="Prefect's local server died (memory may have run out)",
        advice="What is finished is kept: run again",
    )
    sys.stderr.write(f"tyre3d: {error}\n")
    sys.stderr.flush()
    os._exit(error.exit_code)


def reconstruct(options: argparse.Namespace) -> int:
    """``tyre3d reconstruct``."""
    started = time.perf_counter()
    settings = load_settings()
    prepare(settings, verbose=options.verbose, quiet=options.quiet)
    from flows.cli.progress import shown_progress
    from flows.support.stage_times import kind_of, remembered
    from tasks.storage.inputs import check_input, check_name
    from tasks.storage.results import check_writable

    check_name(options.input)
    check_name(options.out)
    source = as_location(options.input)
    glb = inside(options.out, f"{stem_of(source)}.glb")
    fields = {"input": source, "glb_path": glb, **mesh_options(options, settings)}
    request = validated(ReconstructRequest, "reconstruct", fields)

    if isinstance(request.input, Path):
        check_input(request.input)
    check_writable(request.glb_path, settings, atlas=request.atlas)
    server = LocalServer(server_lost, settings.server_idle_s)
    server.start()
    try:
        flow = _ready(request, settings, server)
        start_s = time.perf_counter() - started
        from prefect import tags
        from tqdm.contrib.logging import logging_redirect_tqdm

        log = logging.getLogger("tyre3d")
        expected = remembered(settings.home, kind_of(request))
        with (
            logging_redirect_tqdm([log]),
            shown_progress(sys.stderr, expected, quiet=options.quiet),
            tags(TAG),
        ):
            metadata = flow(request, request.stem)
    finally:
        server.stop()
    if options.json:
        sys.stdout.write(f"{json.dumps(metadata, indent=2, ensure_ascii=False)}\n")
    elif not options.quiet:
        sys.stdout.write(stage_table(metadata, start_s))
    return REFUSED if metadata["verdict"] == "fail" else 0


def _ready(
    request: ReconstructRequest, settings: Settings, server: LocalServer
) -> Callable[[ReconstructRequest, str], Mapping[str, Any]]:
    """The flow, once weights and input have been looked at and the server answers."""
    from configs.stages import ExtractConfig
    from tasks.network.weights import background_weights, choose_model
    from tasks.video.container import probe

    choose_model(request.model, settings.models_dir)
    if isinstance(request.input, Path) and request.input.is_file():
        background_weights(request.session, settings.models_dir)
        probe(request.input, request.config(ExtractConfig))
    from flows.reconstruct import reconstruct as flow

    server.wait()
    return flow


def announce(options: argparse.Namespace) -> int:
    """``tyre3d announce``."""
    settings = load_settings()
    prepare(settings, verbose=options.verbose)
    use_own_password()
    check_server()
    from flows.support.events import announce_uploads

    announce_uploads([str(as_location(text)) for text in options.inputs])
    return 0


def models(options: argparse.Namespace) -> int:
    """``tyre3d models list`` and ``tyre3d models fetch``."""
    settings = load_settings()
    prepare(settings, verbose=options.verbose)
    from tasks.network.fetch import fetch, inventory

    if options.action == "list":
        known = inventory(settings.models_dir)
        sys.stdout.write(
            f"{json.dumps(known, indent=2)}\n" if options.json else models_table(known)
        )
        return 0
    for name in options.names or (FEATURES,):
        path = fetch(name, settings.models_dir)
        sys.stdout.write(f"{name}: {path}\n")
    return 0
