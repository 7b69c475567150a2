"""Damaged manifests, results in the way, disks, clocks, proxies, and an S3 that stumbles."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import resource
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

from configs.settings import Settings
from flows.support.own_server import ask_loopback_directly
from tasks.batch.manifest import Manifest
from tasks.core.digests import canonical
from tasks.network.weights import remembered_sha256
from tasks.storage.base import storage_errors
from tasks.storage.open import open_storage
from tasks.storage.prune import prune
from tasks.storage.results import Results, check_writable, write_result
from tasks.storage.s3 import S3Storage
from tests.corpus.case import MADE, Case, store_in
from tests.support.s3 import FaultyProxy, S3Server, filesystem, s3_settings

KEY = "k" * 64
CONTENT = b"what a stage made" * 100
METADATA = {"metadata_path": "/x.json", "num_vertices": 3}


def _produce(folder: Path) -> dict[str, Any]:
    (folder / "mesh.npz").write_bytes(CONTENT)
    return {"figures": {"a": 1}}


def _signed(body: dict[str, Any]) -> bytes:
    """A manifest that is what it says: whoever changed it knew how."""
    return canonical({**body, "digest": hashlib.sha256(canonical(body)).hexdigest()})


def _healed(damage: Callable[[Path], object], folder: Path) -> object:
    """An artifact is damaged, then asked for again, and must be whole."""
    store = store_in(folder)
    store.make("merge", KEY, _produce)
    place = folder / "home" / "artifacts" / "cas" / "merge" / KEY
    damage(place)
    made = store.make("merge", KEY, _produce)
    opened = store.open(made)
    assert (opened.folder / "mesh.npz").read_bytes() == CONTENT
    assert opened.record == {"figures": {"a": 1}}
    return opened


def _manifest(change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    return lambda place: (place / "manifest.json").write_bytes(
        change((place / "manifest.json").read_bytes())
    )


def _rewritten(**fields: Any) -> Callable[[bytes], bytes]:
    def change(content: bytes) -> bytes:
        body = json.loads(content)
        del body["digest"]
        return _signed({**body, **fields})

    return change


def _file(change: Callable[[Path], object]) -> Callable[[Path], object]:
    return lambda place: change(next(place.rglob("mesh.npz")))


def manifests() -> Iterator[Case]:
    """Damage to artifacts on a disk; whoever asks has them made again."""
    entry = {"size": 4, "sha256": "0" * 64}
    listed: dict[str, Callable[[Path], object]] = {
        "of no bytes": _manifest(lambda c: b""),
        "null": _manifest(lambda c: b"null"),
        "a list": _manifest(lambda c: b"[1, 2]"),
        "a number": _manifest(lambda c: b"7"),
        "text": _manifest(lambda c: b"a manifest"),
        "no UTF-8": _manifest(lambda c: b"\xff\xfe" + c),
        "cut in half": _manifest(lambda c: c[: len(c) // 2]),
        "nested deeply": _manifest(lambda c: b"[" * 100_000),
        "of zeros": _manifest(lambda c: bytes(len(c))),
        "with a flipped bit": _manifest(lambda c: c[:40] + bytes([c[40] ^ 1]) + c[41:]),
        "with another digest": _manifest(lambda c: c.replace(b'"digest":"', b'"digest":"0')),
        "with a number for its files": _manifest(_rewritten(files=7)),
        "with a list for its files": _manifest(_rewritten(files=["mesh.npz"])),
        "with files without sizes": _manifest(_rewritten(files={"mesh.npz": {}})),
        "with files that climb": _manifest(_rewritten(files={"../../../../../x": entry})),
        "with files at the root": _manifest(_rewritten(files={"/etc/passwd": entry})),
        "with a folder that climbs": _manifest(_rewritten(folder="../../..")),
        "with a number for its folder": _manifest(_rewritten(folder=7)),
        "with a text for its size": _manifest(
            _rewritten(files={"mesh.npz": {"size": "big", "sha256": "0"}})
        ),
        "gone": lambda place: (place / "manifest.json").unlink(),
        "file gone": _file(Path.unlink),
        "file cut": _file(lambda p: p.write_bytes(CONTENT[:-1])),
        "file longer": _file(lambda p: p.write_bytes(CONTENT + b"x")),
        "file changed": _file(lambda p: p.write_bytes(bytes(len(CONTENT)))),
        "file of no bytes": _file(lambda p: p.write_bytes(b"")),
        "file a folder": _file(lambda p: p.unlink() or p.mkdir()),
        "file a link to itself": _file(lambda p: p.unlink() or p.symlink_to(p)),
    }
    for name, damage in listed.items():
        yield Case("artifact", name, (MADE,), partial(_healed, damage))


def _result(prepare: Callable[[Path], object], folder: Path) -> object:
    """Something lies where a result goes."""
    (folder / "out").mkdir()
    prepare(folder / "out")
    settings = Settings.model_validate({"home": folder / "home"})
    check_writable(folder / "out" / "a.glb", settings)
    return write_result(folder / "out" / "a.glb", b"glTF", METADATA, settings)


def results() -> Iterator[Case]:
    """What lies where results go."""
    foreign, unwritable = ("output-foreign",), ("output-unwritable",)
    listed: dict[str, tuple[Callable[[Path], object], tuple[str, ...]]] = {
        "nothing": (lambda out: None, (MADE,)),
        "an older result": (
            lambda out: (out / "a.json").write_text(json.dumps(METADATA)),
            (MADE,),
        ),
        "another program's JSON": (lambda out: (out / "a.json").write_text("{}"), foreign),
        "a text": (lambda out: (out / "a.json").write_text("notes"), foreign),
        "JSON nested deeply": (lambda out: (out / "a.json").write_text("[" * 100_000), foreign),
        "a folder for the GLB": (lambda out: (out / "a.glb").mkdir(), unwritable),
        "a folder for the metadata": (lambda out: (out / "a.json").mkdir(), unwritable),
        "a file for the folder": (
            lambda out: out.rmdir() or out.write_text("x"),
            unwritable,
        ),
        "a link to nothing for the folder": (
            lambda out: out.rmdir() or out.symlink_to(out.parent / "gone" / "far"),
            (MADE, *unwritable),
        ),
        "a link to itself for the folder": (
            lambda out: out.rmdir() or out.symlink_to(out),
            unwritable,
        ),
    }
    for name, (prepare, expected) in listed.items():
        yield Case("result", name, expected, partial(_result, prepare))
    for number, text in enumerate(("", "null", "7", "[1]", "{", "[" * 90_000)):

        def remembered(folder: Path, text: str = text) -> object:
            (folder / "weights").write_bytes(CONTENT)
            (folder / "memory.json").write_text(text)
            found = remembered_sha256(folder / "weights", folder / "memory.json")
            assert found == hashlib.sha256(CONTENT).hexdigest()
            return found

        yield Case("model", f"remembered digests that are damaged {number}", (MADE,), remembered)
    texts = ("", "null", "[]", '{"tyres": 7}', '{"tyres": [{}]}', '{"tyres": [[1]]}', "[" * 90_000)
    for number, text in enumerate(texts):

        def run(folder: Path, text: str = text) -> object:
            (folder / "batch.json").write_text(text)
            manifest = Manifest(Results(folder, Settings.model_validate({"home": folder / "h"})))
            manifest.write()
            assert json.loads((folder / "batch.json").read_text())["tyres"] == []
            return manifest

        yield Case("result", f"a batch's manifest that is damaged {number}", (MADE,), run)


@contextlib.contextmanager
def _full_after(size: int) -> Iterator[None]:
    """No file grows beyond a size: the system says of it what it says of a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _on_full_disk(folder: Path) -> object:
    store = store_in(folder)
    try:
        with _full_after(256), storage_errors(str(folder)):
            store.make("merge", KEY, _produce)
    finally:
        assert not list((folder / "home" / "artifacts").rglob("mesh.npz"))
        assert store.make("merge", KEY, _produce).size == len(CONTENT)
    raise AssertionError("it was written")


