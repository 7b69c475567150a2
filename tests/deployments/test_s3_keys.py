"""What the policies of deployments/s3 allow and refuse, on a server that enforces them."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from configs.settings import Settings
from deployments.api.settings import ApiSettings
from flows.cli.commands import REFUSED
from tasks.core.errors import StorageError
from tasks.storage import s3
from tasks.storage.s3 import S3Storage
from tests.conftest import write_cut_outs, write_tiny_model
from tests.deployments.api.service import TOKEN, client_of, write_result_of
from tests.deployments.api.stand_in import Prefect
from tests.deployments.stack import PATIENCE_S, ROOT
from tests.support.s3 import filesystem, s3_server, s3_settings

_IN_PARTS = 101 * 2**20
"""Bytes that s3fs sends in several parts."""
Keys = Callable[[str], Settings]


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[Keys]:
    """Settings with the key of the API or of workers; the bucket holds one film and one other."""
    import boto3
    from moto.backends import get_backend
    from moto.core.authorization import enable_iam_authentication

    with s3_server("tyre3d", "elsewhere") as server:
        files = filesystem(server.endpoint)
        write_cut_outs(tmp_path / "film", range(6))
        for picture in (tmp_path / "film").iterdir():
            files.put_file(str(picture), f"tyre3d/incoming/film/{picture.name}")
        for key in ("tyre3d/others/a", "elsewhere/a"):
            files.pipe_file(key, b"x")
        options = {"aws_access_key_id": "root", "aws_secret_access_key": "root"}
        iam = boto3.client("iam", "us-east-1", endpoint_url=server.endpoint, **options)
        secrets = {}
        for who in ("api", "worker"):
            policy = json.loads((ROOT / "deployments" / "s3" / f"{who}.json").read_text())
            if who == "worker":  # moto asks this, for the whole bucket, of who deletes many keys
                bucket = {"Action": ["s3:DeleteObject"], "Resource": ["arn:aws:s3:::tyre3d"]}
                policy["Statement"].append({"Effect": "Allow", **bucket})
            iam.create_user(UserName=who)
            text = json.dumps(policy)
            iam.put_user_policy(UserName=who, PolicyName=who, PolicyDocument=text)
            secrets[who] = iam.create_access_key(UserName=who)["AccessKey"]

        def settings(who: str) -> Settings:
            key = {"s3_access_key": secrets[who]["AccessKeyId"]}
            secret = {"s3_secret_key": secrets[who]["SecretAccessKey"]}
            return s3_settings(server.endpoint, **key, **secret, home=tmp_path / "home")

        with enable_iam_authentication():
            yield settings
        get_backend("iam").reset()


def environment(settings: Settings) -> dict[str, str]:
    assert settings.s3_access_key is not None
    assert settings.s3_secret_key is not None
    return {
        "TYRE3D_STORAGE": "s3://tyre3d/artifacts",
        "TYRE3D_S3_ENDPOINT_URL": str(settings.s3_endpoint_url),
        "TYRE3D_S3_REGION": str(settings.s3_region),
        "TYRE3D_S3_ACCESS_KEY": settings.s3_access_key.get_secret_value(),
        "TYRE3D_S3_SECRET_KEY": settings.s3_secret_key.get_secret_value(),
    }


def refused(act: Callable[[], Any]) -> bool:
    try:
        act()
    except StorageError as exc:
        return exc.code == "storage-denied"
    except PermissionError:
        return True
    return False


def may_not_touch(settings: Settings, *keys: str) -> bool:
    """Whether these keys of buckets can be neither read nor written nor deleted."""
    files = S3Storage("s3://tyre3d", settings)._fs
    acts = [(act, key) for act in (files.cat_file, files.rm_file) for key in keys]
    written = [refused(lambda key=key: files.pipe_file(key, b"y")) for key in keys]
    return all([*written, *(refused(lambda act=act, key=key: act(key)) for act, key in acts)])


def test_a_worker_may_all_that_storage_does_and_that_in_its_places_alone(
    keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = keys("worker")
    storage = S3Storage("s3://tyre3d/artifacts", settings)
    storage.write({"a/b": b"1", "a/c": b"2"})
    assert storage.put_new("a/d", b"3")
    assert not storage.put_new("a/d", b"4")
    with (tmp_path / "large").open("wb") as large:
        large.truncate(_IN_PARTS)
    storage.put("large", tmp_path / "large")
    assert storage.size("large") == _IN_PARTS
    storage.check_writable("a/e")
    assert storage.get("a/b") == storage.local("a/b", tmp_path).read_bytes() == b"1"
    assert storage.get("nowhere") is None
    assert storage.keys("a") == ["a/b", "a/c", "a/d"]
    monkeypatch.setattr(s3, "_TOUCHED_EVERY_S", -10.0)
    answers: list[Any] = []
    ask = storage._fs.call_s3

    def noted(*arguments: Any, **options: Any) -> Any:
        answers.append(ask(*arguments, **options))
        return answers[-1]

    monkeypatch.setattr(storage._fs, "call_s3", noted)
    storage.touch("a/b")  # it would say nothing
    assert [list(answer)[-1] for answer in answers] == ["CopyObjectResult"]
    assert storage.abort_uploads(0.0) == 0
    storage.delete("a")
    assert storage.keys("a") == []

    film = "incoming/film/frame0.png"
    assert S3Storage("s3://tyre3d/incoming", settings).get("film/frame0.png")
    assert refused(lambda: storage._fs.pipe_file(f"tyre3d/{film}", b"y"))
    assert refused(lambda: storage._fs.rm_file(f"tyre3d/{film}"))
    assert may_not_touch(settings, "tyre3d/others/a", "elsewhere/a")


def test_the_service_takes_uploads_and_sends_results_and_may_nothing_else(
    keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment(keys("api")).items():
        monkeypatch.setenv(name, value)
    roots = {"input_roots": ["s3://tyre3d/incoming"], "output_roots": ["s3://tyre3d/meshes"]}
    told = ApiSettings.model_validate({"token": TOKEN, **roots})
    worker, service = S3Storage("s3://tyre3d/meshes", keys("worker")), keys("api")
    prefect = Prefect()
    (tmp_path / "large").write_bytes(bytes(_IN_PARTS))

    async def ask() -> None:
        async for api in client_of(prefect, told):
            sent = await api.put("/uploads/tyre.mp4", content=b"a film")
            assert sent.status_code == 201, sent.text
            with (tmp_path / "large").open("rb") as large:
                form = await api.post("/uploads", files={"file": ("large.mp4", large)})
            assert form.status_code == 201, form.text
            wanted = {"name": "tyre.mp4", "size": 5}
            assert (await api.post("/upload-addresses", json=wanted)).status_code == 201
            body = {"video": sent.json()["video"], "output_glb_path": "s3://tyre3d/meshes/tyre.glb"}
            started = await api.post("/reconstruct", json=body)
            assert started.status_code == 202, started.text
            job = started.json()["job_id"]
            prefect.set(job, "COMPLETED")
            (tmp_path / "out").mkdir()
            write_result_of(job, tmp_path, beside={"html": b"<html>"})
            worker.write({p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()})
            status = (await api.get(f"/reconstruct/status/{job}")).json()
            assert status["result_is_there"], status
            for name in status["files"]:
                assert (await api.get(f"/reconstruct/{job}/{name}")).status_code == 200, name
            refusal = await api.post(
                "/reconstruct", json=body | {"output_glb_path": "s3://x/a.glb"}
            )
            assert refusal.status_code == 422

    asyncio.run(ask())
    assert may_not_touch(service, "tyre3d/artifacts/a", "tyre3d/others/a", "elsewhere/a")
    assert may_not_touch(service, "tyre3d/incoming/film/frame0.png")
    files = S3Storage("s3://tyre3d", service)._fs
    (film,) = files.find("tyre3d/incoming/uploads", maxdepth=2)[:1]
    for key in ("tyre3d/meshes/tyre.glb", film):
        assert refused(lambda key=key: files.rm_file(key)), key
    assert refused(lambda: files.pipe_file("tyre3d/meshes/tyre.glb", b"y"))
    assert refused(lambda: S3Storage("s3://tyre3d/meshes", service).delete("tyre.glb"))


@pytest.mark.services
def test_a_film_is_reconstructed_checked_and_pruned_with_the_key_of_a_worker(
    keys: Keys, tmp_path: Path
) -> None:
    write_tiny_model(tmp_path / "home" / "models" / "tiny")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT", "TYRE3D"))}
    homes = {"TYRE3D_HOME": str(tmp_path / "home"), "PREFECT_HOME": str(tmp_path / "prefect")}
    env = {**kept, **homes, **environment(keys("worker")), "TYRE3D_SERVER_IDLE_S": "0"}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "flows.cli", *arguments]
        options: dict[str, Any] = {"env": env, "cwd": ROOT, "timeout": PATIENCE_S, "check": False}
        return subprocess.run(command, capture_output=True, text=True, **options)

    model = ["--model", str(tmp_path / "home" / "models" / "tiny"), "--device", "cpu"]
    cheap = [*model, "--motion", "orbit", "--num-frames", "2", "--mc-resolution", "32"]
    made = run("reconstruct", "s3://tyre3d/incoming/film", "--out", "s3://tyre3d/meshes", *cheap)
    assert made.returncode in (0, REFUSED), made.stderr
    assert "artifacts" in run("doctor").stdout
    pruned = run("prune", "--older-than", "0s")
    assert (pruned.returncode, "kept" in pruned.stdout) == (0, True), pruned.stderr
    wrong = run("reconstruct", "s3://tyre3d/incoming/film", "--out", "s3://tyre3d/others", *cheap)
    assert wrong.returncode == 2
    assert "[output-unwritable]" in wrong.stderr
