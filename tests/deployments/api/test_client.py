"""The client for Node and browsers, compiled, before answers that are made up."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import get_args

import pytest

from configs.presets import Device, MotionHint, PresetName

ROOT = Path(__file__).parents[3]
TSC = ROOT / "node_modules" / ".bin" / "tsc"
WAITS = """
import { Tyre3dClient, Tyre3dError } from "./tyre3d.js";
const answers = [
  new Response('{"code": "too-many-requests"}', { status: 429, headers: { "retry-after": "7" } }),
  new Response("<html>a proxy's", { status: 503 }),
  new Response('event: status\\ndata: {"status": "completed"}\\n\\n'),
  new Response('{"code": "job-unknown"}', { status: 404 }),
];
const pauses = [];
globalThis.fetch = async () => answers.shift();
globalThis.setTimeout = (go, ms) => { pauses.push(ms); queueMicrotask(go); };
const client = new Tyre3dClient("http://api", "token");
const { status } = await client.wait("job");
const failed = await client.wait("job").catch((error) => error);
console.log(status, pauses.join(), failed instanceof Tyre3dError, failed.code);
"""


@pytest.mark.parametrize(
    ("option", "choices"), [("preset", PresetName), ("device", Device), ("motion", MotionHint)]
)
def test_an_option_has_the_choices_of_the_service(option: str, choices: object) -> None:
    source = (ROOT / "deployments" / "api" / "client" / "tyre3d.ts").read_text()
    [told] = re.findall(rf"^  {option}\?: (.*);$", source, re.MULTILINE)
    assert re.findall(r'"([a-z]+)"', told) == list(get_args(choices))


@pytest.mark.slow
def test_who_waits_goes_on_where_the_service_is_busy(tmp_path: Path) -> None:
    """And no sooner than it says; what another try cannot mend is told at once."""
    if shutil.which("node") is None or not TSC.is_file():
        pytest.skip("needs node and what `npm ci` installs")
    client = ROOT / "deployments" / "api" / "client"
    subprocess.run([TSC, "-p", client, "--outDir", tmp_path], check=True)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "waits.js").write_text(WAITS)
    done = subprocess.run(
        ["node", tmp_path / "waits.js"], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == ["completed", "7000,2000", "true", "job-unknown"]