def _result_on_full_disk(folder: Path) -> object:
    out = folder / "out"
    out.mkdir()
    settings = Settings.model_validate({"home": folder / "home"})
    try:
        with _full_after(2):
            return write_result(out / "a.glb", b"glTF and more", METADATA, settings)
    finally:
        assert list(out.iterdir()) == []


def _stored_at(root: Path | str) -> object:
    storage = open_storage(root, Settings())
    with storage_errors(str(root)):
        return storage.write({"a": b"x"})


def _clocked(shift_s: float, folder: Path) -> object:
    """Artifacts are made, found and kept while the clock is wrong."""
    store = store_in(folder)
    now = time.time()
    with mock.patch("time.time", return_value=now + shift_s):
        made = store_in(folder).make("merge", KEY, _produce)
        assert store.open(made).record == {"figures": {"a": 1}}
    return store.open(store.make("merge", KEY, _produce))


def _pruned_from_the_past(folder: Path) -> object:
    """The clock went back: what is younger than now is nothing old."""
    store = store_in(folder)
    made = store.make("merge", KEY, _produce)
    pruned = prune(
        store, time.time() - 1e8, older_than_s=3600.0, keep_size=float("inf"), dry_run=False
    )
    assert pruned.artifacts == 0
    return store.open(made)


