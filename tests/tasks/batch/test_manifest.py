"""What the manifest of a batch remembers."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from configs.request import MeshOptions, ReconstructRequest
from configs.settings import Settings
from tasks.batch.manifest import Entry, Manifest, completed, fingerprint, latest_entries
from tasks.core.errors import InputError
from tasks.storage.results import Results

OPTIONS = MeshOptions()
EARLIER = Path(__file__).parents[2] / "data" / "earlier" / "batch.json"


def _results(folder: Path) -> Results:
    return Results(folder, Settings())


def test_the_fingerprint_follows_what_the_result_depends_on() -> None:
    same = MeshOptions(preset="fast", num_frames=8, mc_resolution=256, device="cpu")
    assert fingerprint("d", OPTIONS) == fingerprint("d", same)
    assert fingerprint("d", OPTIONS) != fingerprint("e", OPTIONS)
    assert fingerprint("d", OPTIONS) != fingerprint("d", MeshOptions(preset="fast"))
    assert fingerprint("d", OPTIONS) != fingerprint("d", MeshOptions(diameter_mm=600))


@pytest.fixture
def request_with_result(tmp_path: Path) -> ReconstructRequest:
    glb = tmp_path / "a.glb"
    glb.write_bytes(b"glTF")
    metadata = {"num_vertices": 3, "num_faces": 1, "figures": {"share": 0.5}, "warnings": ["w"]}
    glb.with_suffix(".json").write_text(json.dumps(metadata))
    return ReconstructRequest(input=tmp_path / "a.mp4", glb_path=glb)


def test_a_finished_entry_is_found_again(
    tmp_path: Path, request_with_result: ReconstructRequest
) -> None:
    results = _results(tmp_path)
    manifest = Manifest(results)
    manifest.put(completed(Entry("a", "a.mp4", fingerprint="f"), request_with_result, results))
    entry = Manifest(results).before["a"]
    assert entry.finished("f", results)
    assert not entry.finished("f", _results(tmp_path / "elsewhere"))
    assert entry.figures == {"num_vertices": 3, "num_faces": 1, "share": 0.5}
    assert not entry.finished("other", results)
    assert not replace(entry, state="failed").finished("f", results)
    (tmp_path / "a.glb").write_bytes(b"changed")
    assert not entry.finished("f", results)
    (tmp_path / "a.glb").unlink()
    assert not entry.finished("f", results)


def test_what_the_mesh_was_judged_by_stands_in_the_manifest_as_in_the_report(
    tmp_path: Path, request_with_result: ReconstructRequest
) -> None:
    """The merge overlaps with its own masks better than with those that it did not see."""
    path = tmp_path / "a.json"
    record = json.loads(path.read_text())
    record["figures"] = {"silhouette_iou": 0.97, "width_mm": 245.0}
    record["evidence"] = {"silhouette_iou": 0.91, "photo_agreement": 0.5}
    path.write_text(json.dumps(record))
    entry = completed(Entry("a", "a.mp4"), request_with_result, _results(tmp_path))
    told = {"num_vertices": 3, "num_faces": 1, "silhouette_iou": 0.91, "width_mm": 245.0}
    assert entry.figures == told


def test_a_result_that_cannot_be_seen_is_an_error(tmp_path: Path) -> None:
    request = ReconstructRequest(input=tmp_path / "a.mp4", glb_path=tmp_path / "a.glb")
    with pytest.raises(InputError, match="result-missing"):
        completed(Entry("a", "a.mp4"), request, _results(tmp_path))


def test_a_damaged_manifest_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / "batch.json").write_text("{")
    assert Manifest(_results(tmp_path)).before == {}


def test_entries_of_other_tyres_are_kept(tmp_path: Path) -> None:
    Manifest(_results(tmp_path)).put(Entry("a", "a.mp4", "failed"))
    Manifest(_results(tmp_path)).put(Entry("b", "b.mp4", "completed"))
    assert set(Manifest(_results(tmp_path)).before) == {"a", "b"}
    assert [e.name for e in latest_entries(_results(tmp_path))] == ["b"]
    assert json.loads((tmp_path / "batch.json").read_text())["counts"]["failed"] == 0


def test_the_manifest_of_an_earlier_release_is_read(tmp_path: Path) -> None:
    shutil.copy(EARLIER, tmp_path)
    (entry,) = Manifest(_results(tmp_path)).before.values()
    assert (entry.name, entry.state, entry.verdict) == ("t1", "completed", "pass")
    assert [e.name for e in latest_entries(_results(tmp_path))] == ["t1"]


def test_of_a_newer_release_no_tyre_is_forgotten(tmp_path: Path) -> None:
    """Whoever went back to this release keeps what the newer one made."""
    told = json.loads(EARLIER.read_text())
    told["tyres"][0]["tread_depth_mm"] = 7.5
    (tmp_path / EARLIER.name).write_text(json.dumps({**told, "format": 2}))
    manifest = Manifest(_results(tmp_path))
    manifest.put(Entry("other", "other.mp4"))
    names = [e["name"] for e in json.loads((tmp_path / EARLIER.name).read_text())["tyres"]]
    assert names == ["other", "t1"]
