"""The words of the command ``tyre3d``; imports nothing heavy."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, get_args

from configs.locations import as_location
from configs.presets import (
    BUNDLED_MODEL,
    COMPARISON_NAME,
    CONCURRENCY,
    DEFAULT_DEVICE,
    DEFAULT_DIAMETER_MM,
    DEFAULT_MOTION,
    DEFAULT_PRESET,
    DEFAULT_SESSION,
    FEATURES,
    PRESETS,
    Device,
    MotionHint,
)
from flows.cli.examples import EXAMPLES, EXIT_CODES, examples_of

if TYPE_CHECKING:
    from tasks.core.failures import Failure


class _Version(argparse.Action):
    """Prints the version, which costs an import, only where it is asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str, **options: Any) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, **options)

    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> NoReturn:
        from importlib.metadata import version

        sys.stdout.write(f"tyre3d {version('tyre3d')}\n")
        parser.exit()


class _Parser(argparse.ArgumentParser):
    """Says what was wrong in one line, with a stable code like all other errors."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"formatter_class": argparse.RawDescriptionHelpFormatter, **options})

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse does, but what a command does not know leads to the help of that command."""
        parsed, unknown = self.parse_known_args(args, namespace)
        if unknown:
            names = (self.prog, parsed.command, getattr(parsed, "action", None))
            self.prog = " ".join(name for name in names if name)
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return parsed

    def error(self, message: str) -> NoReturn:
        if "--json" in sys.argv:  # nothing was parsed
            from tasks.core.failures import Failure

            advice = f"{message}. Run: {self.prog} --help"
            sys.stdout.write(error_json(Failure("usage", "start", advice), 2))
        self.exit(2, f"tyre3d: [usage] {message}. Run: {self.prog} --help\n")


def error_json(failure: Failure, exit_code: int) -> str:
    """What a command prints for machines where it fails."""
    payload = {**failure.to_dict(), "retryable": failure.retryable, "exit_code": exit_code}
    return f"{json.dumps({'error': payload}, indent=2)}\n"


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = _Parser(
        prog="tyre3d",
        description="Videos of tyres in, one audited 3D mesh (GLB) per tyre out.",
        epilog=f"{examples_of('reconstruct')}\n{EXIT_CODES}",
    )
    parser.add_argument("--version", action=_Version, help="show the version")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_reconstruct(commands.add_parser("reconstruct", help="make a GLB from a video"))
    _add_batch(commands.add_parser("batch", help="make a GLB from each of many videos"))
    _add_compare(commands.add_parser("compare", help="tell what changed between two films"))
    history = commands.add_parser("history", help="compare the films of many tyres over time")
    gauge = commands.add_parser("gauge", help="tell how far films of unchanged tyres lie apart")
    _add_films(history)
    _add_films(gauge)
    gauge.add_argument(
        "--tolerance-mm",
        type=float,
        default=1.0,
        metavar="MM",
        help="tolerance (full width) of a zone's change (default: %(default)s)",
    )
    announce = commands.add_parser(
        "announce", help="tell a Prefect server of new videos, as its triggers expect it"
    )
    announce.add_argument("inputs", nargs="+", metavar="INPUT", help="a path or s3://bucket/key")
    announce.add_argument("--verbose", action="store_true", help="log for debugging")
    models = commands.add_parser("models", help="fetch and list weights")
    actions = models.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="what there is, from where, and whether it is here")
    listing.add_argument("--json", action="store_true", help="as JSON")
    fetch = actions.add_parser("fetch", help="download weights and check their digests")
    default = f"default: {FEATURES}"
    fetch.add_argument("names", nargs="*", metavar="NAME", help=default)
    for sub in (listing, fetch):
        sub.add_argument("--verbose", action="store_true", help="log for debugging")
    settings = commands.add_parser("config", help="show what counts, and where it comes from")
    kinds = settings.add_subparsers(dest="action", required=True, metavar="ACTION")
    show = kinds.add_parser("show", help="every setting and parameter, with its value and origin")
    _add_mesh(show)
    show.add_argument("--json", action="store_true", help="as JSON")
    show.add_argument("--verbose", action="store_true", help="tracebacks")
    _add_prune(commands.add_parser("prune", help="delete artifacts that were not used for long"))
    _add_results(commands)
    _add_service(commands)
    completion = commands.add_parser("completion", help="print a script that completes commands")
    completion.add_argument("shell", choices=("bash", "zsh", "tcsh"))
    completion.add_argument("--verbose", action="store_true", help="tracebacks")
    for listed in commands._choices_actions:
        sub = commands.choices[listed.dest]
        sub.description = listed.help
        if listed.dest in EXAMPLES:
            sub.epilog = examples_of(listed.dest)
    for command, kinds_of_it in (("models", actions), ("config", kinds)):
        for listed in kinds_of_it._choices_actions:
            sub = kinds_of_it.choices[listed.dest]
            sub.description, sub.epilog = listed.help, examples_of(command, listed.dest)
    return parser


