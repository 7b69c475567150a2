"""The command ``tyre3d compare``."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from configs.comparison import RESULT_SUFFIXES
from configs.locations import as_location, inside
from configs.request import CompareRequest
from flows import TAG
from flows.cli.commands import REFUSED, prepare, server_lost
from flows.cli.config_command import mesh_options
from flows.cli.local_server import LocalServer
from flows.support.settings import load_settings, validated


def compare(options: argparse.Namespace) -> int:
    """``tyre3d compare``."""
    settings = load_settings()
    prepare(settings, verbose=options.verbose, quiet=options.quiet)
    from flows.cli.progress import shown_progress
    from tasks.storage.inputs import check_input, check_name

    for text in (options.new, options.damaged, options.out, options.name):
        check_name(text)
    sides = {side: as_location(getattr(options, side)) for side in ("new", "damaged")}
    fields = {**sides, "out_dir": options.out, "name": options.name}
    request = validated(CompareRequest, "compare", fields | mesh_options(options, settings))
    for location in (request.new, request.damaged):
        if isinstance(location, Path) and location.suffix.lower() not in RESULT_SUFFIXES:
            check_input(location)
    server = LocalServer(server_lost, settings.server_idle_s)
    server.start()
    try:
        from prefect import tags
        from tqdm.contrib.logging import logging_redirect_tqdm

        from flows.compare import compare as flow

        server.wait()
        log = logging.getLogger("tyre3d")
        with (
            logging_redirect_tqdm([log]),
            shown_progress(sys.stderr, {}, quiet=options.quiet),
            tags(TAG),
        ):
            record = flow(request)
    finally:
        server.stop()
    if options.json:
        sys.stdout.write(f"{json.dumps(record, indent=2, ensure_ascii=False)}\n")
    elif not options.quiet:
        sys.stdout.write(report_lines(record, inside(request.out_dir, f"{request.name}.html")))
    return REFUSED if record["verdict"] == "cannot compare" else 0


def report_lines(record: Mapping[str, Any], page: Path | str) -> str:
    """A comparison as lines for a terminal.

    Args:
        record: The comparison.
        page: Where its report lies.
    """
    from tasks.comparison.findings import depth_of, location_of
    from tasks.core.phrasing import signed

    lines = ["", "zone                change   told from   seen"]
    for zone in record["zones"]:
        mean, lod = zone["mean_change_mm"], zone["lod95_mm"]
        if mean is None or lod is None:
            lines.append(f"{zone['name']:<15}  not {'seen' if mean is None else 'told'}")
            continue
        change = f"{signed(mean):>6} mm{'*' if zone['significant'] else ' '}"
        lines.append(f"{zone['name']:<15} {change}    {lod:5.2f} mm   {zone['coverage']:4.0%}")
    for number, finding in enumerate(record["findings"], 1):
        size = f"{finding['length_mm']:.0f} x {finding['width_mm']:.0f} mm"
        what = filter(None, (finding["kind"], location_of(finding), size, depth_of(finding)))
        lines.append(f"finding {number}   {', '.join(what)} ({finding['certainty']:.0%})")
    for reason in record["reasons"]:
        lines.append(f"note      [{reason['code']}] {reason['text']}")
    lines += [f"report    {page}", f"verdict   {record['verdict']}"]
    return "\n".join(lines) + "\n"
