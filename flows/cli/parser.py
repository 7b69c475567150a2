"""The words of the command ``tyre3d``; imports nothing heavy."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
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
from flows.cli.examples import EXIT_CODES, examples_of

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


def build_parser(words: Sequence[str] | None = None) -> argparse.ArgumentParser:
    """The command line.

    Args:
        words: What was typed: commands that are not among it get no arguments, which take several
            milliseconds. None: all commands get theirs.
    """
    parser = _Parser(
        prog="tyre3d",
        description="Videos of tyres in, one audited 3D mesh (GLB) per tyre out.",
        epilog=f"{examples_of('reconstruct')}\n{EXIT_CODES}",
    )
    parser.add_argument("--version", action=_Version, help="show the version")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (text, add_arguments) in _COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text, epilog=examples_of(name))
        if words is None or name in words:
            add_arguments(command)
    return parser


def _add_actions(
    parser: argparse.ArgumentParser, command: str, **help_texts: str
) -> list[argparse.ArgumentParser]:
    """A command's actions, each with its help."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    return [
        actions.add_parser(name, help=text, description=text, epilog=examples_of(command, name))
        for name, text in help_texts.items()
    ]


def _add_view(parser: argparse.ArgumentParser) -> None:
    serve = "serve it on 127.0.0.1 until Ctrl-C instead, for a browser that cannot reach the file"
    parser.add_argument("--serve", action="store_true", help=serve)
    parser.add_argument(
        "--port", type=_port, default=0, help="with --serve (default: one that is free)"
    )
    _add_result(parser)


def _add_info(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="as JSON")
    _add_result(parser)


def _add_render(parser: argparse.ArgumentParser) -> None:
    out = "picture (.png, .jpg) or turntable (.mp4); s3:// as well"
    parser.add_argument("--out", required=True, type=_location, metavar="FILE", help=out)
    size = "in pixels, even numbers (default: 720x720)"
    parser.add_argument("--size", type=size_of, default=(720, 720), metavar="WxH", help=size)
    parser.add_argument(
        "--colours",
        choices=("photo", "provenance", "disagreement"),
        default="photo",
        help="what the colours tell (default: %(default)s)",
    )
    side = "degrees from the outer face to the right, of a picture (%(default)s)"
    parser.add_argument("--azimuth", type=_azimuth, default=37.0, metavar="DEG", help=side)
    lift = "degrees above the axle (%(default)s)"
    parser.add_argument("--elevation", type=_elevation, default=17.0, metavar="DEG", help=lift)
    turn = "of one turn of a turntable (%(default)s)"
    parser.add_argument("--seconds", type=_seconds, default=4.0, metavar="S", help=turn)
    _add_result(parser)


def _add_result(parser: argparse.ArgumentParser) -> None:
    """What a run left."""
    known = "a GLB, its JSON or report, the name of all three, or a folder; s3:// as well"
    parser.add_argument("result", metavar="RESULT", help=known)
    _add_tracebacks(parser)


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
    _add_log(parser)


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


def _add_ui(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument(
        "--port", type=_known_port, default=4200, help="port to listen on (%(default)s)"
    )
    _add_tracebacks(parser)


def _add_worker(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pool", metavar="POOL", help="cpu, batch or gpu")
    parser.add_argument(
        "--limit", type=_runs, metavar="N", help="runs at a time (as many as the pool; else 1)"
    )
    parser.add_argument("--name", metavar="NAME", help="name of the worker")
    parser.add_argument("--healthcheck", action="store_true", help="answer /health on port 8080")
    parser.add_argument(
        "--silence-s",
        type=_waited,
        metavar="SECONDS",
        help="a run that is silent for twice as long is called crashed (450)",
    )
    _add_tracebacks(parser)


def _add_drain(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pool", metavar="POOL", help="cpu, batch or gpu")
    parser.add_argument(
        "--within-s",
        type=_waited,
        default=3600.0,
        metavar="SECONDS",
        help="how long runs are waited for (%(default)s); exit code 1 if some are left",
    )
    parser.add_argument("--resume", action="store_true", help="take runs again instead")
    _add_tracebacks(parser)


def _add_doctor(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for programs")
    _add_tracebacks(parser)


def _add_completion(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "tcsh"))
    _add_tracebacks(parser)


def _add_tracebacks(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--verbose", action="store_true", help="tracebacks")


def _add_log(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--verbose", action="store_true", help="log for debugging")


def _location(text: str) -> Path | str:
    if not text:  # as of a shell's variable that is not set: it would be the folder one is in
        raise argparse.ArgumentTypeError("an empty name names nothing")
    return as_location(text)


def _add_out(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("--out", required=True, type=_location, metavar="DIR", help=what)


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
        type=_location,
        metavar="FILMS",
        help="a CSV with the columns tyre, film and, if wanted, label and operator; or a folder of "
        "films TYRE_new, TYRE_1, TYRE_2; s3:// as well",
    )
    _add_out(parser, "for the comparisons, history.html, .json and .csv; s3:// as well")
    _add_options(parser)


def _add_gauge(parser: argparse.ArgumentParser) -> None:
    _add_films(parser)
    parser.add_argument(
        "--tolerance-mm",
        type=float,
        default=1.0,
        metavar="MM",
        help="tolerance (full width) of a zone's change (default: %(default)s)",
    )


def _add_announce(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help="a path or s3://bucket/key")
    _add_log(parser)


def _add_models(parser: argparse.ArgumentParser) -> None:
    listing, fetch = _add_actions(
        parser,
        "models",
        list="what there is, from where, and whether it is here",
        fetch="download weights and check their digests",
    )
    listing.add_argument("--json", action="store_true", help="as JSON")
    fetch.add_argument("names", nargs="*", metavar="NAME", help=f"default: {FEATURES}")
    for action in (listing, fetch):
        _add_log(action)


def _add_config(parser: argparse.ArgumentParser) -> None:
    text = "every setting and parameter, with its value and origin"
    (show,) = _add_actions(parser, "config", show=text)
    _add_mesh(show)
    show.add_argument("--json", action="store_true", help="as JSON")
    _add_tracebacks(show)


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


_COMMANDS: dict[str, tuple[str, Callable[[argparse.ArgumentParser], None]]] = {
    "reconstruct": ("make a GLB from a video", _add_reconstruct),
    "batch": ("make a GLB from each of many videos", _add_batch),
    "compare": ("tell what changed between two films", _add_compare),
    "history": ("compare the films of many tyres over time", _add_films),
    "gauge": ("tell how far films of unchanged tyres lie apart", _add_gauge),
    "announce": ("tell a Prefect server of new videos, as its triggers expect it", _add_announce),
    "models": ("fetch and list weights", _add_models),
    "config": ("show what counts, and where it comes from", _add_config),
    "prune": ("delete artifacts that were not used for long", _add_prune),
    "view": ("open the report on a tyre or a batch in the browser", _add_view),
    "info": ("tell what is in a GLB", _add_info),
    "render": (
        "make a picture or a turntable of a GLB; needs no GPU and no screen",
        _add_render,
    ),
    "ui": ("start Prefect's server with its UI, behind a password", _add_ui),
    "worker": ("take runs of a pool; SIGTERM lets them finish", _add_worker),
    "drain": ("pause a pool and wait until nothing runs there", _add_drain),
    "doctor": ("say what this installation lacks", _add_doctor),
    "completion": ("print a script that completes commands", _add_completion),
}
"""Help and arguments of each command, in the order of the help."""
