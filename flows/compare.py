"""The flow of a comparison: two films or results of one tyre in, what changed out."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.runtime import flow_run as this_run

from configs.comparison import COMPARED_SUFFIXES, RESULT_SUFFIXES, CompareConfig
from configs.locations import inside, level_of, parent_and_name
from configs.presets import DEFAULT_DIAMETER_MM
from configs.request import BoundRequest, CompareRequest, ReconstructRequest
from configs.settings import Settings
from configs.stages import MESH_STAGE, StageName
from flows.reconstruct import reconstruct
from flows.support.comparison_summary import publish_comparison
from flows.support.local_runs import noted_run
from flows.support.logs import logged_run, plain_logs
from flows.support.progress import report_to_prefect
from flows.support.runner import Runner
from flows.support.settings import load_settings
from tasks.comparison.align import SAME_SIZE, Alignment
from tasks.comparison.deviation import placed_glb
from tasks.core.errors import InputError
from tasks.geometry.similarity import Similarity
from tasks.report.comparison_page import comparison_page
from tasks.report.result_files import FoundResult, find_result, whole_result
from tasks.stages.compare_scans import (
    CELLS_FILE,
    CHANGE_FILE,
    COMPARE,
    CONTENT_FILE,
    PREVIEW_FILE,
    Reconstructed,
)
from tasks.storage.artifacts import ArtifactRef, ArtifactStore, open_store
from tasks.storage.results import (
    COMPARISON_MARK,
    Results,
    check_meshes_replaceable,
    check_page_replaceable,
    check_replaceable,
    foreign,
)
from tasks.storage.roots import check_input_root, check_output_root

_log = logging.getLogger("tyre3d")

_SIDE = 0.48
"""Share of a comparison that each reconstruction takes."""
_ASSUMED = (
    "the diameter is the {0:g} mm that are assumed where none is given: millimetres are in "
    "proportion to it (if it is another, give both films, with --diameter-mm, outer diameter of "
    "the new tyre)"
)
_UNUSED = (
    "a diameter of {0:g} mm was asked for, but the new tyre's result was made with {1:g} mm: "
    "millimetres are in proportion to that (give both films instead, with --diameter-mm)"
)
_SAME_FILM = (
    "both results are of the same film: that says nothing about what became of the tyre, nor how "
    "far films of an unchanged tyre lie apart"
)
_CONTRADICTING = (
    "the new tyre's result was made with a diameter of {0:g} mm, the damaged one's with {1:g} mm, "
    "but one tyre has one diameter: the damaged one was brought to {0:g} mm. If that is the new "
    "tyre's outer diameter, there is nothing to do; if not, give both films instead of their "
    "results, with --diameter-mm. Two different tyres cannot be compared"
)


@flow(name="compare", flow_run_name="compare-{request.name}", log_prints=False)
def compare(request: CompareRequest) -> dict[str, Any]:
    """Compare two films or results of one tyre.

    Args:
        request: What is compared, where the result goes, and how.

    Returns:
        The record that also lies in the folder, ``NAME.json``.
    """
    settings = load_settings()
    with noted_run(), logged_run(request.name, as_json=settings.log_json), plain_logs():
        return run_comparison(request, settings)


def run_comparison(request: CompareRequest, settings: Settings) -> dict[str, Any]:
    """Reconstruct what is not reconstructed yet, compare, and write the result.

    Args:
        request: What is compared, where the result goes, and how.
        settings: Settings of this installation.
    """
    name = request.name
    change = inside(request.out_dir, f"{name}.change.glb")
    check_output_root(change, request.output_roots)
    results = Results(request.out_dir, settings)
    requested = {"new": request.new, "damaged": request.damaged}
    films = {side: location for side, location in requested.items() if not _is_result(location)}
    check_comparison_writable(results, name, films)
    store = open_store(settings)
    for (
        location
    ) in requested.values():  # what cannot be used is refused before a film is reconstructed
        if _is_result(location):
            _artifacts(_named_result(location, request, settings), store)
    sides = {}
    with report_to_prefect() as progress:
        for number, (side, location) in enumerate(requested.items()):
            progress.within(_SIDE * number, _SIDE)
            glb = inside(request.out_dir, f"{name}.{side}.glb")
            sides[side] = _result_of(location, glb, request, settings)
        run = Runner(store, name, "cpu")
        refs = {side: _artifacts(found, store) for side, found in sides.items()}
        usable = all(found.metadata["verdict"] != "fail" for found in sides.values())
        config = request.config(CompareConfig)
        ref = run(COMPARE, config, new=refs["new"], damaged=refs["damaged"], usable=usable)
    artifact = store.open(ref)
    record = _record(request, sides, dict(artifact.record), run)
    content = json.loads((artifact.folder / CONTENT_FILE).read_text())
    preview = (artifact.folder / PREVIEW_FILE).read_bytes()
    placement = Alignment.from_dict(record["alignment"]).transform
    tyres = _previews(sides, placement, settings)
    files = {
        f"{name}.change.glb": (artifact.folder / CHANGE_FILE).read_bytes(),
        f"{name}.placed.glb": placed_glb(sides["damaged"].glb, placement),
        f"{name}.csv": (artifact.folder / CELLS_FILE).read_bytes(),
        f"{name}.html": comparison_page(name, record, content, preview, tyres).encode(),
    }
    record["files"] = {each: hashlib.sha256(data).hexdigest() for each, data in files.items()}
    record["glb_sha256"] = record["files"][f"{name}.change.glb"]
    check_output_root(change, request.output_roots)
    results.write({**files, f"{name}.json": json.dumps(record, indent=2).encode() + b"\n"})
    publish_comparison(name, record, results, settings)
    return record


def check_comparison_writable(
    results: Results, name: str, films: Mapping[str, Path | str] | None = None
) -> None:
    """Make sure that a comparison can be written, and replaces nothing of others.

    Args:
        results: The folder.
        name: What its files are called.
        films: By side those that are to be reconstructed beside it.

    Raises:
        InputError: ``output-unwritable``, ``output-foreign``.
        StorageError: As :meth:`Results.check`.
    """
    for suffix in COMPARED_SUFFIXES:
        results.check(f"{name}{suffix}")
    check_replaceable(results, f"{name}.json", COMPARISON_MARK)
    check_page_replaceable(results, f"{name}.html")
    meshes = [f"{name}.{each}.glb" for each in ("change", "placed")]
    check_meshes_replaceable(results, meshes, f"{name}.json")
    if results.read(f"{name}.json") is None:  # else the tyres beside it are its own
        for side, film in (films or {}).items():
            _check_tyre_replaceable(results, f"{name}.{side}.json", parent_and_name(film)[1])


def _check_tyre_replaceable(results: Results, record: str, film: str) -> None:
    """Make sure that no other film's tyre is replaced that is called as a side of a comparison.

    A comparison that was cut short has left the same film's there.

    Raises:
        InputError: ``output-foreign``.
    """
    try:
        theirs = json.loads(results.read(record) or b"null")
        other = theirs is not None and theirs["input"]["name"] != film
    except (ValueError, TypeError, LookupError, RecursionError):
        other = True
    if other:
        raise foreign(results, record)


def _named_result(location: Path | str, request: CompareRequest, settings: Settings) -> FoundResult:
    """A finished result that a request names, from within its roots."""
    check_input_root(location, (*request.input_roots, *request.output_roots))
    return whole_result(str(location), settings)


def _result_of(
    location: Path | str, glb: Path | str, request: CompareRequest, settings: Settings
) -> FoundResult:
    """The finished result that is named, or that of the film that is."""
    if _is_result(location):
        return _named_result(location, request, settings)
    how = {name: getattr(request, name) for name in BoundRequest.model_fields}
    made = ReconstructRequest(input=location, glb_path=glb, **how)
    reconstruct(made, made.stem)
    return find_result(str(glb), settings)


def _is_result(location: Path | str) -> bool:
    return parent_and_name(location)[1].lower().endswith(RESULT_SUFFIXES)


def _previews(
    sides: Mapping[str, FoundResult], placement: Similarity, settings: Settings
) -> list[bytes]:
    """The previews of both tyres, the damaged one's placed; none where one is gone."""
    found = []
    for side in ("new", "damaged"):
        folder, name = parent_and_name(level_of(sides[side].location, "preview"))
        found.append(Results(folder, settings).read(name))
    new, damaged = found
    if new is None or damaged is None:
        return []
    return [new, placed_glb(damaged, placement)]


