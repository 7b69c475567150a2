"""The command ``tyre3d batch``."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from dataclasses import asdict
from pathlib import Path

from configs.request import BatchRequest
from flows import TAG
from flows.cli.commands import REFUSED, prepare, server_lost
from flows.cli.config_command import mesh_options
from flows.cli.local_server import LocalServer
from flows.cli.output import batch_table
from flows.support.settings import load_settings, validated

SOME_FAILED = 1
"""Exit code where not every tyre has a result."""


def batch(options: argparse.Namespace) -> int:
    """Make every tyre; the exit code is 0 only if all have a result that may be used."""
    settings = load_settings()
    prepare(settings, verbose=options.verbose, quiet=options.quiet)
    from tasks.storage.inputs import check_name

    for location in (*options.inputs, options.out):
        check_name(location)
    fields = {
        "inputs": tuple(options.inputs),
        "out_dir": options.out,
        "deployment": options.deployment,
        "concurrency": options.concurrency,
        "options": mesh_options(options, settings),
    }
    request = validated(BatchRequest, "batch", fields)

    from tasks.batch.manifest import latest_entries
    from tasks.batch.sources import MANIFEST_NAME, PAGE_NAME, find_sources
    from tasks.storage.results import (
        MANIFEST_MARK,
        Results,
        check_page_replaceable,
        check_replaceable,
    )

    results = Results(request.out_dir, settings)
    results.check(MANIFEST_NAME)
    check_replaceable(results, MANIFEST_NAME, MANIFEST_MARK)
    check_page_replaceable(results, PAGE_NAME)
    sources = find_sources(request.inputs, settings)
    server = LocalServer(server_lost, settings.server_idle_s)
    server.start()
    try:
        if request.deployment is None:
            from tasks.network.weights import background_weights, choose_model

            choose_model(request.options.model, settings.models_dir)
            if any(_is_film(source.location) for source in sources):
                background_weights(request.options.session, settings.models_dir)
        from prefect import tags
        from tqdm.contrib.logging import logging_redirect_tqdm

        from flows.batch import batch as flow
        from flows.cli.progress import shown_progress
        from flows.support.stage_times import kind_of, remembered

        server.wait()
        expected = remembered(settings.home, kind_of(request.options))
        with (
            logging_redirect_tqdm([logging.getLogger("tyre3d")]),
            shown_progress(sys.stderr, expected, quiet=options.quiet),
            tags(TAG),
        ):
            state = flow(request, return_state=True)
    finally:
        server.stop()
    error = state.result(raise_on_failure=False)
    if isinstance(error, BaseException):  # no manifest was made
        raise error
    entries = latest_entries(results)
    if options.json:
        payload = {"message": state.message, "tyres": [asdict(entry) for entry in entries]}
        sys.stdout.write(f"{json.dumps(payload, indent=2, ensure_ascii=False)}\n")
    elif not options.quiet:
        sys.stdout.write(batch_table(entries, state.message or ""))
        if results.read(PAGE_NAME) is not None:
            sys.stdout.write(f"page: {results.location(PAGE_NAME)}\n")
    if not state.is_completed():
        return SOME_FAILED
    return REFUSED if any(entry.verdict == "fail" for entry in entries) else 0


def _is_film(location: Path | str) -> bool:
    """Whether background removal is certain to be needed: folders may hold cut-outs."""
    return isinstance(location, str) or not location.is_dir()
