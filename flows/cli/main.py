"""The command ``tyre3d``. Heavy libraries are imported only when a command needs them."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from typing import NoReturn, get_args

from configs.locations import as_location
from configs.presets import (
    DEFAULT_DIAMETER_MM,
    DEFAULT_PRESET,
    DEFAULT_SESSION,
    PRESETS,
    Device,
    MotionHint,
)


class _Parser(argparse.ArgumentParser):
    """Says what was wrong in one line, with a stable code like all other errors."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"tyre3d: [usage] {message}. Run: {self.prog} --help\n")


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = _Parser(
        prog="tyre3d", description="Videos of tyres in, one audited 3D mesh (GLB) per tyre out."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_reconstruct(commands.add_parser("reconstruct", help="make a GLB from a video"))
    _add_batch(commands.add_parser("batch", help="make a GLB from each of many videos"))
    announce = commands.add_parser(
        "announce", help="tell a Prefect server of new videos, as its triggers expect it"
    )
    announce.add_argument("inputs", nargs="+", metavar="INPUT", help="a path or s3://bucket/key")
    announce.add_argument("--verbose", action="store_true", help="log for debugging")
    models = commands.add_parser("models", help="fetch and list weights")
    actions = models.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="what there is, from where, and whether it is here")
    fetch = actions.add_parser("fetch", help="download weights and check their digests")
    fetch.add_argument("names", nargs="*", metavar="NAME", help=f"default: {DEFAULT_SESSION}")
    for sub in (listing, fetch):
        sub.add_argument("--verbose", action="store_true", help="log for debugging")
    return parser


def _add_reconstruct(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "input", metavar="INPUT", help="a video, or a folder of PNG/JPEG frames; s3:// as well"
    )
    parser.add_argument(
        "--out",
        required=True,
        type=as_location,
        metavar="DIR",
        help="for GLB and JSON; s3:// as well",
    )
    _add_options(parser)


def _add_batch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="videos, folders of videos or of frames, s3://bucket/prefix",
    )
    parser.add_argument(
        "--out",
        required=True,
        type=as_location,
        metavar="DIR",
        help="for GLBs, JSON and batch.json",
    )
    parser.add_argument(
        "--deployment",
        metavar="FLOW/NAME",
        help="let workers make them, such as reconstruct/reconstruct (default: this process)",
    )
    parser.add_argument(
        "--concurrency", type=int, default=4, metavar="N", help="runs of the deployment at a time"
    )
    _add_options(parser)


def _add_options(parser: argparse.ArgumentParser) -> None:
    presets = "; ".join(
        f"{k}: {p.num_frames} frames at {p.mc_resolution}" for k, p in PRESETS.items()
    )
    parser.add_argument("--preset", choices=list(PRESETS), default=DEFAULT_PRESET, help=presets)
    parser.add_argument(
        "--model", metavar="NAME|DIR", help="tyre-mini, triposr or a folder (default: best here)"
    )
    parser.add_argument("--num-frames", type=int, metavar="N", help="frames for the network")
    parser.add_argument("--mc-resolution", type=int, metavar="N", help="resolution of the mesh")
    parser.add_argument("--device", choices=get_args(Device), default="auto", help="default: auto")
    parser.add_argument(
        "--diameter-mm",
        type=float,
        default=DEFAULT_DIAMETER_MM,
        metavar="MM",
        help=f"sets the scale (default: {DEFAULT_DIAMETER_MM:.0f})",
    )
    parser.add_argument(
        "--motion",
        choices=get_args(MotionHint),
        default="auto",
        help="what moves: the camera (orbit, free), a turntable, or the tyre on its axle (spin)",
    )
    parser.add_argument(
        "--session",
        default=DEFAULT_SESSION,
        metavar="NAME",
        help=f"background removal (default: {DEFAULT_SESSION})",
    )
    parser.add_argument("--verbose", action="store_true", help="log for debugging, tracebacks")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit code is 0 only if the command did its work."""
    options = build_parser().parse_args(argv)
    if options.command == "models":
        from flows.cli.commands import models as command
    elif options.command == "announce":
        from flows.cli.commands import announce as command
    elif options.command == "batch":
        from flows.cli.batch_command import batch as command
    else:
        from flows.cli.commands import reconstruct as command
    from tasks.core.errors import Tyre3dError

    try:
        return command(options)
    except Tyre3dError as exc:
        if options.verbose:
            logging.getLogger("tyre3d").exception("failed")
        sys.stderr.write(f"tyre3d: {exc}\n")
        return exc.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("tyre3d: stopped; what is finished is kept, run again to go on\n")
        return 130
    except Exception as exc:
        if options.verbose:
            logging.getLogger("tyre3d").exception("failed")
        kind = type(exc).__name__
        sys.stderr.write(
            f"tyre3d: [internal] {kind}: {exc}. This is a fault of Tyre3D; "
            "run again with --verbose and report what it prints\n"
        )
        return 1


if __name__ == "__main__":
    sys.exit(main())
