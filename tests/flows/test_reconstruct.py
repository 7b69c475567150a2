"""The flow: all stages through Prefect, cached by content, mended where damaged.

Poses and merge are stood in for by quick fakes here; they have tests of their own.
"""

from __future__ import annotations

import ast
import hashlib
import json
import math
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
import torch
import trimesh
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterKey,
)
from prefect.client.schemas.sorting import FlowRunSort

import flows.reconstruct
import tasks.fusion.merge
import tasks.poses.isolated_estimate
import tasks.selection.choose
from configs.request import ReconstructRequest
from configs.stages import MESH_STAGE, StageName
from flows.reconstruct import reconstruct, reconstruct_tyre_3d
from flows.support.stage_times import remembered
from tasks.core.errors import InputError, ReconstructionError, ResourceError, StorageError
from tasks.geometry.camera import look_at
from tasks.geometry.crop import CodedFrame
from tasks.mesh.glb import document_of
from tasks.mesh.glb_reader import read_glb
from tasks.mesh.merged import MergedMesh
from tasks.poses.record import ObjectEstimate, PoseEstimate
from tasks.stages.select_frames import SELECT
from tasks.verdict.record import FIRST_WORD
from tests.support.gltf import assert_valid

pytestmark = pytest.mark.usefixtures("prefect_server")
STAGES = [name.value for name in StageName]


def fake_poses(frames: Mapping[int, Path], *_: object, **__: object) -> PoseEstimate:
    cameras = {}
    for place, index in enumerate(sorted(frames)):
        angle = 2 * math.pi * place / len(frames)
        eye = np.array([3 * math.sin(angle), 0.5, 3 * math.cos(angle)])
        cameras[index] = look_at(eye, np.zeros(3), focal_px=150, width=160, height=120)
    tyre = ObjectEstimate(np.zeros(3), np.array([0, 0, 1.0]), np.array([0, 1.0, 0]), 0.36, 0.15)
    return PoseEstimate("fake", "orbit", cameras, tyre, {}, ("poses are fake",))


def fake_merge(
    model: Any, codes: torch.Tensor, coded: Sequence[CodedFrame], *rest: Any
) -> MergedMesh:
    assert len(codes) == len(coded)
    *_, config, fuser = rest
    assert fuser is None  # a model that brings none
    sections = config.mc_resolution // 4
    shape = trimesh.creation.torus(0.27, 0.09, major_sections=sections, minor_sections=12)
    count = len(shape.vertices)
    return MergedMesh(
        np.asarray(shape.vertices, np.float32),
        np.asarray(shape.faces, np.int32),
        np.full((count, 3), 30, np.uint8),
        np.ones(count, np.uint8),
        np.zeros(count, np.float32),
        np.zeros(count, bool),
        {"frames": float(len(coded)), "unknown": math.nan},
        ("merge is fake",),
    )


