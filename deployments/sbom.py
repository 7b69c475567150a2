"""A bill of what is shipped: ``python -m deployments.sbom FILE`` writes CycloneDX JSON.

What is shipped is what ``requirements.lock`` lists, torch with what came along with it, and this
package; tools of development are left out. Licences are read from the installed packages.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
VALIDATION = "--validate"
"""Option: check the tool's bill against CycloneDX's schema, addresses included: half a minute."""
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==", re.MULTILINE)
_NAME = re.compile(r"^[A-Za-z0-9._-]+")


def normalized(name: str) -> str:
    """A package's name as indexes compare them. Source: PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def shipped(lock: str, torch_requirements: list[str]) -> set[str]:
    """Normalized names of the packages that are shipped.

    Args:
        lock: The text of ``requirements.lock``.
        torch_requirements: What the installed torch requires, as its metadata say.
    """
    names = {"tyre3d", "torch", *_PIN.findall(lock)}
    names |= {found[0] for text in torch_requirements if (found := _NAME.match(text))}
    return {normalized(name) for name in names}


def bill(everything: dict[str, Any], names: set[str]) -> dict[str, Any]:
    """The part of a bill that names some packages.

    Args:
        everything: A bill in CycloneDX JSON of all that is installed.
        names: Normalized names of the packages to keep.
    """
    kept = [c for c in everything["components"] if normalized(c["name"]) in names]
    references = {c["bom-ref"] for c in kept}
    root = everything["metadata"].get("component", {}).get("bom-ref")
    dependencies = [
        {**d, "dependsOn": [r for r in d.get("dependsOn", []) if r in references]}
        for d in everything.get("dependencies", [])
        if d["ref"] in references or d["ref"] == root
    ]
    return {**everything, "components": kept, "dependencies": dependencies}


def main() -> None:
    """Write the bill of what is shipped."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("file", type=Path, help="where to")
    target: Path = parser.parse_args().file
    command = [sys.executable, "-m", "cyclonedx_py", "environment", "--output-reproducible"]
    command += [VALIDATION]
    command += ["--pyproject", str(ROOT / "pyproject.toml"), sys.executable]
    found = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
    if found.returncode != 0:  # what was wrong it has said itself, on the terminal
        sys.exit(f"sbom: {command[2]} ended with {found.returncode}; nothing is written")
    lock = (ROOT / "requirements.lock").read_text()
    names = shipped(lock, requires("torch") or [])
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(bill(json.loads(found.stdout), names), indent=1) + "\n")


if __name__ == "__main__":
    main()
