"""What the help of every command shows below its options."""

from __future__ import annotations

EXAMPLES: dict[str, tuple[str, ...]] = {
    "reconstruct": (
        "tyre3d reconstruct my_tyre.mp4 --out out",
        "tyre3d reconstruct frames/ --out out --preset high --diameter-mm 680",
        "tyre3d reconstruct my_tyre.mp4 --out out --set merge.smoothing_rounds=5",
        "tyre3d reconstruct my_tyre.mp4 --out out --json --quiet > result.json",
    ),
    "batch": (
        "tyre3d batch videos/ --out out",
        "tyre3d batch a.mp4 b.mp4 --out s3://bucket/results --deployment reconstruct/reconstruct",
    ),
    "compare": (
        "tyre3d compare new.mp4 used.mp4 --out out --diameter-mm 680",
        "tyre3d compare out/new.glb out/used.glb --out out --name new-used",
    ),
    "history": (
        "tyre3d history films.csv --out out --diameter-mm 680",
        "tyre3d history films/ --out out",
    ),
    "gauge": ("tyre3d gauge films.csv --out study --tolerance-mm 1.5",),
    "announce": ("tyre3d announce s3://bucket/incoming/a.mp4",),
    "models": ("tyre3d models list", "tyre3d models fetch xfeat"),
    "config": ("tyre3d config show", "tyre3d config show --preset high --json"),
    "prune": ("tyre3d prune --older-than 30d --dry-run", "tyre3d prune --keep-size 50G"),
    "view": ("tyre3d view out/my_tyre", "tyre3d view out --serve --port 8000"),
    "info": ("tyre3d info out/my_tyre.glb", "tyre3d info out/my_tyre --json"),
    "render": (
        "tyre3d render out/my_tyre --out my_tyre.png --azimuth 90",
        "tyre3d render out/my_tyre --out my_tyre.mp4 --seconds 8 --colours provenance",
    ),
    "ui": ("tyre3d ui", "tyre3d ui --port 4300"),
    "worker": ("tyre3d worker cpu", "tyre3d worker gpu --limit 2 --healthcheck"),
    "drain": ("tyre3d drain cpu --within-s 600", "tyre3d drain cpu --resume"),
    "doctor": ("tyre3d doctor", "tyre3d doctor --json"),
    "completion": (
        "tyre3d completion bash > ~/.local/share/bash-completion/completions/tyre3d",
        "tyre3d completion zsh > ~/.zfunc/_tyre3d",
    ),
}
EXIT_CODES = """exit codes:
  0    done; the verdict on the mesh is not "fail"
  1    a fault of Tyre3D itself; of batch and history: not every tyre has a result;
       of doctor: something will fail; of drain: runs are left; of view: no browser
  2    the input, an option or a setting cannot be used
  3    weights are missing, damaged or unknown
  4    the data do not suffice for a mesh
  5    storage
  6    memory, device, time or Prefect's server
  7    there is a mesh, and the verdict on it is "fail"; of compare and
       history: "cannot compare"; of gauge: the films are unfit for the tolerance
  130  stopped by Ctrl-C       143  stopped by SIGTERM
"""


def examples_of(command: str, action: str = "") -> str:
    """The examples of a command, or of an action of it, as its help shows them."""
    lines = [line for line in EXAMPLES[command] if action in line]
    return "examples:\n" + "".join(f"  {line}\n" for line in lines)