@pytest.fixture(autouse=True)
def _surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_model: Path) -> None:
    monkeypatch.setenv("TYRE3D_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(tasks.poses.isolated_estimate, "estimate_poses", fake_poses)
    monkeypatch.setattr(tasks.fusion.merge, "merge_fields", fake_merge)


def run(source: Path, tmp_path: Path, model: Path, **options: Any) -> dict[str, Any]:
    request = ReconstructRequest.model_validate(
        {
            "input": source,
            "glb_path": tmp_path / "out/tyre.glb",
            "model": str(model),
            "num_frames": 4,
            "mc_resolution": 64,
            **options,
        }
    )
    return dict(reconstruct(request, request.stem))


def states(metadata: Mapping[str, Any]) -> dict[str, str]:
    assert [s["stage"] for s in metadata["stages"]] == STAGES
    return {s["stage"]: s["state"] for s in metadata["stages"]}


def test_glb_and_metadata(cut_out_folder: Path, tmp_path: Path, tiny_model: Path) -> None:
    metadata = run(cut_out_folder, tmp_path, tiny_model)
    path = Path(metadata["output_path"])
    assert set(states(metadata).values()) == {"Completed"}
    files = ["tyre.glb", "tyre.html", "tyre.json", "tyre.medium.glb", "tyre.preview.glb"]
    assert sorted(p.name for p in path.parent.iterdir()) == files
    text = path.with_suffix(".json").read_text()
    assert json.loads(text, parse_constant=pytest.fail) == metadata
    assert metadata["figures"]["unknown"] is None
    extras = document_of(path.read_bytes())["asset"]["extras"]
    assert extras["model"]["sha256"] == metadata["model"]["sha256"]
    assert extras["model"]["chosen_because"] == "requested"
    assert extras["parameters"]["select"]["num_frames"] == 4
    first, *between, last = extras["warnings"]
    assert (first, last) == ("poses are fake", "merge is fake")
    assert all(w.startswith("in ") for w in between), "the discs are not where fakes say"
    made_by = set(STAGES) - {"report"}  # what is told of a mesh is no part of it
    assert set(extras["code"]["stages"]) == set(extras["parameters"]) == made_by
    assert set(metadata["code"]["stages"]) == set(metadata["parameters"]) == set(STAGES)
    assert metadata["num_vertices"] > 0
    assert metadata["num_faces"] > 0
    assert set(remembered(tmp_path / "home", "4 frames at 64")) == set(STAGES), "for the next one"
    assert_valid(path)


def test_a_root_of_results_that_is_gone_is_not_made(
    cut_out_folder: Path, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "out"
    with pytest.raises(InputError, match=r"output-unwritable.*out is not there"):
        run(cut_out_folder, tmp_path, tiny_model, output_roots=[root])
    assert not root.exists()
    with pytest.raises(InputError, match="input-unreadable"):
        run(cut_out_folder, tmp_path, tiny_model, input_roots=[tmp_path])

    def gone(*_: object) -> None:
        shutil.rmtree(root)

    root.mkdir()
    monkeypatch.setattr("flows.reconstruct.page_of", gone)
    with pytest.raises(InputError, match=r"output-unwritable.*out is not there"):
        run(cut_out_folder, tmp_path, tiny_model, output_roots=[root])
    assert not root.exists()


def test_flattened_pictures_lie_beside_the_glb_where_asked(
    cut_out_folder: Path, tmp_path: Path, tiny_model: Path
) -> None:
    metadata = run(cut_out_folder, tmp_path, tiny_model, atlas=True)
    folder = Path(metadata["output_path"]).parent
    names = {p.name for p in folder.iterdir()}
    others = {"tyre.glb", "tyre.json", "tyre.html", "tyre.medium.glb", "tyre.preview.glb"}
    assert names == others | set(metadata["atlas_files"])
    told = json.loads((folder / "tyre.atlas.json").read_text())
    assert {f"tyre{p['suffix']}" for p in told["pictures"]} <= names
    page = (folder / "tyre.html").read_text()
    titles = [p["part"].replace("-", " ").capitalize() for p in told["pictures"]]
    assert all(f"<strong>{title}</strong>" in page for title in titles)
    texture = metadata["texture"]
    assert texture["width_px"] * texture["degrees_per_px"] == pytest.approx(360, rel=1e-4)
    assert metadata["num_written_vertices"] > metadata["num_vertices"]
    assert document_of((folder / "tyre.glb").read_bytes())["asset"]["extras"]["texture"] == texture


def test_levels_lie_beside_the_glb_and_the_whole_mesh_where_asked(
    cut_out_folder: Path, tmp_path: Path, tiny_model: Path
) -> None:
    """The counts, distances and digests that are told are those of the files."""
    metadata = run(cut_out_folder, tmp_path, tiny_model, plain=True)
    folder = Path(metadata["output_path"]).parent
    suffixes = {"full": "", "medium": ".medium", "preview": ".preview"}
    assert set(metadata["levels"]) == set(suffixes)
    plain = folder / "tyre.plain.glb"
    whole = trimesh.load(plain, force="mesh", process=False)
    for name, suffix in suffixes.items():
        content = (folder / f"tyre{suffix}.glb").read_bytes()
        told, mesh = metadata["levels"][name], read_glb(content)
        assert told["bytes"] == len(content)
        assert told["num_faces"] == len(mesh.faces)
        assert told["num_written_vertices"] == len(mesh.vertices)
        assert told["num_vertices"] == len(np.unique(mesh.vertices, axis=0))
        assert mesh.extras["detail"]["max_mm"] == pytest.approx(told["error_max_mm"], abs=1e-4)
        assert metadata["files"][f"tyre{suffix}.glb"] == hashlib.sha256(content).hexdigest()
        assert set(mesh.attributes) >= {"seen_by", "inferred", "disagreement"}
    assert len(whole.faces) == metadata["num_faces"], "a mesh that fits loses no face"
    digest = hashlib.sha256(plain.read_bytes()).hexdigest()
    assert metadata["files"]["tyre.plain.glb"] == digest
    assert read_glb(plain.read_bytes()).extras == {
        k: v
        for k, v in document_of((folder / "tyre.glb").read_bytes())["asset"]["extras"].items()
        if k != "detail"
    }


def test_what_was_left_out_is_told(cut_out_folder: Path, tmp_path: Path, tiny_model: Path) -> None:
    folder = tmp_path / "frames"
    shutil.copytree(cut_out_folder, folder)
    content = (folder / "frame2.png").read_bytes()
    (folder / "frame2.png").write_bytes(content[: len(content) // 2])
    metadata = run(folder, tmp_path, tiny_model)
    assert metadata["warnings"][0] == "frame2.png cannot be decoded and was left out"


def test_what_was_done_is_not_done_again(
    cut_out_folder: Path, tmp_path: Path, tiny_model: Path
) -> None:
    first = run(cut_out_folder, tmp_path, tiny_model)
    again = run(cut_out_folder, tmp_path, tiny_model)
    assert set(states(again).values()) == {"Cached"}
    assert_times_are_kept(first, again)
    finer = states(run(cut_out_folder, tmp_path, tiny_model, mc_resolution=96))
    repeated = [s for s, state in finer.items() if state == "Completed"]
    assert repeated == STAGES[STAGES.index("merge") :]
    more = states(run(cut_out_folder, tmp_path, tiny_model, num_frames=5))
    assert [s for s, state in more.items() if state == "Cached"] == STAGES[: STAGES.index("select")]


def assert_times_are_kept(first: Mapping[str, Any], again: Mapping[str, Any]) -> None:
    """A run that finds everything done tells what it took to make, beside its own time."""
    assert not any(stage["cached"] for stage in first["stages"])
    assert all(0.0 < stage["made_s"] <= stage["seconds"] for stage in first["stages"])
    assert all(stage["cached"] for stage in again["stages"])
    times = [[stage["made_s"] for stage in each["stages"]] for each in (first, again)]
    assert times[0] == times[1]
    assert again["seconds"] == pytest.approx(sum(stage["seconds"] for stage in again["stages"]))
    report = Path(again["report_path"]).read_text()
    assert f'<td class="number">{sum(times[0]):.2f}</td>' in report
    assert f'this run</th><td class="number">{again["seconds"]:.2f}</td>' in report


def test_the_same_bytes_elsewhere_are_the_same_input(
    video: Path, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tasks.matting.sessions
    from tests.tasks.matting.test_removal import Threshold

    monkeypatch.setattr(tasks.matting.sessions, "open_session", lambda *_: Threshold())
    run(video, tmp_path, tiny_model, session="test")
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(video.read_bytes())
    again = states(run(copy, tmp_path, tiny_model, session="test"))
    assert [s for s, state in again.items() if state == "Completed"] == ["export", "report"]


@pytest.mark.parametrize("damage", ["delete", "change"])
def test_damaged_artifacts_are_made_again(
    cut_out_folder: Path, tmp_path: Path, tiny_model: Path, damage: str
) -> None:
    first = run(cut_out_folder, tmp_path, tiny_model)
    for entry in first["stages"]:
        if entry["stage"] not in {"extract", "infer"}:
            continue
        manifest = Path(entry["uri"])
        victim = next(
            p for p in sorted(manifest.parent.rglob("*")) if p.is_file() and p != manifest
        )
        if damage == "delete":
            victim.unlink()
        else:
            content = bytearray(victim.read_bytes())
            content[-1] ^= 1
            victim.write_bytes(content)
    again = states(run(cut_out_folder, tmp_path, tiny_model))
    done = [s for s, state in again.items() if state == "Completed"]
    assert done == ["extract", "infer"]
    assert set(states(run(cut_out_folder, tmp_path, tiny_model)).values()) == {"Cached"}


def test_results_are_kept_when_prefect_forgets(
    cut_out_folder: Path, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The artifact store alone suffices: nothing complete is computed twice."""
    first = run(cut_out_folder, tmp_path, tiny_model)
    known = remembered(tmp_path / "home", "4 frames at 64")
    monkeypatch.setattr(tasks.fusion.merge, "merge_fields", lambda *_: pytest.fail("merged twice"))
    from prefect.settings import PREFECT_TASKS_REFRESH_CACHE, temporary_settings

    with temporary_settings({PREFECT_TASKS_REFRESH_CACHE: True}):
        again = run(cut_out_folder, tmp_path, tiny_model)
    assert set(states(again).values()) == {"Cached"}
    assert_times_are_kept(first, again)
    assert remembered(tmp_path / "home", "4 frames at 64") == known, "looks are no work"


def test_the_call_of_the_replaced_system(
    cut_out_folder: Path, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tasks.network.weights

    monkeypatch.setattr(tasks.network.weights, "BUNDLED", tmp_path / "bundled")
    (tmp_path / "bundled").mkdir()
    (tmp_path / "bundled/tyre-mini").symlink_to(tiny_model)
    path = tmp_path / "deep/er/mesh.glb"
    metadata = reconstruct_tyre_3d(str(cut_out_folder), str(path), "cpu", 3, 64)
    assert metadata["output_path"] == str(path)
    again = trimesh.load(path, force="mesh", process=False)
    assert len(again.faces) == metadata["num_faces"]
    assert len(again.vertices) == metadata["num_written_vertices"]
    assert metadata["levels"]["full"]["error_max_mm"] == 0.0
    assert metadata["num_frames"] == 3
    assert metadata["model"]["name"] in {"tyre-mini", "triposr"}


def test_a_mesh_that_fails_is_kept_and_marked(
    cut_out_folder: Path, tmp_path: Path, tiny_model: Path
) -> None:
    """The fake mesh has nothing to do with the masks."""
    metadata = run(cut_out_folder, tmp_path, tiny_model)
    assert metadata["verdict"] == "fail"
    codes = {reason["code"] for reason in metadata["reasons"]}
    assert "outlines-off" in codes
    assert all(reason["advice"] for reason in metadata["reasons"])
    document = document_of(Path(metadata["output_path"]).read_bytes())
    extras = document["asset"]["extras"]
    for name in ("verdict", "reasons", "evidence", "retake"):
        assert extras[name] == metadata[name]
    assert document["nodes"][0]["name"] == "tyre (verdict: fail)"


def test_the_first_word_is_told_and_advises_errors(
    cut_out_folder: Path, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_poses(*_: Any, **__: Any) -> PoseEstimate:
        raise ReconstructionError("poses-failed", stage="x", what="none found", advice="Texture!")

    monkeypatch.setattr(tasks.poses.isolated_estimate, "estimate_poses", no_poses)
    with pytest.raises(ReconstructionError, match="poses-failed") as caught:
        run(cut_out_folder, tmp_path, tiny_model)
    assert caught.value.what.endswith(": none found")
    assert "walk once round the tyre" in caught.value.advice
    assert "Texture!" not in caught.value.advice
    with get_client(sync_client=True) as client:
        wanted = ArtifactFilter(key=ArtifactFilterKey(any_=["first-word-tyre"]))
        (word,) = client.read_artifacts(artifact_filter=wanted, limit=1)
    assert word.type == "table"
    assert word.description == FIRST_WORD
    assert "film-one-face" in str(word.data)


def test_errors_keep_their_kind_through_prefect(tmp_path: Path, tiny_model: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.png", "b.png", "c.png"):
        (folder / name).write_text("no picture")
    with pytest.raises(InputError) as caught:
        run(folder, tmp_path, tiny_model)
    assert caught.value.code == "image-unreadable"
    with get_client(sync_client=True) as client:
        latest = client.read_flow_runs(sort=FlowRunSort.START_TIME_DESC, limit=1)[0]
    assert latest.state is not None
    assert latest.state.message == str(caught.value), "what its page says first"
    assert list((tmp_path / "out").iterdir()) == []


def test_only_what_may_pass_is_tried_again(
    cut_out_folder: Path, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def flaky(*args: Any, **_: Any) -> PoseEstimate:
        calls.append(1)
        if len(calls) == 1:
            raise StorageError("storage-failed", stage="x", what="the disk blinked", advice="")
        return fake_poses(*args)

    monkeypatch.setattr(tasks.poses.isolated_estimate, "estimate_poses", flaky)
    run(cut_out_folder, tmp_path, tiny_model)
    assert len(calls) == 2

    def never(*_: Any, **__: Any) -> PoseEstimate:
        calls.append(1)
        raise InputError("no-tyre", stage="x", what="nothing", advice="")

    monkeypatch.setattr(tasks.poses.isolated_estimate, "estimate_poses", never)
    calls.clear()
    with pytest.raises(InputError, match="no-tyre"):
        run(cut_out_folder, tmp_path, tiny_model, motion="spin")
    assert len(calls) == 1


def test_a_run_shows_pictures_and_tells_of_its_stages(
    cut_out_folder: Path,
    tmp_path: Path,
    tiny_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "tyre3d.stages")
    events: list[tuple[str, str]] = []
    monkeypatch.setattr(
        "flows.support.runner.emit_stage_event", lambda *a: events.append((a[1], a[2]))
    )
    made = run(cut_out_folder, tmp_path, tiny_model)
    assert events == [(stage, "Completed") for stage in STAGES]
    lines = [r.getMessage() for r in caplog.records if r.name == "tyre3d.stages"]
    assert [line.partition(",")[0] for line in lines] == [f"{s}: Completed" for s in STAGES]
    with get_client(sync_client=True) as client:
        mine = ArtifactFilterFlowRunId(any_=[UUID(made["run_id"])])  # others show this tyre, too
        wanted = ArtifactFilter(key=ArtifactFilterKey(any_=["tyre-tyre"]), flow_run_id=mine)
        (page,) = client.read_artifacts(artifact_filter=wanted, limit=1)
    assert str(page.data).count("data:image/jpeg") == 5, "the mesh and four frames"


@pytest.mark.parametrize("what", ["flows.support.summary.summary", "tasks.mesh.preview.preview"])
def test_a_run_succeeds_without_its_pictures(
    what: str,
    cut_out_folder: Path,
    tmp_path: Path,
    tiny_model: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: Any) -> str:
        raise ValueError("no pictures of this mesh")

    monkeypatch.setattr(what, broken)
    run(cut_out_folder, tmp_path, tiny_model)
    assert (tmp_path / "out/tyre.glb").is_file()


def test_memory_that_runs_out_once_costs_a_retry_and_for_good_an_error(
    cut_out_folder: Path, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tsr.system import TSR

    encode, calls = TSR._encode, []

    def full(times: float) -> Any:
        def encode_if_there_is_room(self: TSR, *args: Any, **options: Any) -> Any:
            calls.append(1)
            if len(calls) <= times:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
            return encode(self, *args, **options)

        return encode_if_there_is_room

    monkeypatch.setattr(TSR, "_encode", full(math.inf))
    with pytest.raises(ResourceError, match="out-of-memory") as caught:
        run(cut_out_folder, tmp_path, tiny_model)
    assert caught.value.retryable
    assert len(calls) == 4, "each of two attempts tries again with half the batch"
    assert list((tmp_path / "out").iterdir()) == []

    calls.clear()
    monkeypatch.setattr(TSR, "_encode", full(2))
    again = states(run(cut_out_folder, tmp_path, tiny_model))
    assert len(calls) > 2
    done = STAGES.index(StageName.INFER)
    assert [s for s, state in again.items() if state == "Cached"] == STAGES[:done]
    assert [s for s, state in again.items() if state == "Completed"] == STAGES[done:]


def test_a_stage_that_takes_too_long_is_told_as_such(
    cut_out_folder: Path, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def endless(*_: Any) -> None:
        time.sleep(60.0)

    monkeypatch.setattr(flows.reconstruct, "SELECT", replace(SELECT, timeout_s=0.3))
    monkeypatch.setattr(tasks.selection.choose, "select_frames", endless)
    with pytest.raises(ResourceError, match=r"too-slow\] select: .* after 0.3 s") as caught:
        run(cut_out_folder, tmp_path, tiny_model)
    assert not caught.value.retryable


def test_who_looks_a_mesh_up_after_a_run_finds_the_one_that_was_exported() -> None:
    calls = [
        node.value.args[0].id
        for node in ast.walk(ast.parse(Path(flows.reconstruct.__file__).read_text()))
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id == "mesh"
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.args[0], ast.Name)
    ]
    assert vars(flows.reconstruct)[calls[-1]].name == MESH_STAGE
