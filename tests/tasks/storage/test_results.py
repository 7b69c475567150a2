"""Results: the same in a folder and in a bucket."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
from pathlib import Path

import pytest

from configs.locations import (
    FLAT_SUFFIXES,
    LEVELS,
    inside,
    names_of,
    parent_and_name,
)
from configs.settings import Settings
from tasks.core.errors import InputError, StorageError
from tasks.storage.open import open_storage
from tasks.storage.results import Results, check_writable, write_result
from tests.support.s3 import s3_settings
from tests.tasks.storage.conftest import Where


def test_a_result_is_written_beside_its_metadata(where: Where) -> None:
    glb = inside(where.location, "a.glb")
    check_writable(glb, where.settings)
    for content in (b"first", b"second"):
        check_writable(glb, where.settings)
        files = write_result(glb, content, {"metadata_path": "a.json"}, where.settings)
    assert files == {"a.glb": hashlib.sha256(b"second").hexdigest()}
    results = Results(where.location, where.settings)
    assert results.read("a.glb") == b"second"
    told = {"metadata_path": "a.json", "files": files}
    assert json.loads(results.read("a.json") or b"") == told
    assert results.read("b.glb") is None
    if isinstance(where.location, Path):
        assert sorted(p.name for p in where.location.iterdir()) == ["a.glb", "a.json"]
    else:
        parent, name = parent_and_name(where.location)
        keys = open_storage(parent, where.settings).keys(name)
        assert keys == [f"{name}/a.glb", f"{name}/a.json"]


def test_a_bucket_that_is_missing_is_an_output_that_cannot_be_written(endpoint: str) -> None:
    with pytest.raises(InputError, match=r"output-unwritable.*no bucket absent"):
        check_writable("s3://absent/out/a.glb", s3_settings(endpoint))


def test_storage_that_is_away_is_no_fault_of_the_user() -> None:
    with pytest.raises(StorageError) as caught:
        check_writable("s3://bucket/a.glb", s3_settings("http://127.0.0.1:9", s3_attempts=1))
    assert caught.value.retryable


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


@pytest.mark.parametrize("content", [b'{"tyres": []}', b"notes", b"null", b"[1]", b"", b"\xff"])
def test_a_file_that_is_none_of_ours_is_not_replaced(where: Where, content: bytes) -> None:
    results = Results(where.location, where.settings)
    results.write({"a.json": content})
    with pytest.raises(InputError, match=r"output-foreign.*a\.json"):
        check_writable(inside(where.location, "a.glb"), where.settings)
    assert results.read("a.json") == content


@pytest.mark.parametrize(
    ("stem", "atlas", "fits"),
    [
        ("タイヤ" * 25, True, True),
        ("a" * 243, False, True),
        ("a" * 244, False, False),
        ("a" * 225, True, True),
        ("a" * 226, True, False),
    ],
)
def test_a_name_is_too_long_before_anything_is_computed_or_not_at_all(
    tmp_path: Path, stem: str, atlas: bool, fits: bool
) -> None:
    glb = tmp_path / f"{stem}.glb"
    if not fits:
        with pytest.raises(InputError, match="output-unwritable"):
            check_writable(glb, Settings(), atlas=atlas)
        return
    check_writable(glb, Settings(), atlas=atlas)
    beside = {f".{level}.glb": b"x" for level in LEVELS}
    beside |= dict.fromkeys(FLAT_SUFFIXES if atlas else (), b"x")
    write_result(glb, b"x", {"metadata_path": ""}, Settings(), "page", beside)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(names_of(glb, atlas=atlas))


@pytest.mark.parametrize(
    ("name", "content", "atlas"),
    [
        ("a.medium.glb", b"another's mesh", False),
        ("a.preview.glb", b"another's mesh", False),
        ("a.atlas.json", b"[]", True),
        ("a.atlas.json", b'{"metadata_path": "the result of a tyre called a.atlas"}', True),
    ],
)
def test_what_nobody_named_is_not_replaced(
    where: Where, name: str, content: bytes, atlas: bool
) -> None:
    results = Results(where.location, where.settings)
    results.write({name: content, "a.glb": b"that was asked for"})
    glb = inside(where.location, "a.glb")
    with pytest.raises(InputError, match=rf"output-foreign.*{name}"):
        check_writable(glb, where.settings, atlas=atlas)
    assert results.read(name) == content
    # what a run left that was killed while it wrote is replaced
    results.write({"a.medium.glb": b'{"asset":{"generator":"Tyre3D 0.1.0"', "a.preview.glb": b""})
    results.write({"a.atlas.json": b'{"pictures": []}'})
    check_writable(glb, where.settings, atlas=atlas)
