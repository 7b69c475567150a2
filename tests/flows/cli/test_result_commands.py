"""``tyre3d info``, ``view`` and ``render``: whatever a result is called, and what is not one."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from configs.settings import Settings
from configs.stages import ExportConfig
from flows.cli.main import main
from flows.cli.page_server import page_server
from flows.support.settings import load_settings
from tasks.core.errors import InputError
from tasks.mesh.export import export_glb
from tasks.report.glb_info import info_of
from tasks.report.result_files import find_page, find_result, mesh_of
from tasks.storage.results import PAGE_MARK, write_result
from tests.support.s3 import filesystem, s3_server, s3_settings
from tests.tasks.mesh.test_export import torus

PROVENANCE = {
    "input": {"name": "film\x1b.mp4", "sha256": "ab"},
    "model": {"name": "tiny", "sha256": "cd"},
    "verdict": "review",
    "reasons": [{"code": "c", "level": "review", "message": "it wobbles", "advice": "Film more"}],
    "retake": ["film again"],
    "warnings": ["a warning"],
}
PAGE = PAGE_MARK.decode() + '0">\n<p>the page</p>'


@pytest.fixture
def out(tmp_path: Path) -> Path:
    glb = export_glb(torus(), PROVENANCE, ExportConfig())
    beside = {".preview.glb": glb, ".medium.glb": glb}
    metadata = {"metadata_path": "", "glb_sha256": hashlib.sha256(glb).hexdigest()}
    write_result(tmp_path / "out/tyre 1.glb", glb, metadata, Settings(), PAGE, beside)
    return tmp_path / "out"


@pytest.mark.parametrize(
    "name", ["", "tyre 1.glb", "tyre 1.json", "tyre 1.html", "tyre 1", "tyre 1.preview.glb"]
)
def test_info_tells_what_is_in_it(out: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(out / name), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    glb = (out / "tyre 1.glb").read_bytes()
    assert told["sha256"] == hashlib.sha256(glb).hexdigest()
    assert told["unchanged"] is (None if "preview" in name else True)
    assert (told["num_vertices"], told["num_faces"]) == (288, 576)
    np.testing.assert_allclose(told["size_mm"], (720, 720, 180), atol=1)
    assert told["share_inferred"] == 0.5
    assert told["texture"] is None
    assert {"COLOR_0", "_SEEN_BY", "_INFERRED", "_DISAGREEMENT"} < set(told["attributes"])
    assert {key: told[key] for key in PROVENANCE} == PROVENANCE


def test_vertices_are_counted_as_in_the_metadata(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = find_result(str(out), Settings())
    mesh = mesh_of(found)
    cut_open = replace(mesh, vertices=np.concatenate([mesh.vertices, mesh.vertices[:9]]))
    monkeypatch.setattr("tasks.report.glb_info.mesh_of", lambda _: cut_open)
    told = info_of(found)
    assert (told["num_vertices"], told["num_written_vertices"]) == (288, 297)


def test_info_for_people(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (out / "tyre 1.json").write_text('{"glb_sha256": "of another"}')
    assert main(["info", str(out)]) == 0
    text = capsys.readouterr().out
    assert "(NOT the one of its metadata)" in text
    assert "288 vertices, 576 faces" in text
    assert "film\\x1b.mp4" in text
    assert text.index("warning   a warning") < text.index("verdict   review")
    assert text.endswith("reason    [c] it wobbles. Film more\nretake    film again\n")


@pytest.mark.parametrize(
    ("command", "name", "said"),
    [
        ("info", "no.glb", "[result-missing]"),
        ("info", "empty", "[result-missing]"),
        ("info", "two", "holds a.glb, b.glb"),
        ("info", "broken.glb", "[glb-unreadable]"),
        ("render", "broken.glb", "[glb-unreadable]"),
        ("view", "broken.glb", "[result-missing]"),
        ("view", "foreign", "[result-missing]"),
    ],
)
def test_what_is_no_result_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, name: str, said: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "two").mkdir()
    for file in ("two/a.glb", "two/b.glb", "broken.glb", "foreign.html"):
        (tmp_path / file).write_bytes(b"not a mesh, not a page of ours")
    options = ["--out", str(tmp_path / "x.png")] if command == "render" else []
    assert main([command, str(tmp_path / name), *options]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err
    assert len(captured.err.splitlines()) == 1


def test_render_makes_a_picture(out: Path, tmp_path: Path) -> None:
    path = tmp_path / "new/x.png"
    assert main(["render", str(out), "--out", str(path), "--size", "64x48"]) == 0
    image = cv2.imread(str(path))
    assert image is not None
    assert image.shape == (48, 64, 3)
    assert image.min() < 90 < 180 < image.max(), "dark rubber on a light ground"


def test_a_folder_that_may_not_be_listed_is_told(
    out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(_: Path) -> Iterator[Path]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refused)
    for command in ("info", "view"):
        assert main([command, str(out)]) == 5
        assert "[storage-denied]" in capsys.readouterr().err


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A bucket, ``tyres``, that commands reach, as a file system."""
    with s3_server("tyres") as server:
        for name in ("endpoint_url", "access_key", "secret_key", "region"):
            value = getattr(s3_settings(server.endpoint), f"s3_{name}")
            secret = getattr(value, "get_secret_value", lambda value=value: value)
            monkeypatch.setenv(f"TYRE3D_S3_{name.upper()}", secret())
        yield filesystem(server.endpoint)


