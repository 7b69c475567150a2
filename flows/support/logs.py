"""Logs as JSON, one object a line, with the job, the tyre and the run that they are about."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import IO

from tasks.core.errors import Tyre3dError

_LOGGERS = ("", "tyre3d", "prefect", "uvicorn", "fastapi")
"""Loggers that have handlers of their own, or propagate to nobody."""
_about: dict[str, str] = {}
"""What the process works at: a run has a process of its own."""


@contextmanager
def about(**fields: str) -> Iterator[None]:
    """Within this block all lines bear these fields; empty ones are left out."""
    before = dict(_about)
    _about.update({name: value for name, value in fields.items() if value})
    try:
        yield
    finally:
        _about.clear()
        _about.update(before)


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON: time, level, logger, message, and what it is about."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {
            "time": time,
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_about,
            **_fields_of(record),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=True)


class JsonConsole(logging.StreamHandler):  # type: ignore[type-arg]
    """The console of Prefect's settings, in JSON: for what a process logs before its flow begins.

    Args:
        stream: Where it goes.
        styles: Colours, of which JSON has none.
    """

    def __init__(
        self, stream: IO[str] | None = None, styles: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(stream)

    def setFormatter(self, fmt: logging.Formatter | None) -> None:
        """Take JSON, whatever the settings name."""
        super().setFormatter(JsonFormatter())


def runs_log_json() -> None:
    """Have the runs that this process starts log JSON from their beginning."""
    os.environ[_CONSOLE] = f"{JsonConsole.__module__}.{JsonConsole.__name__}"


_CONSOLE = "PREFECT_LOGGING_HANDLERS_CONSOLE_CLASS"
_FIELDS = {
    "flow_run_id": "run",
    "flow_run_name": "run_name",
    "task_run_name": "task",
    "job": "job",
    "request": "request",
}
"""By attribute of a record, Prefect's and ours: the field."""


def _fields_of(record: logging.LogRecord) -> dict[str, str]:
    found = {field: getattr(record, name, None) for name, field in _FIELDS.items()}
    return {field: str(value) for field, value in found.items() if value}


def log_json(stream: IO[str] | None = None) -> None:
    """Have all that this process logs to its terminal be JSON; what Prefect's server is sent stays.

    Args:
        stream: Where it goes; unset: standard error.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter())
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        kept = [h for h in logger.handlers if not _is_terminal(h)]
        logger.handlers[:] = [*kept, handler] if name == "" or not logger.propagate else kept


def _is_terminal(handler: logging.Handler) -> bool:
    """Whether it writes to the terminal: Prefect's console, or a plain stream (no file)."""
    return isinstance(handler, logging.StreamHandler) and not isinstance(
        handler, logging.FileHandler
    )


@contextmanager
def logged_run(tyre: str, *, as_json: bool) -> Iterator[None]:
    """Within this block lines tell of this run, if it comes from a deployment.

    Args:
        tyre: Name of the tyre.
        as_json: Whether the process logs JSON.
    """
    from flows.support.progress import is_deployed

    if not as_json or not is_deployed():
        yield
        return
    from prefect.runtime import flow_run

    log_json()
    run = str(flow_run.id or "")
    of_job = [tag.partition(":")[2] for tag in flow_run.tags if tag.startswith("job:")]
    job = of_job[0] if of_job else run if "api" in flow_run.tags else ""
    with about(tyre=tyre, run=run, job=job):
        yield


_OF_RUNS = ("prefect.flow_runs", "prefect.task_runs")
"""Loggers whose lines a run's page in Prefect's UI shows."""


class _Plainly(logging.Filter):
    """Cuts the traceback off our own errors: their sentence says what to do."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, Tyre3dError):
            record.msg, record.args, record.exc_info = str(error), (), None
        return True


@contextmanager
def plain_logs() -> Iterator[None]:
    """Within this block the runs' logs tell of our own errors by their sentence alone."""
    plainly = _Plainly()
    loggers = [logging.getLogger(name) for name in _OF_RUNS]
    for logger in loggers:
        logger.addFilter(plainly)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(plainly)
