"""The command ``tyre3d batch``."""

from __future__ import annotations

import argparse
import sys

from pydantic import ValidationError

from configs.request import BatchRequest
from flows.commands import _first_fault, _prepare, _settings
from flows.local_server import LocalServer
from flows.show import ProgressLines, batch_table
from tasks.errors import InputError

SOME_FAILED = 1
"""Exit code where not every tyre has a result."""


def _request(options: argparse.Namespace) -> BatchRequest:
    try:
        return BatchRequest.model_validate(
            {
                "inputs": tuple(options.inputs),
                "out_dir": options.out.expanduser().absolute(),
                "deployment": options.deployment,
                "concurrency": options.concurrency,
                "options": {
                    "preset": options.preset,
                    "model": options.model,
                    "num_frames": options.num_frames,
                    "mc_resolution": options.mc_resolution,
                    "device": options.device,
                    "diameter_mm": options.diameter_mm,
                    "motion": options.motion,
                    "session": options.session,
                },
            }
        )
    except ValidationError as exc:
        raise InputError(
            "bad-option", stage="start", what=_first_fault(exc), advice="See: tyre3d batch --help"
        ) from exc


def batch(options: argparse.Namespace) -> int:
    """Make every tyre; the exit code is 0 only if all have a result."""
    settings = _settings()
    _prepare(settings, verbose=options.verbose)
    request = _request(options)

    from tasks.batch import Manifest, find_sources
    from tasks.results import check_writable

    check_writable(request.out_dir / "batch.glb")
    find_sources(request.inputs, settings)
    server = LocalServer()
    server.start()
    try:
        if request.deployment is None:
            from tasks.models import background_weights, choose_model

            choose_model(request.options.model, settings.models_dir)
            background_weights(request.options.session, settings.models_dir)
        from flows.batch import batch as flow
        from tasks.progress import listening

        server.wait()
        with ProgressLines(sys.stderr) as lines, listening(lines):
            state = flow(request, return_state=True)
    finally:
        server.stop()
    names = {s.name for s in find_sources(request.inputs, settings)}
    entries = [e for e in Manifest(request.out_dir).before.values() if e.name in names]
    sys.stdout.write(batch_table(entries, state.message or ""))
    return 0 if state.is_completed() else SOME_FAILED
