"""Which images of others a release stands on, and whether each is named by its digest.

``python -m deployments.images`` lists them and ends with 1 unless all are. Digests cannot be told
without the registry: where it is reached, ``docker buildx imagetools inspect IMAGE`` tells them;
the line that is printed goes into ``deployments/docker/.env``, which compose reads.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import yaml

_HERE = Path(__file__).parent
ENV = _HERE / "docker" / ".env"
_COMPOSE = _HERE / "docker" / "compose.yaml"
_VARIABLE = re.compile(r"\$\{(\w+):-([^}]+)\}")
_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
_BY_DIGEST, _BY_TAG, _THEN = "by its digest  ", "by its tag     ", "               "


def images(compose: str, env: str, environment: Mapping[str, str]) -> dict[str, str]:
    """By variable: the image that is used.

    Args:
        compose: The text of the compose file, where each image of others is ``${NAME:-default}``.
        env: The text of the file of variables beside it.
        environment: The variables of the shell, which count before those of the file.
    """
    lines = (line.partition("=") for line in env.splitlines() if not line.startswith("#"))
    of_file = {name.strip(): _value(text) for name, sign, text in lines if sign}
    variables = {name: value for name, value in {**of_file, **environment}.items() if value}
    found = {}
    for name, default in _VARIABLE.findall(compose):
        if name.endswith("_IMAGE"):
            found[name] = variables.get(name, default)
    return found


def _value(text: str) -> str:
    """A value of a file of variables: without a comment after it, and without quotes."""
    plain = re.sub(r"(^|\s)#.*", "", text).strip()
    return plain[1:-1] if re.fullmatch(r"'.*'|\".*\"", plain) else plain


def unpinned(used: dict[str, str]) -> dict[str, str]:
    """Those that are not named by a digest."""
    return {name: image for name, image in used.items() if _DIGEST.search(image) is None}


def unpinned_of_kubernetes(folder: Path) -> dict[str, str]:
    """By file: images in kustomizations that have no digest; these are the release's own."""
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("kustomization.yaml")):
        images = yaml.safe_load(path.read_text()).get("images", [])
        missing = [_named(image) for image in images if "digest" not in image]
        if missing:
            found[f"{path.parent.name}/{path.name}"] = ", ".join(missing)
    return found


def _named(image: Mapping[str, str]) -> str:
    """An image of a kustomization, which may change its name, its tag or both."""
    return f"{image.get('newName', image['name'])}:{image.get('newTag', 'latest')}"


def main(argv: list[str] | None = None) -> int:
    """List the images."""
    parser = argparse.ArgumentParser(prog="python -m deployments.images", description=__doc__)
    parser.add_argument("--env", type=Path, default=ENV, help="file of variables of compose")
    options = parser.parse_args(argv)
    env = options.env.read_text() if options.env.is_file() else ""
    used = images(_COMPOSE.read_text(), env, os.environ)
    missing = unpinned(used)
    pinned = {name: image for name, image in used.items() if name not in missing}
    lines = [f"{_BY_DIGEST}{name}={image}" for name, image in pinned.items()]
    for name, image in missing.items():
        lines.append(f"{_BY_TAG}{name}={image}")
        lines.append(f"{_THEN}docker buildx imagetools inspect {image} | grep Digest")
        lines.append(f"{_THEN}{name}={image.partition('@')[0]}@sha256:...  in {options.env}")
    own = unpinned_of_kubernetes(_HERE / "kubernetes")
    lines += [f"{_BY_TAG}{image}  (images: digest: in {path})" for path, image in own.items()]
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if missing or own else 0


if __name__ == "__main__":
    sys.exit(main())
