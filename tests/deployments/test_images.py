"""Which images are named by a digest."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from deployments.images import images, main, unpinned, unpinned_of_kubernetes

FOLDER = Path(__file__).parents[2] / "deployments"
COMPOSE = "image: ${DB_IMAGE:-postgres:16}\nimage: ${WEB_IMAGE:-web:1}\nlimit: ${RUNS:-2}\n"
DIGEST = f"postgres:16@sha256:{'a' * 64}"


def test_an_image_is_the_default_or_what_the_variable_says() -> None:
    assert images(COMPOSE, "", {}) == {"DB_IMAGE": "postgres:16", "WEB_IMAGE": "web:1"}
    env = f"# DB_IMAGE=no\nDB_IMAGE={DIGEST}\nWEB_IMAGE=\nRUNS=4\n"
    used = images(COMPOSE, env, {"HOME": "/"})
    assert used == {"DB_IMAGE": DIGEST, "WEB_IMAGE": "web:1"}
    assert unpinned(used) == {"WEB_IMAGE": "web:1"}
    assert set(unpinned({"A": DIGEST[:-1], "B": "sha256:x", "C": f"{DIGEST} "})) == {"A", "B", "C"}


def test_what_counts_is_what_compose_takes() -> None:
    """The shell's variables before the file's; without comments and quotes."""
    for text in (f"'{DIGEST}'", f'"{DIGEST}" # of today', f"{DIGEST} # of today"):
        assert images(COMPOSE, f"DB_IMAGE={text}\n", {})["DB_IMAGE"] == DIGEST
    told = images(COMPOSE, f"DB_IMAGE={DIGEST}\n", {"DB_IMAGE": "postgres:17", "WEB_IMAGE": ""})
    assert told == {"DB_IMAGE": "postgres:17", "WEB_IMAGE": "web:1"}


def test_every_image_of_others_is_listed_until_it_is_pinned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--env", str(tmp_path / "none")]) == 1
    told = capsys.readouterr().out
    for name in ("PYTHON", "POSTGRES", "REDIS", "S3", "MC"):
        assert f"by its tag     {name}_IMAGE=" in told
    pinned = "\n".join(f"{n}_IMAGE={DIGEST}" for n in ("PYTHON", "POSTGRES", "REDIS", "S3", "MC"))
    (tmp_path / ".env").write_text(pinned)
    assert main(["--env", str(tmp_path / ".env")]) == 1
    told = capsys.readouterr().out
    assert told.count("by its digest") == 5
    assert "registry.example/tyre3d:cpu" in told  # of the kustomization, until it is pushed


def test_a_kustomization_with_digests_lacks_nothing(tmp_path: Path) -> None:
    path = tmp_path / "base" / "kustomization.yaml"
    path.parent.mkdir()
    path.write_text("images: [{name: tyre3d, newName: r.example/t, digest: 'sha256:1'}]")
    assert unpinned_of_kubernetes(tmp_path) == {}
    path.write_text("images: [{name: tyre3d, newName: r.example/t, newTag: cpu}]")
    assert unpinned_of_kubernetes(tmp_path) == {"base/kustomization.yaml": "r.example/t:cpu"}
    path.write_text("images: [{name: a, newTag: '1'}, {name: b, newName: c}]")
    assert unpinned_of_kubernetes(tmp_path) == {"base/kustomization.yaml": "a:1, c:latest"}


def test_the_image_for_a_gpu_takes_the_cuda_that_the_locked_torch_is_built_for() -> None:
    """The index of cu128 ends at torch 2.11; what the lock leaves out tells torch's own CUDA."""
    (of_torch,) = set(re.findall(r"-cu(\d\d)\b", (FOLDER / "lock.sh").read_text()))
    for name in ("docker/Dockerfile", "docker/compose.yaml"):
        used = set(re.findall(r"whl/cu(\d+)", (FOLDER / name).read_text()))
        assert used == {f"{of_torch}0"}, name


def test_what_the_image_copies_is_there_and_reaches_the_build() -> None:
    """All packages that are shipped are copied: one that is forgotten fails at its first import."""
    copied: set[str] = set()
    for line in (FOLDER / "docker" / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            copied.update(line.split()[1:-1])
    let_through = {
        line[1:]
        for line in (FOLDER.parent / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    assert copied == let_through
    assert [name for name in copied if not (FOLDER.parent / name).exists()] == []
    told = tomllib.loads((FOLDER.parent / "pyproject.toml").read_text())
    packages = told["tool"]["setuptools"]["packages"]["find"]["include"]
    assert {name.partition(".")[0].rstrip("*") for name in packages} | {"deployments"} <= copied