def test_render_puts_a_picture_into_a_bucket(out: Path, bucket: Any) -> None:
    words = ["render", str(out), "--out", "s3://tyres/pictures/x.jpg", "--size", "64x48"]
    assert main(words) == 0
    assert bucket.exists("tyres/pictures/x.jpg")


def test_a_prefix_in_a_bucket_is_a_folder(
    out: Path, bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TYRE3D_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("webbrowser.open", lambda _: True)
    for path in out.iterdir():
        bucket.put(str(path), f"tyres/a/meshes/{path.name}")
    for name in ("", "/", "/tyre 1", "/tyre 1.glb", "/tyre 1.json"):
        found = find_result(f"s3://tyres/a/meshes{name}", load_settings())
        assert found.location == "s3://tyres/a/meshes/tyre 1.glb"
        assert main(["view", f"s3://tyres/a/meshes{name}"]) == 0
    assert (tmp_path / "home/reports/tyre 1.html").read_text() == PAGE
    picture = tmp_path / "x.png"
    assert main(["render", "s3://tyres/a/meshes", "--out", str(picture), "--size", "64x48"]) == 0
    bucket.pipe("tyres/a/meshes/batch.html", PAGE.encode())
    assert find_page("s3://tyres/a/meshes", load_settings())[0] == "batch.html"
    bucket.pipe("tyres/a/meshes/tyre 2.glb", b"glTF")
    with pytest.raises(InputError, match=r"s3://tyres/a/meshes holds tyre 1.glb, tyre 2.glb"):
        find_result("s3://tyres/a/meshes", load_settings())
    with pytest.raises(InputError, match="names a whole bucket"):
        find_result("s3://tyres", load_settings())
    with pytest.raises(InputError, match=r"there is no s3://tyres/a.glb"):
        find_result("s3://tyres/a", load_settings())


def test_a_turntable_that_is_stopped_leaves_what_was_there(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path := tmp_path / "x.mp4").write_bytes(b"an earlier one")
    before = sorted(tmp_path.iterdir())

    def stopped(*_: object) -> Iterator[Any]:
        yield np.zeros((48, 48, 3), np.uint8)
        raise KeyboardInterrupt

    monkeypatch.setattr("tasks.mesh.rendering.Studio.turntable", stopped)
    assert main(["render", str(out), "--out", str(path)]) == 130
    assert path.read_bytes() == b"an earlier one"
    assert sorted(tmp_path.iterdir()) == before


def test_render_makes_a_turntable(out: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.mp4"
    size = ["--size", "48x48", "--seconds", "0.5"]
    assert main(["render", str(out), "--out", str(path), "--colours", "provenance", *size]) == 0
    film = cv2.VideoCapture(str(path))
    count = 0
    while film.read()[0]:
        count += 1
    assert count == 12


@pytest.mark.parametrize(
    "options",
    [
        ["--size", "63x48"],
        ["--size", "big"],
        ["--elevation", "90"],
        ["--seconds", "nan"],
        ["--azimuth", "nan"],
    ],
)
def test_bad_options_of_render(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["render", "x.glb", "--out", "x.png", *options])
    assert stop.value.code == 2
    assert "[usage]" in capsys.readouterr().err


def test_render_refuses_other_kinds_of_files(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", str(out), "--out", "x.gif"]) == 2
    assert "[bad-option]" in capsys.readouterr().err


def test_addresses_are_refused_in_our_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reconstruct", "gs://bucket/a.mp4", "--out", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "gs:// is no known kind of address" in said
    assert "Value error" not in said


def test_view_opens_the_page(
    out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or True)
    assert main(["view", str(out)]) == 0
    (out / "batch.html").write_text(PAGE)
    assert main(["view", str(out)]) == 0
    assert main(["view", str(out / "tyre 1.glb")]) == 0
    tyre, batch = ((out / n).as_uri() for n in ("tyre 1.html", "batch.html"))
    assert opened == [tyre, batch, tyre]
    monkeypatch.setattr("webbrowser.open", lambda _: False)
    assert main(["view", str(out)]) == 1
    assert "--serve" in capsys.readouterr().err


def test_the_page_is_served_to_this_machine_alone() -> None:
    with page_server("a b.html", b"<p>the page</p>", 0) as server:
        host, port = server.server_address[:2]
        assert host == "127.0.0.1"
        threading.Thread(target=server.serve_forever, daemon=True).start()

        def asked(path: str, name: str = f"127.0.0.1:{port}", method: str = "GET") -> bytes:
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}{path}", headers={"Host": name}, method=method
            )
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(request, timeout=30) as answer:
                return bytes(answer.read())

        assert asked("/") == asked("/a%20b.html") == b"<p>the page</p>"
        assert asked("/", "127.0.0.1") == b"<p>the page</p>", "of port 80 browsers name none"
        assert asked("/", method="HEAD") == b""
        for path, name in (
            ("/../etc/passwd", f"127.0.0.1:{port}"),
            ("/", "evil.example:80"),
            ("/", "evil.example"),
        ):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                asked(path, name)
        server.shutdown()


def test_what_tells_of_a_file_loads_nothing_heavy() -> None:
    program = "import sys, flows.cli.result_commands, tasks.report.glb_info; print(*sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = set(answer.stdout.split())
    assert not loaded & {"prefect", "torch", "cv2", "trimesh", "scipy", "jinja2", "av"}
