"""The commands ``tyre3d history`` and ``tyre3d gauge``."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Mapping
from typing import Any

from configs.locations import inside, printable
from configs.request import HistoryRequest
from flows import TAG
from flows.cli.batch_command import SOME_FAILED
from flows.cli.commands import REFUSED, prepare, server_lost
from flows.cli.config_command import mesh_options
from flows.cli.local_server import LocalServer
from flows.support.settings import load_settings, validated


def history(options: argparse.Namespace) -> int:
    """``tyre3d history``."""
    record = _made(options, None)
    if any(each["state"] != "completed" for each in record["comparisons"]):
        return SOME_FAILED
    cannot = any(each["verdict"] == "cannot compare" for each in record["comparisons"])
    return REFUSED if cannot else 0


def gauge(options: argparse.Namespace) -> int:
    """``tyre3d gauge``."""
    record = _made(options, options.tolerance_mm)
    from tasks.comparison.over_time import Comparison, gauge_of

    comparisons = [Comparison(**each) for each in record["comparisons"]]
    study = gauge_of(comparisons, options.tolerance_mm)
    if any(each.state != "completed" for each in comparisons):
        return SOME_FAILED
    return REFUSED if study.verdict == "unfit" else 0


def _made(options: argparse.Namespace, tolerance_mm: float | None) -> dict[str, Any]:
    """The record, once the flow has run and was told of."""
    settings = load_settings()
    prepare(settings, verbose=options.verbose, quiet=options.quiet)
    from flows.cli.progress import shown_progress
    from tasks.batch.histories import find_histories
    from tasks.storage.inputs import check_name
    from tasks.storage.results import Results

    for location in (options.source, options.out):
        check_name(location)
    fields = {"source": options.source, "out_dir": options.out, "tolerance_mm": tolerance_mm}
    request = validated(HistoryRequest, options.command, fields | mesh_options(options, settings))
    find_histories(request.source, settings)  # refused before anything is started
    server = LocalServer(server_lost, settings.server_idle_s)
    server.start()
    try:
        from prefect import tags
        from tqdm.contrib.logging import logging_redirect_tqdm

        from flows.history import PAGE, RECORD
        from flows.history import history as flow

        server.wait()
        with (
            logging_redirect_tqdm([logging.getLogger("tyre3d")]),
            shown_progress(sys.stderr, {}, quiet=options.quiet),
            tags(TAG),
        ):
            state = flow(request, return_state=True)
    finally:
        server.stop()
    error = state.result(raise_on_failure=False)
    if isinstance(error, BaseException):  # nothing was written
        raise error
    record = dict(json.loads(Results(request.out_dir, settings).read(RECORD) or b"{}"))
    if options.json:
        sys.stdout.write(f"{json.dumps(record, indent=2, ensure_ascii=False)}\n")
    elif not options.quiet:
        page = inside(request.out_dir, PAGE)
        sys.stdout.write(report_lines(record, f"report    {page}\n{state.message}\n"))
    return record


def report_lines(record: Mapping[str, Any], end: str) -> str:
    """A history as lines for a terminal.

    Args:
        record: What ``history.json`` holds.
        end: The last lines.
    """
    from tasks.comparison.over_time import Comparison
    from tasks.core.phrasing import signed

    lines = [""]
    comparisons = [Comparison(**fields) for fields in record["comparisons"]]
    for each in comparisons:
        zones = [
            f"{zone['name'].replace('-', ' ')} {signed(zone['mean_change_mm'])} mm"
            for zone in each.zones
            if each.is_compared and zone["significant"]
        ]
        found = [f["kind"] for f in each.findings]
        against = f" against {printable(each.against)}" if each.is_compared and each.against else ""
        outcome = f"{each.outcome}{against}"
        lines.append(f"{printable(each.name)}: {', '.join([outcome, *zones, *found])}")
        lines += [f"  {printable(why)}" for why in each.why]
    study = record["gauge"]
    if study and "code" not in study:
        lines += [
            f"repeatability      {study['repeatability']:.3f} mm",
            f"reproducibility    {study['reproducibility']:.3f} mm"
            + ("" if len(study["operators"]) > 1 else " (one operator: not told)"),
            f"gauge (GRR)        {study['gauge']:.3f} mm, "
            f"{100 * study['share_of_tolerance']:.0f} % of the tolerance of "
            f"{study['tolerance']:g} mm: {study['verdict']}",
            f"classes (ndc)      {study['categories']}",
            f"films that count   {sum(c.is_compared for c in comparisons)} of {len(comparisons)}",
        ]
    return "\n".join(lines) + "\n" + end
