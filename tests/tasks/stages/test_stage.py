"""The stage as an object: its key counts everything that it is given."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from configs.stages import MaskConfig, StageName
from tasks.core.errors import StorageError
from tasks.network.weights import BackgroundWeights
from tasks.stages.compare_scans import COMPARE
from tasks.stages.remove_backgrounds import REMOVE_BACKGROUNDS
from tasks.stages.stage import Record, Stage, Workspace
from tasks.storage.artifacts import ArtifactRef, ArtifactStore
from tests.support.memory_storage import MemoryStorage
from tests.tasks.stages.pipeline import PIPELINE

FRAMES = ArtifactRef("memory://cas/extract/k/manifest.json", "a" * 64, 1)
WEIGHTS = BackgroundWeights("u2netp", Path("/nowhere"))


def _count(work: Workspace, config: MaskConfig, *, frames: ArtifactRef, note: str = "") -> Record:
    """Write a file."""
    (work.folder / "a.txt").write_text(f"{frames.sha256}{note}")
    (work.scratch / "b.txt").write_text("left behind")
    return {"device": work.device}


COUNT = Stage(StageName.EXTRACT, _count)


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        RuntimeError("SQLite error: database or disk is full"),
        ValueError("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_is_told_as_such_whoever_noticed_it(error: Exception, tmp_path: Path) -> None:
    def produce(work: Workspace, config: MaskConfig) -> Record:
        raise error

    store = ArtifactStore(MemoryStorage(), tmp_path)
    with pytest.raises(StorageError, match="disk-full"):
        Stage(StageName.EXTRACT, produce).make(store, "k", "cpu", MaskConfig(), {})
    assert list(tmp_path.iterdir()) == []


def test_every_name_is_a_stage() -> None:
    assert [stage.name for stage in PIPELINE] == list(StageName)


NO_STAGES = {"batch", "models", "start", "storage", "train"}
"""What errors call their stage that are not of one stage."""
PUT_BACK = """
InputError("c", stage="Poses", what="", advice="")
_STAGE = "pose"
if error.stage == "merging" or "codes" == run.stage: pass
"""


def _spelt_stages(tree: ast.Module) -> Iterator[str]:
    """Literals that are given as a stage, or compared with one."""
    for node in ast.walk(tree):
        given = isinstance(node, ast.keyword) and node.arg == "stage"
        named = isinstance(node, ast.Assign) and "_STAGE" in map(_name, node.targets)
        if given or named:
            yield from _literals(node.value)
        elif isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            if "stage" in map(_name, sides):
                yield from (text for side in sides for text in _literals(side))


def _name(node: ast.AST) -> str:
    return str(getattr(node, "attr", getattr(node, "id", "")))


def _literals(node: ast.AST) -> list[str]:
    value = getattr(node, "value", None)
    return [value] if isinstance(node, ast.Constant) and isinstance(value, str) and value else []


def test_errors_take_the_names_of_stages_from_one_place() -> None:
    """A name that is spelt out is none of a stage, lest it be another spelling of one."""
    root = Path(__file__).parents[3]
    files = [f for p in ("deployments", "flows", "tasks", "tsr") for f in (root / p).rglob("*.py")]
    spelt = {name for file in files for name in _spelt_stages(ast.parse(file.read_text()))}
    assert spelt == NO_STAGES
    assert set(_spelt_stages(ast.parse(PUT_BACK))) == {"Poses", "pose", "merging", "codes"}


def test_a_stage_module_holds_one_stage_and_nothing_is_between() -> None:
    modules = {s.produce.__module__ for s in (*PIPELINE, COMPARE)}
    folder = Path(inspect.getfile(Stage)).parent
    files = {f"tasks.stages.{p.stem}" for p in folder.glob("*.py")}
    machinery = {"tasks.stages.__init__", "tasks.stages.stage", "tasks.stages.code_version"}
    assert files - machinery == modules


@pytest.mark.parametrize("stage", [*PIPELINE, COMPARE], ids=lambda s: s.name)
def test_inputs_are_passed_by_name_only(stage: Stage[..., ...]) -> None:  # type: ignore[type-arg]
    names = list(inspect.signature(stage.produce).parameters.values())
    assert [p.name for p in names[:2]] == ["work", "config"]
    assert all(p.kind is inspect.Parameter.KEYWORD_ONLY for p in names[2:])


def test_the_key_depends_on_everything() -> None:
    key = REMOVE_BACKGROUNDS.key(MaskConfig(), frames=FRAMES, weights=WEIGHTS)
    other = ArtifactRef(FRAMES.uri, "b" * 64, 1)
    keys = {
        key,
        REMOVE_BACKGROUNDS.key(MaskConfig(min_area=0.5), frames=FRAMES, weights=WEIGHTS),
        REMOVE_BACKGROUNDS.key(MaskConfig(), frames=other, weights=WEIGHTS),
        REMOVE_BACKGROUNDS.key(
            MaskConfig(), frames=FRAMES, weights=BackgroundWeights("u2net", Path("/nowhere"))
        ),
        COUNT.key(MaskConfig(), frames=FRAMES),
        COUNT.key(MaskConfig(), frames=FRAMES, note="x"),
    }
    assert len(keys) == 6
    elsewhere = ArtifactRef("memory://other/cas/extract/k/manifest.json", FRAMES.sha256, 1)
    again = REMOVE_BACKGROUNDS.key(
        MaskConfig(), frames=elsewhere, weights=BackgroundWeights("u2netp", Path("/elsewhere"))
    )
    assert again == key, "where things lie does not count"


def test_an_input_without_a_digest_is_refused() -> None:
    with pytest.raises(TypeError, match="canonical"):
        COUNT.key(MaskConfig(), frames=FRAMES, note=Path("/a"))  # type: ignore[arg-type]


def test_what_is_complete_is_not_made_again(tmp_path: Path) -> None:
    store = ArtifactStore(MemoryStorage(), tmp_path)
    key = COUNT.key(MaskConfig(), frames=FRAMES)
    ref = COUNT.make(store, key, "cpu", MaskConfig(), {"frames": FRAMES})
    made = store.open(ref)
    assert made.record == {"device": "cpu"}
    assert made.files == ("a.txt",), "scratch files are no part of the artifact"
    assert COUNT.make(store, key, "cuda", MaskConfig(), {"frames": FRAMES}) == ref


def test_every_stage_computes_repeatably(tmp_path: Path) -> None:
    import cv2
    from threadpoolctl import threadpool_info, threadpool_limits

    def produce(work: Workspace, config: MaskConfig) -> Record:
        blas = {x["num_threads"] for x in threadpool_info() if x["user_api"] == "blas"}
        return {"ipp": cv2.ipp.useIPP(), "blas": sorted(blas)}

    cv2.ipp.setUseIPP(True)
    store = ArtifactStore(MemoryStorage(), tmp_path)
    with threadpool_limits(limits=2, user_api="blas"):
        ref = Stage(StageName.EXTRACT, produce).make(store, "k", "cpu", MaskConfig(), {})
    assert store.open(ref).record == {"ipp": False, "blas": [1]}


def test_a_full_disk_is_one_in_every_stage(tmp_path: Path) -> None:
    def full(work: Workspace, config: MaskConfig) -> Record:
        raise OSError(28, "No space left on device")

    stage = Stage(StageName.MERGE, full)
    store = ArtifactStore(MemoryStorage(), tmp_path)
    with pytest.raises(StorageError, match="disk-full"):
        stage.make(store, "k", "cpu", MaskConfig(), {})
    assert list(tmp_path.iterdir()) == []