def machines() -> Iterator[Case]:
    """Disks, clocks and names of folders."""
    yield Case("disk", "full while a stage writes", ("disk-full",), _on_full_disk)
    yield Case("disk", "full while a result is written", ("disk-full",), _result_on_full_disk)
    odd = ("storage-denied", "storage-path", "storage-failed")
    for name, place in {
        "a folder of the system": Path("/proc/tyre3d"),
        "below a device": Path("/dev/null/x"),
        "a name that is too long": Path("/tmp") / ("a" * 300),
    }.items():
        yield Case("disk", name, odd, lambda _, place=place: _stored_at(place))
    address = ("storage-address",)
    for name, text in {
        "of no kind": "ftp://host/a",
        "without a bucket": "s3://",
        "that climbs": "s3://bucket/../x",
    }.items():
        yield Case("address", name, address, lambda _, text=text: _stored_at(text))
    shifts_s = {"three years ahead": 9.5e7, "at 1970": -1.7e9, "a day back": -86400.0}
    for name, shift_s in shifts_s.items():
        yield Case("clock", name, (MADE,), partial(_clocked, shift_s))
    yield Case("clock", "back while old artifacts go", (MADE,), _pruned_from_the_past)


@functools.cache
def _server() -> S3Server:
    """One S3 for all cases of a process."""
    server = S3Server()
    filesystem(server.endpoint).makedirs("bucket", exist_ok=True)
    return server


def _through(script: list[int | str], run: Callable[[S3Storage], object], **others: Any) -> object:
    proxy = FaultyProxy(_server().port, list(script))
    try:
        return run(S3Storage("s3://bucket/root", s3_settings(proxy.endpoint, **others)))
    finally:
        proxy.stop()


def _there_and_back(storage: S3Storage) -> object:
    storage.write({"a": CONTENT})
    assert storage.get("a") == CONTENT
    return storage.get("nothing-here")


def _by_proxy(folder: Path) -> object:
    """Proxies of the environment that do not answer, and an S3 on this machine."""
    dead = dict.fromkeys(("HTTP_PROXY", "http_proxy", "HTTPS_PROXY"), "http://127.0.0.1:9")
    with mock.patch.dict(os.environ, dead):
        ask_loopback_directly()
        return _there_and_back(S3Storage("s3://bucket/proxied", s3_settings(_server().endpoint)))


def buckets() -> Iterator[Case]:
    """What an S3 answers."""
    failed = ("storage-failed",)
    listed: dict[str, tuple[list[int | str], tuple[str, ...]]] = {
        "is well": ([], (MADE,)),
        "is busy once": ([503], (MADE,)),
        "fails once": ([500], (MADE,)),
        "cuts the line once": (["reset"], (MADE,)),
        "is busy for ever": ([503] * 99, failed),
        "fails for ever": ([500] * 99, failed),
        "cuts the line for ever": (["reset"] * 99, failed),
        "refuses": ([403] * 99, ("storage-denied",)),
        "has no such bucket": ([404] * 99, ("storage-missing",)),
    }
    for name, (script, expected) in listed.items():
        slow = len(script) > 50 and script[0] in (500, "reset")

        def run(_: Path, script: list[int | str] = script) -> object:
            return _through(script, _there_and_back)

        yield Case("S3", name, expected, run, slow)
    hang = partial(_through, ["hang"] * 99, _there_and_back, s3_timeout_s=0.5, s3_attempts=1)
    yield Case("S3", "does not answer", failed, lambda _: hang(), slow=True)
    yield Case("S3", "is near, behind proxies that are dead", (MADE,), _by_proxy)


def cases() -> Iterator[Case]:
    """All of them."""
    for group in (manifests, results, machines, buckets):
        yield from group()
