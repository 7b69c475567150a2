"""Fixtures for all tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

os.environ.setdefault("TYRE3D_SERVER_IDLE_S", "0")
"""Commands of the tests leave no server behind."""
GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    """One Prefect server with a database of its own, for all tests that run flows."""
    from prefect.server.api.server import SubprocessASGIServer
    from prefect.settings import get_current_settings
    from prefect.testing import utilities

    from flows.support.new_database import make_database

    mkdtemp = utilities.mkdtemp

    def with_database() -> str:
        """A folder with the harness's database: Prefect takes many seconds to make it."""
        folder = mkdtemp()
        make_database(Path(folder, "prefect-test.db"))
        return folder

    def our_server(harness: SubprocessASGIServer) -> subprocess.Popen[bytes]:
        """The server as commands start it: Prefect's way on SQLite it may stand still."""
        own = {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1"}
        settings = get_current_settings().to_environment_variables(exclude_unset=True)
        return subprocess.Popen(
            [sys.executable, "-m", "flows.cli.server_process", str(harness.port)],
            env={**os.environ, **own, "PREFECT__SERVER_FINAL": "1", **settings},
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(utilities, "mkdtemp", with_database)
        patch.setattr(SubprocessASGIServer, "_run_uvicorn_command", our_server)
        with utilities.prefect_test_harness(server_startup_timeout=300):
            yield


def disc_picture(
    number: int, *, size: tuple[int, int] = (160, 120), blur: float = 0.0
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A textured disc that drifts and turns over a light ground: BGR picture and its alpha."""
    width, height = size
    picture = np.full((height, width, 3), 225, np.uint8)
    alpha = np.zeros((height, width), np.uint8)
    centre = (int(width * (0.45 + 0.01 * (number % 8))), height // 2)
    radius = int(min(size) * 0.32)
    cv2.circle(picture, centre, radius, (40, 40, 45), -1)
    cv2.circle(alpha, centre, radius, 255, -1)
    for spoke in range(7):
        angle = 0.3 * number + spoke * 2 * np.pi / 7
        tip = (
            int(centre[0] + 0.8 * radius * np.cos(angle)),
            int(centre[1] + 0.8 * radius * np.sin(angle)),
        )
        cv2.line(picture, centre, tip, (150, 160, 170), 2)
    if blur > 0:
        picture = cv2.GaussianBlur(picture, (0, 0), blur)
    return picture, alpha


@pytest.fixture(scope="session")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound video of 60 small frames at 20 frames a second."""
    path = tmp_path_factory.mktemp("video") / "disc.mp4"
    write_video(path, 60)
    return path


def write_video(
    path: Path, frames: int, *, size: tuple[int, int] = (160, 120), codec: str = "mp4v"
) -> None:
    """Write a small video of the disc."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), 20.0, size)
    assert writer.isOpened()
    for number in range(frames):
        writer.write(disc_picture(number, size=size)[0])
    writer.release()


@pytest.fixture(scope="session")
def cut_out_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight PNGs with alpha, as a preprocessing service leaves them."""
    folder = tmp_path_factory.mktemp("frames")
    write_cut_outs(folder, range(8))
    return folder


def write_cut_outs(folder: Path, numbers: Iterable[int], *, mark: int = 225) -> None:
    """Write pictures of the disc with transparent ground, where ``mark`` tells tyres apart."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        picture, alpha = disc_picture(number)
        picture[0, 0] = mark // 256, mark % 256, 0
        cv2.imwrite(str(folder / f"frame{number}.png"), np.dstack([picture, alpha]))


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the golden network: random weights, the real architecture, very small."""
    folder = tmp_path_factory.mktemp("tiny")
    write_tiny_model(folder)
    return folder


def write_tiny_model(folder: Path) -> None:
    """Write the golden network as a model folder."""
    import yaml

    folder.mkdir(parents=True, exist_ok=True)
    config = json.loads((GOLDEN / "tsr_tiny.config.json").read_text())
    config["image_tokenizer"]["vit"] = config.pop("_vit")
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    content = (GOLDEN / "tsr_tiny.weights.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content)
