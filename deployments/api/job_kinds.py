"""Kinds of jobs: what each asks of Prefect, and where its results lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel, ValidationError

from configs.comparison import RESULT_SUFFIXES
from configs.locations import (
    VIDEO_SUFFIXES,
    as_location,
    inside,
    names_of,
    parent_and_name,
    stem_of,
)
from configs.request import CompareRequest, ReconstructRequest
from configs.settings import Settings
from deployments.api.errors import ApiError
from deployments.api.models import CompareBody, ReconstructBody
from deployments.api.paths import (
    check_stem,
    folder_below,
    input_below,
    output_below,
    result_below,
)
from deployments.api.settings import ApiSettings
from tasks.core.errors import Tyre3dError
from tasks.storage.results import COMPARISON_MARK, METADATA_MARK, Results, check_replaceable

_BOUNDS = ("input_roots", "output_roots")
Parameters = Mapping[str, Any]
"""Parameters of a run, as Prefect keeps them."""


@dataclass(frozen=True)
class RunRequest:
    """What a job asks of Prefect.

    Args:
        parameters: The run's parameters.
        name: The run's name.
    """

    parameters: dict[str, Any]
    name: str


class Kind(Protocol):
    """A kind of jobs.

    Args:
        path: Where its routes lie.
        glb_name: What the GLB is called over the API.
        tells_eta: Whether earlier jobs tell how long the stages of one take.
        request: What their runs are asked.
    """

    path: str
    glb_name: str
    tells_eta: bool
    request: type[BaseModel]

    def run_request(self, body: Any, settings: ApiSettings) -> RunRequest:
        """What a body asks, once its paths are let through.

        Raises:
            ApiError: 422 for paths that are refused, 409 if another's file is in the way.
        """

    def glb_of(self, parameters: Parameters) -> Path | str:
        """Where the job's GLB goes."""

    def stem_of(self, parameters: Parameters) -> str:
        """What the names of all its files begin with."""

    def judged(self, metadata: Mapping[str, Any]) -> dict[str, Any]:
        """What the metadata of a result say of it, as a status tells it."""


class Reconstructions:
    """A film in, a mesh out."""

    path = "/reconstruct"
    glb_name = "mesh.glb"
    tells_eta = True
    request: type[BaseModel] = ReconstructRequest

    def run_request(self, body: ReconstructBody, settings: ApiSettings) -> RunRequest:
        """See :class:`Kind`."""
        is_video = body.video is not None
        source = input_below(body.source, settings.input_roots, is_video=is_video)
        names = names_of(body.output_glb_path, atlas=body.atlas)
        glb = output_below(body.output_glb_path, settings.output_roots, beside=names)
        check_stem(stem_of(glb), "output_glb_path")
        _check_replaceable(glb, stem_of(glb), METADATA_MARK)
        options = body.model_dump(include=set(ReconstructRequest.model_fields))
        bounds = _bounds(settings)
        request = ReconstructRequest(input=source, glb_path=glb, **bounds, **options)
        parameters = {"request": request.model_dump(mode="json"), "tyre": request.stem}
        return RunRequest(parameters, f"reconstruct-{request.stem}")

    def glb_of(self, parameters: Parameters) -> Path | str:
        """See :class:`Kind`."""
        return as_location(parameters["request"]["glb_path"])

    def stem_of(self, parameters: Parameters) -> str:
        """See :class:`Kind`."""
        return stem_of(self.glb_of(parameters))

    def judged(self, metadata: Mapping[str, Any]) -> dict[str, Any]:
        """See :class:`Kind`."""
        return {name: metadata.get(name) for name in ("verdict", "reasons", "retake")}


class Comparisons:
    """Two films or results of one tyre in, what changed out."""

    path = "/compare"
    glb_name = "change.glb"
    tells_eta = False
    request: type[BaseModel] = CompareRequest

    def run_request(self, body: CompareBody, settings: ApiSettings) -> RunRequest:
        """See :class:`Kind`."""
        sides = {name: _side(getattr(body, name), settings) for name in ("new", "damaged")}
        folder = folder_below(body.output_dir, settings.output_roots, "output_dir")
        check_stem(body.name, "name")
        change = f"{body.name}.change.glb"
        output_below(inside(folder, change), settings.output_roots, beside=[change])
        _check_replaceable(inside(folder, f"{body.name}.change.glb"), body.name, COMPARISON_MARK)
        options = body.model_dump(include=set(CompareRequest.model_fields) - {"new", "damaged"})
        request = CompareRequest(**sides, out_dir=folder, **_bounds(settings), **options)
        return RunRequest({"request": request.model_dump(mode="json")}, f"compare-{body.name}")

    def glb_of(self, parameters: Parameters) -> Path | str:
        """See :class:`Kind`."""
        folder = as_location(parameters["request"]["out_dir"])
        return inside(folder, f"{self.stem_of(parameters)}.change.glb")

    def stem_of(self, parameters: Parameters) -> str:
        """See :class:`Kind`."""
        return str(parameters["request"]["name"])

    def judged(self, metadata: Mapping[str, Any]) -> dict[str, Any]:
        """See :class:`Kind`."""
        verdict = metadata.get("verdict")
        level = "fail" if verdict == "cannot compare" else "review"
        reasons = [
            {"code": r["code"], "level": level, "message": r["text"], "advice": ""}
            for r in metadata.get("reasons", ())
        ]
        return {"verdict": verdict, "reasons": reasons if verdict else None}


def ask_alike(kind: Kind, one: Parameters, other: Parameters) -> bool:
    """Whether runs are asked the same, one of them perhaps by a release that knew fewer options.

    Which roots there were then is no part of what a client asked.
    """
    unbound = dict.fromkeys(_BOUNDS, ())
    try:
        requests = [
            kind.request.model_validate({**each["request"], **unbound}) for each in (one, other)
        ]
    except ValidationError:  # of another release
        return one == other
    return requests[0] == requests[1]


def _bounds(settings: ApiSettings) -> dict[str, tuple[Path | str, ...]]:
    """The roots without links, as the paths of a request are."""
    return {
        name: tuple(r.resolve() if isinstance(r, Path) else r for r in getattr(settings, name))
        for name in _BOUNDS
    }


def _side(location: Path | str, settings: ApiSettings) -> Path | str:
    """A film, a folder of frames or a finished result, below a root.

    Raises:
        ApiError: 422.
    """
    suffix = Path(parent_and_name(location)[1]).suffix.lower()
    if suffix in RESULT_SUFFIXES:
        return result_below(location, (*settings.output_roots, *settings.input_roots))
    return input_below(location, settings.input_roots, is_video=suffix in VIDEO_SUFFIXES)


def _check_replaceable(glb: Path | str, stem: str, mark: str) -> None:
    """Refuse to replace another's file, where that can be looked at: in buckets the run does."""
    if not isinstance(glb, Path):
        return
    try:
        check_replaceable(Results(glb.parent, Settings()), f"{stem}.json", mark)
    except Tyre3dError as exc:
        raise ApiError(409, exc.code, f"{exc.what}. {exc.advice}") from exc