def _add_results(commands: argparse._SubParsersAction[_Parser]) -> None:
    """The commands for what a run left."""
    view = commands.add_parser("view", help="open the report on a tyre or a batch in the browser")
    serve = "serve it on 127.0.0.1 until Ctrl-C instead, for a browser that cannot reach the file"
    view.add_argument("--serve", action="store_true", help=serve)
    view.add_argument(
        "--port", type=_port, default=0, help="with --serve (default: one that is free)"
    )
    info = commands.add_parser("info", help="tell what is in a GLB")
    info.add_argument("--json", action="store_true", help="as JSON")
    render = commands.add_parser(
        "render", help="make a picture or a turntable of a GLB; needs no GPU and no screen"
    )
    out = "picture (.png, .jpg) or turntable (.mp4); s3:// as well"
    render.add_argument("--out", required=True, type=_place, metavar="FILE", help=out)
    size = "in pixels, even numbers (default: 720x720)"
    render.add_argument("--size", type=size_of, default=(720, 720), metavar="WxH", help=size)
    render.add_argument(
        "--colours",
        choices=("photo", "provenance", "disagreement"),
        default="photo",
        help="what the colours tell (default: %(default)s)",
    )
    side = "degrees from the outer face to the right, of a picture (%(default)s)"
    render.add_argument("--azimuth", type=_azimuth, default=37.0, metavar="DEG", help=side)
    lift = "degrees above the axle (%(default)s)"
    render.add_argument("--elevation", type=_elevation, default=17.0, metavar="DEG", help=lift)
    turn = "of one turn of a turntable (%(default)s)"
    render.add_argument("--seconds", type=_seconds, default=4.0, metavar="S", help=turn)
    known = "a GLB, its JSON or report, the name of all three, or a folder; s3:// as well"
    for sub in (view, info, render):
        sub.add_argument("result", metavar="RESULT", help=known)
        sub.add_argument("--verbose", action="store_true", help="tracebacks")


def size_of(text: str) -> tuple[int, int]:
    """Width and height of a size such as ``1280x720``: even, as films need them."""
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text}: give a size such as 1280x720")
    sides = int(width), int(height)
    if any(side % 2 or not 16 <= side <= 4096 for side in sides):
        raise argparse.ArgumentTypeError(f"{text}: give even numbers from 16 to 4096")
    return sides


def _azimuth(text: str) -> float:
    return _between(text, -360.0, 360.0)


def _elevation(text: str) -> float:
    return _between(text, -89.0, 89.0)


def _seconds(text: str) -> float:
    return _between(text, 0.5, 60.0)


