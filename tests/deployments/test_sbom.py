"""The bill of what is shipped: complete, valid, without tools of development."""

from __future__ import annotations

import json
import re
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

import pytest

from deployments import sbom

LOCK = (sbom.ROOT / "requirements.lock").read_text()
DEVELOPMENT_LOCK = (sbom.ROOT / "requirements-dev.lock").read_text()


def pins(lock: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9.-]+)==([^ ;]+)", lock, re.MULTILINE))


def written(path: Path) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["sbom", str(path)])
        sbom.main()
    return path.read_text()


@pytest.fixture(scope="module")
def bill(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sbom, "VALIDATION", "--no-validate")  # which a slow test does
        return dict(json.loads(written(tmp_path_factory.mktemp("sbom") / "deep/sbom.json")))


@pytest.mark.slow
def test_it_is_valid_cyclonedx(tmp_path: Path) -> None:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    text = written(tmp_path / "sbom.json")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def test_it_lists_what_is_shipped_and_nothing_else(bill: dict[str, Any]) -> None:
    listed = {sbom.normalized(c["name"]) for c in bill["components"]}
    assert {"torch", "prefect", "pycolmap", "opencv-python-headless"} <= listed
    assert not {"pytest", "mypy", "moto", "ruff", "uv"} & listed
    installed_elsewhere = {"async-timeout", "pywin32", "httpx2-jsfetch"}
    assert {sbom.normalized(n) for n in pins(LOCK)} - listed - installed_elsewhere <= _by_platform()


def _by_platform() -> set[str]:
    """Locked packages that only some platforms have, by their markers."""
    found = re.findall(r"^([a-z0-9.-]+)==[^ ;]+ ;", LOCK, re.MULTILINE)
    return {sbom.normalized(name) for name in found}


def test_every_component_has_a_licence(bill: dict[str, Any]) -> None:
    without = {c["name"] for c in bill["components"] if not c.get("licenses")}
    for name in without:  # stated in a way that the bill has no word for
        assert metadata(name)["License"], name


def test_no_licence_comes_in_that_the_readme_does_not_tell_of(bill: dict[str, Any]) -> None:
    permissive = re.compile(r"MIT|BSD|Apache|PSF|ISC")
    told = (sbom.ROOT / "README.md").read_text().partition("## Licences")[2]
    for component in bill["components"]:
        entries = [e.get("license", e) for e in component.get("licenses", [])]
        stated = [e.get("expression") or e.get("id") or e.get("name") for e in entries]
        text = " ".join(stated) or metadata(component["name"])["License"]
        if not permissive.search(text) or re.search(r"GPL|MPL|Mozilla", text):
            assert component["name"] in told, text[:80]


def test_the_locks_agree_and_every_pin_has_hashes() -> None:
    shipped, development = pins(LOCK), pins(DEVELOPMENT_LOCK)
    assert {n: development.get(n) for n in shipped} == shipped
    for lock in (LOCK, DEVELOPMENT_LOCK):
        blocks = re.split(r"^(?=[a-z0-9])", lock, flags=re.MULTILINE)[1:]
        assert blocks
        assert all("--hash=sha256:" in block for block in blocks)
    assert "torch" not in shipped, "its builds have other hashes each"


def test_torch_is_pinned_where_the_makefile_and_the_image_read_it() -> None:
    project = (sbom.ROOT / "pyproject.toml").read_text()
    assert re.search(r'^ *"torch==[0-9.]+",$', project, re.MULTILINE)
    for path in ("Makefile", "deployments/docker/Dockerfile"):
        text = (Path(sbom.ROOT) / path).read_text()
        assert "torch==" in text
        assert "--require-hashes" in text


def test_what_the_tool_says_against_a_bill_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sbom, "VALIDATION", "--no-such-option")
    with pytest.raises(SystemExit, match="nothing is written"):
        written(tmp_path / "sbom.json")
    assert "--no-such-option" in capfd.readouterr().err
    assert not (tmp_path / "sbom.json").exists()