def _artifacts(found: FoundResult, store: ArtifactStore) -> Reconstructed:
    """What a result was made of, from the store.

    Raises:
        InputError: ``artifacts-missing``.
    """
    keys = {s["stage"]: Path(s["uri"]).parent.name for s in found.metadata["stages"]}

    def ref(stage: StageName) -> ArtifactRef:
        known = store.find(stage, keys[stage]) if stage in keys else None
        if known is None or not store.intact(known):
            raise InputError(
                "artifacts-missing",
                stage=COMPARE.name,
                what=f"what {found.location} was made of is not whole in this store any more "
                f"({stage})",
                advice="Give the film instead of its result: what is missing is made again",
            )
        return known

    return Reconstructed(
        ref(StageName.RECTIFY),
        ref(StageName.ESTIMATE_POSES),
        ref(MESH_STAGE),
        ref(StageName.ATLAS),
    )


def _record(
    request: CompareRequest,
    sides: Mapping[str, FoundResult],
    comparison: dict[str, Any],
    run: Runner,
) -> dict[str, Any]:
    """The comparison with where it comes from."""
    reasons = list(comparison["reasons"])
    origin = {}
    for side, found in sides.items():
        of = found.metadata
        origin[side] = {
            "name": of["input"]["name"],
            "sha256": of["input"]["sha256"],
            "result": str(found.location),
            "verdict": of["verdict"],
            "diameter_mm": of["scale"]["nominal_diameter_mm"],
        }
        if of["verdict"] != "pass":
            why = "; ".join(r["message"] for r in of["reasons"])
            text = f"the {side} tyre's mesh has the verdict {of['verdict']}: {why}"
            reasons.append({"code": f"{side}-{of['verdict']}", "text": text})
    new_mm, damaged_mm = (origin[side]["diameter_mm"] for side in ("new", "damaged"))
    if abs(new_mm / damaged_mm - 1) > SAME_SIZE:
        text = _CONTRADICTING.format(new_mm, damaged_mm)
        reasons.insert(0, {"code": "diameters-differ", "text": text})
    if origin["new"]["sha256"] == origin["damaged"]["sha256"]:
        reasons.append({"code": "same-film", "text": _SAME_FILM})
    if request.diameter_mm not in (DEFAULT_DIAMETER_MM, new_mm):
        text = _UNUSED.format(request.diameter_mm, new_mm)
        reasons.insert(0, {"code": "diameter-unused", "text": text})
    elif all(o["diameter_mm"] == DEFAULT_DIAMETER_MM for o in origin.values()):
        text = _ASSUMED.format(DEFAULT_DIAMETER_MM)
        reasons.append({"code": "size-assumed", "text": text})
    return {
        "name": request.name,
        **comparison,
        "reasons": reasons,
        **origin,
        "run_id": str(this_run.id or ""),
        "code": run.versions[COMPARE.name],
        "parameters": dict(run.parameters[COMPARE.name]),
        "seconds": round(sum(o.seconds for o in run.outcomes), 3),
        "tyre3d": package_version("tyre3d"),
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
