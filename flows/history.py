"""The flow of many comparisons: each tyre's later films with its first, none stops another."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from prefect import State, flow
from prefect.artifacts import create_table_artifact
from prefect.states import Completed, Failed

from configs.comparison import RESULT_SUFFIXES, ComparisonStage
from configs.locations import inside, parent_and_name, printable
from configs.request import CompareRequest, HistoryRequest, MeshOptions, ReconstructRequest
from configs.settings import Settings
from flows.compare import compare
from flows.reconstruct import reconstruct
from flows.support.local_runs import noted_run
from flows.support.logs import plain_logs
from flows.support.page import escaped
from flows.support.run_names import after_folder
from flows.support.settings import load_settings
from flows.support.states import failure_of_run
from tasks.batch.histories import Film, History, find_histories
from tasks.comparison.gauge import GaugeStudy
from tasks.comparison.over_time import Comparison, gauge_of, zones_csv
from tasks.core.errors import InputError, Tyre3dError
from tasks.core.failures import Failure, failure_of_error
from tasks.report.history_page import history_page
from tasks.storage.results import Results, check_page_replaceable, check_replaceable

RECORD, TABLE, PAGE = "history.json", "history.csv", "history.html"
MARK = "comparisons"
"""A key of all records of histories, by which they are told from other JSON files."""
_log = logging.getLogger("tyre3d.batch")


@flow(name="history", flow_run_name=after_folder("history"), log_prints=False)
def history(request: HistoryRequest) -> State[Any]:
    """Compare the later films of many tyres with the first of each.

    Args:
        request: Which films, where the results go, and how they are made.

    Returns:
        Completed if all were compared, else Failed; the message counts them.
    """
    settings = load_settings()
    with noted_run(), plain_logs():
        comparisons = run_history(request, settings)
    rows = [_row(each) for each in comparisons]
    create_table_artifact(key="history", table=rows, description="What became of every film")
    total = len(comparisons)
    failed = [each.name for each in comparisons if each.state != "completed"]
    if not failed:
        every = "all " if total > 1 else ""
        return Completed(message=f"{every}{total} compared")
    names = ", ".join(map(printable, failed[:10]))
    return Failed(message=f"{len(failed)} of {total} failed: {names}")


def run_history(request: HistoryRequest, settings: Settings) -> list[Comparison]:
    """Compare, and write record, table and page anew after each comparison."""
    results = Results(request.out_dir, settings)
    for name in (RECORD, TABLE, PAGE):
        results.check(name)
    check_replaceable(results, RECORD, MARK)
    check_page_replaceable(results, PAGE)
    histories = find_histories(request.source, settings)
    with results.lock("history") as locked:
        if not locked:
            raise InputError(
                "batch-running",
                stage=ComparisonStage.COMPARE,
                what=f"another history is being written to {request.out_dir}",
                advice="Wait for it, or choose another folder with --out",
            )
        work = _Work(request, settings, results, histories)
        for each in histories:
            work.compare(each)
        return work.comparisons


class _Work:
    def __init__(
        self,
        request: HistoryRequest,
        settings: Settings,
        results: Results,
        histories: Sequence[History],
    ) -> None:
        self._request, self._settings, self._results = request, settings, results
        self._options = {name: getattr(request, name) for name in MeshOptions.model_fields}
        self._by_name = {
            name: Comparison(
                name,
                h.tyre,
                film.label,
                str(film.location),
                film.operator,
                against=h.films[0].label,
            )
            for h in histories
            for film in h.later
            for name in [h.name_of(film)]
        }
        self._write()

    @property
    def comparisons(self) -> list[Comparison]:
        return list(self._by_name.values())

    def compare(self, tyre: History) -> None:
        """Compare a tyre's later films with its first, which is made once."""
        first = tyre.films[0]
        try:
            new, failure = self._made(tyre, first)
        except (Tyre3dError, OSError) as exc:
            new, failure = first.location, failure_of_error(exc)
        for film in tyre.later:
            started, entry = time.monotonic(), self._by_name[tyre.name_of(film)]
            if failure is None:
                entry = self._compared(entry, new, film)
            else:
                entry = replace(entry, state="failed", error=failure.to_dict())
            entry = replace(entry, seconds=round(time.monotonic() - started, 3))
            self._by_name[entry.name] = entry
            self._write()
            why = f" [{entry.error['code']}] {entry.error['message']}" if entry.error else ""
            _log.info("%s: %s%s", printable(entry.name), entry.outcome, why)

    def _made(self, tyre: History, film: Film) -> tuple[Path | str, Failure | None]:
        """The GLB of a tyre's first film."""
        if parent_and_name(film.location)[1].lower().endswith(RESULT_SUFFIXES):
            return film.location, None
        name = tyre.name_of(film)
        glb = inside(self._request.out_dir, f"{name}.glb")
        made = ReconstructRequest(input=film.location, glb_path=glb, **self._options)
        state = reconstruct(made, name, return_state=True)
        return glb, None if state.is_completed() else failure_of_run(state)

    def _compared(self, entry: Comparison, new: Path | str, film: Film) -> Comparison:
        request = CompareRequest(
            new=new,
            damaged=film.location,
            out_dir=self._request.out_dir,
            name=entry.name,
            **self._options,
        )
        state = compare(request, return_state=True)
        entry = replace(entry, flow_run_id=str(state.state_details.flow_run_id or ""))
        if not state.is_completed():
            return replace(entry, state="failed", error=failure_of_run(state).to_dict())
        record = state.result()
        return replace(
            entry,
            state="completed",
            verdict=record["verdict"],
            reasons=[reason["code"] for reason in record["reasons"]],
            sentences=[reason["text"] for reason in record["reasons"]],
            sha256=[record[side]["sha256"] for side in ("new", "damaged")],
            zones=record["zones"],
            findings=record["findings"],
        )

    def _write(self) -> None:
        made_at = datetime.now(UTC).isoformat(timespec="seconds")
        study = self._study()
        gauge = study.to_dict() if isinstance(study, GaugeStudy) else study
        record = {MARK: [asdict(c) for c in self.comparisons], "gauge": gauge, "made_at": made_at}
        name = PurePosixPath(str(self._request.out_dir)).name
        self._results.write(
            {
                TABLE: zones_csv(self.comparisons),
                PAGE: history_page(name, self.comparisons, study, made_at).encode(),
                RECORD: json.dumps(record, indent=2).encode() + b"\n",
            }
        )

    def _study(self) -> GaugeStudy | dict[str, str] | None:
        """The gauge study, or why there is none; None where none was asked for."""
        tolerance = self._request.tolerance_mm
        if tolerance is None or any(c.state == "pending" for c in self.comparisons):
            return None
        try:
            return gauge_of(self.comparisons, tolerance)
        except InputError as exc:
            return failure_of_error(exc).to_dict()


def _row(entry: Comparison) -> dict[str, Any]:
    """A comparison in the table of Prefect's UI; cells are Markdown."""
    run = f"[run](/runs/flow-run/{entry.flow_run_id})" if entry.flow_run_id else ""
    return {
        "tyre": escaped(entry.tyre),
        "film": escaped(entry.label),
        "outcome": entry.outcome,
        "findings": len(entry.findings) if entry.is_compared else "",
        "why": escaped(" · ".join(entry.why)),
        "run": run,
        "seconds": entry.seconds,
    }
