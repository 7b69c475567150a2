"""Results and inputs: the same in a folder and in a bucket."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from configs.locations import as_location, inside, metadata_of, stem_of
from configs.request import ReconstructRequest
from configs.settings import Settings
from tasks.core.errors import InputError, StorageError
from tasks.storage.base import Storage
from tasks.storage.inputs import input_mark, local_input
from tasks.storage.local import LocalStorage
from tasks.storage.results import Results, check_writable, write_result
from tasks.storage.s3 import S3Storage
from tests.support.s3 import filesystem, s3_endpoint, s3_settings


@dataclass
class Where:
    """A folder of either kind, its settings, and the storage of it."""

    location: Path | str
    settings: Settings
    storage: Storage


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with s3_endpoint() as endpoint:
        yield endpoint


@pytest.fixture(params=["local", "s3"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Where:
    if request.param == "local":
        folder = tmp_path / "root"
        return Where(folder, Settings(home=tmp_path / "home"), LocalStorage(folder))
    endpoint = request.getfixturevalue("endpoint")
    bucket = f"bucket-{os.urandom(4).hex()}"
    filesystem(endpoint).mkdir(bucket)
    settings = s3_settings(endpoint, home=tmp_path / "home")
    return Where(f"s3://{bucket}/in", settings, S3Storage(f"s3://{bucket}/in", settings))


def test_a_result_is_written_beside_its_metadata(where: Where) -> None:
    glb = inside(where.location, "a.glb")
    check_writable(glb, where.settings)
    for content in (b"first", b"second"):
        write_result(glb, content, {"told": 1}, where.settings)
    results = Results(where.location, where.settings)
    assert results.read("a.glb") == b"second"
    assert json.loads(results.read("a.json") or b"") == {"told": 1}
    assert results.read("b.glb") is None
    if isinstance(where.location, Path):
        assert sorted(p.name for p in where.location.iterdir()) == ["a.glb", "a.json"]
    else:
        files = filesystem(where.settings.s3_endpoint_url or "").find(where.location)
        assert sorted(f.rpartition("/")[2] for f in files) == ["a.glb", "a.json"]


def test_a_video_is_brought_here_and_its_copy_removed(where: Where) -> None:
    where.storage.write({"tyre.mp4": b"moving pictures"})
    video = inside(where.location, "tyre.mp4")
    with local_input(video, where.settings) as path:
        assert path.name == "tyre.mp4"
        assert path.read_bytes() == b"moving pictures"
    assert not list(where.settings.scratch_dir.rglob("*.mp4"))
    mark = input_mark(video, where.settings)
    assert mark == input_mark(video, where.settings)
    where.storage.write({"tyre.mp4": b"other pictures."})
    assert mark != input_mark(video, where.settings)


def test_frames_are_brought_here(where: Where) -> None:
    for name in ("1.png", "2.JPG", "notes.txt", "sub/3.png"):
        where.storage.write({f"frames/{name}": b"x"})
    with local_input(inside(where.location, "frames"), where.settings) as folder:
        names = {p.name for p in folder.iterdir() if p.is_file()} - {"notes.txt"}
    assert names == {"1.png", "2.JPG"}


def test_what_cannot_be_an_input_is_refused(where: Where) -> None:
    where.storage.write({"empty.mp4": b"", "texts/a.txt": b"x"})
    with pytest.raises(InputError, match="video-empty"):
        input_mark(inside(where.location, "empty.mp4"), where.settings)
    with pytest.raises(InputError, match="folder-no-images"):
        input_mark(inside(where.location, "texts"), where.settings)
    for name in ("gone.mp4", "gone"):
        with pytest.raises(InputError, match="input-missing"):
            input_mark(inside(where.location, name), where.settings)
        with (
            pytest.raises(InputError, match="input-missing"),
            local_input(inside(where.location, name), where.settings),
        ):
            pass


def test_a_bucket_that_is_missing_is_an_output_that_cannot_be_written(endpoint: str) -> None:
    with pytest.raises(InputError, match=r"output-unwritable.*no bucket absent"):
        check_writable("s3://absent/out/a.glb", s3_settings(endpoint))


def test_storage_that_is_away_is_no_fault_of_the_user() -> None:
    with pytest.raises(StorageError) as caught:
        check_writable("s3://bucket/a.glb", s3_settings("http://127.0.0.1:9", s3_attempts=1))
    assert caught.value.retryable


@pytest.mark.parametrize("text", ["s3://bucket", "s3://", "s3:///a", "s3://b/../a", "s3://b//a"])
def test_addresses_that_name_no_object_are_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="s3://bucket/key"):
        ReconstructRequest.model_validate({"input": text, "glb_path": tmp_path / "a.glb"})


def test_locations_keep_their_kind() -> None:
    fields = {"input": "s3://b/in/a.mp4", "glb_path": Path("/out/a.glb")}
    request = ReconstructRequest.model_validate(fields)
    assert request.input == "s3://b/in/a.mp4"
    assert ReconstructRequest.model_validate(request.model_dump(mode="json")) == request
    assert as_location("s3://b/in/") == "s3://b/in"
    assert metadata_of("s3://b/a.x.glb") == "s3://b/a.x.json"
    assert metadata_of(Path("/o/a.glb")) == Path("/o/a.json")
    assert stem_of("s3://b/in/a.mp4") == "a"


def _hold(folder: Path, held: multiprocessing.synchronize.Event) -> None:
    with Results(folder, Settings()).lock("batch") as locked:
        assert locked
        held.set()
        multiprocessing.Event().wait()


def test_a_folder_is_held_by_one_process_and_freed_by_its_death(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    held = spawn.Event()
    process = spawn.Process(target=_hold, args=(tmp_path, held))
    process.start()
    assert held.wait(60)
    results = Results(tmp_path, Settings())
    with results.lock("batch") as locked:
        assert not locked
    process.kill()
    process.join()
    with results.lock("batch") as locked:
        assert locked