def _between(text: str, low: float, high: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise argparse.ArgumentTypeError(f"{text}: give a number from {low:g} to {high:g}")
    return value


def _port(text: str) -> int:
    return _whole(text, 0, 65535)


def _known_port(text: str) -> int:
    return _whole(text, 1, 65535)


def _runs(text: str) -> int:
    return _whole(text, 1, 1000)


def _waited(text: str) -> float:
    return _between(text, 0.0, 1e6)


def _whole(text: str, low: int, high: int) -> int:
    if not (text.isdecimal() and low <= int(text) <= high):
        raise argparse.ArgumentTypeError(f"{text}: give a whole number from {low} to {high}")
    return int(text)


def _add_prune(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--older-than",
        type=seconds_of,
        metavar="TIME",
        help="those that were not used for so long, such as 30d or 12h",
    )
    parser.add_argument(
        "--keep-size",
        type=bytes_of,
        metavar="SIZE",
        help="the least recently used, until so much is left, such as 50G",
    )
    parser.add_argument("--dry-run", action="store_true", help="tell only what would go")
    force = "the clock is right: believe it, and take what a wrong one dated for old"
    parser.add_argument("--force", action="store_true", help=force)
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--verbose", action="store_true", help="log for debugging")


def seconds_of(text: str) -> float:
    """Seconds of a time such as ``30d``, ``12h``, ``90m`` or ``45s``."""
    return _scaled(text, {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0})


def bytes_of(text: str) -> float:
    """Bytes of a size such as ``50G``, ``500M`` or ``2T``."""
    return _scaled(text.upper().removesuffix("B"), {"T": 1e12, "G": 1e9, "M": 1e6, "K": 1e3})


def _scaled(text: str, units: Mapping[str, float]) -> float:
    number, unit = text[:-1], text[-1:]
    if unit not in units or not number.isdecimal():
        known = ", ".join(units)
        raise argparse.ArgumentTypeError(f"{text}: give a whole number and one of {known}")
    return float(number) * units[unit]


def _add_service(commands: argparse._SubParsersAction[_Parser]) -> None:
    """The commands of an operator."""
    ui = commands.add_parser("ui", help="start Prefect's server with its UI, behind a password")
    ui.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    ui.add_argument(
        "--port", type=_known_port, default=4200, help="port to listen on (%(default)s)"
    )
    worker = commands.add_parser("worker", help="take runs of a pool; SIGTERM lets them finish")
    worker.add_argument("pool", metavar="POOL", help="cpu, batch or gpu")
    worker.add_argument(
        "--limit", type=_runs, metavar="N", help="runs at a time (as many as the pool; else 1)"
    )
    worker.add_argument("--name", metavar="NAME", help="name of the worker")
    worker.add_argument("--healthcheck", action="store_true", help="answer /health on port 8080")
    worker.add_argument(
        "--silence-s",
        type=_waited,
        metavar="SECONDS",
        help="a run that is silent for twice as long is called crashed (450)",
    )
    drain = commands.add_parser("drain", help="pause a pool and wait until nothing runs there")
    drain.add_argument("pool", metavar="POOL", help="cpu, batch or gpu")
    drain.add_argument(
        "--within-s",
        type=_waited,
        default=3600.0,
        metavar="SECONDS",
        help="how long runs are waited for (%(default)s); exit code 1 if some are left",
    )
    drain.add_argument("--resume", action="store_true", help="take runs again instead")
    doctor = commands.add_parser("doctor", help="say what this installation lacks")
    doctor.add_argument("--json", action="store_true", help="for programs")
    for sub in (ui, worker, drain, doctor):
        sub.add_argument("--verbose", action="store_true", help="tracebacks")


def _place(text: str) -> Path | str:
    if not text:  # as of a shell's variable that is not set: it would be the folder one is in
        raise argparse.ArgumentTypeError("an empty name names nothing")
    return as_location(text)


def _add_out(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("--out", required=True, type=_place, metavar="DIR", help=what)


def _add_reconstruct(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "input", metavar="INPUT", help="a video, or a folder of PNG/JPEG frames; s3:// as well"
    )
    _add_out(parser, "for GLB, JSON and report; s3:// as well")
    _add_options(parser)


def _add_compare(parser: argparse.ArgumentParser) -> None:
    known = "a video, a folder of frames, or the GLB of a finished run; s3:// as well"
    parser.add_argument("new", metavar="NEW", help=f"the new tyre: {known}")
    parser.add_argument("damaged", metavar="DAMAGED", help="the same tyre, used; likewise")
    _add_out(parser, "for report, JSON, CSV and GLBs; s3:// as well")
    naming = "of the files (default: %(default)s)"
    parser.add_argument("--name", default=COMPARISON_NAME, help=naming)
    _add_options(parser)


def _add_films(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source",
        type=_place,
        metavar="FILMS",
        help="a CSV with the columns tyre, film and, if wanted, label and operator; or a folder of "
        "films TYRE_new, TYRE_1, TYRE_2; s3:// as well",
    )
    _add_out(parser, "for the comparisons, history.html, .json and .csv; s3:// as well")
    _add_options(parser)


def _add_batch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="videos, folders of videos or of frames, s3://bucket/prefix",
    )
    _add_out(parser, "for GLBs, JSON, reports, batch.json and batch.html; s3:// as well")
    parser.add_argument(
        "--deployment",
        metavar="FLOW/NAME",
        help="let workers make them, such as reconstruct/reconstruct (default: this process)",
    )
    parser.add_argument(
        "--concurrency",
        type=int,
        default=CONCURRENCY,
        metavar="N",
        help="runs of the deployment at a time",
    )
    _add_options(parser)


def _add_options(parser: argparse.ArgumentParser) -> None:
    _add_mesh(parser)
    _add_speech(parser)


def _add_mesh(parser: argparse.ArgumentParser) -> None:
    """How a mesh is made."""
    presets = "; ".join(
        f"{k}: {p.num_frames} frames at {p.mc_resolution}" for k, p in PRESETS.items()
    )
    parser.add_argument(
        "--preset",
        choices=list(PRESETS),
        default=DEFAULT_PRESET,
        help=f"{presets} (default: %(default)s)",
    )
    parser.add_argument(
        "--model",
        metavar="NAME|DIR",
        help=f"{BUNDLED_MODEL}, triposr or a folder (default: best here)",
    )
    parser.add_argument("--num-frames", type=int, metavar="N", help="frames for the network")
    parser.add_argument("--mc-resolution", type=int, metavar="N", help="resolution of the mesh")
    device = "default: %(default)s"
    parser.add_argument("--device", choices=get_args(Device), default=DEFAULT_DEVICE, help=device)
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
        default=DEFAULT_MOTION,
        help="what moves: the camera (orbit, free), a turntable, or the tyre on its axle (spin); "
        "default: %(default)s",
    )
    parser.add_argument(
        "--session",
        default=DEFAULT_SESSION,
        metavar="NAME",
        help=f"background removal (default: {DEFAULT_SESSION})",
    )
    parser.add_argument(
        "--atlas",
        action="store_true",
        help="also write both sidewalls and the tread, laid flat, as PNG with their scale",
    )
    parser.add_argument(
        "--plain",
        action="store_true",
        help="also write the whole GLB uncompressed, for programs without a decoder (trimesh)",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="STAGE.FIELD=VALUE",
        help="a parameter of a stage, such as merge.smoothing_rounds=5 (all: tyre3d config show)",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="TOML file of such parameters (default: TYRE3D_CONFIG, or config.toml in the home)",
    )


def _add_speech(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--json", action="store_true", help="print the result, or the error, as JSON"
    )
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--quiet", action="store_true", help="say nothing but errors, and JSON where it is asked"
    )
    group.add_argument("--verbose", action="store_true", help="log for debugging, tracebacks")
