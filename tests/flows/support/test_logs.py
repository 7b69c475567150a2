"""Logs as JSON."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest

from flows.support.logs import JsonFormatter, about, log_json, plain_logs, runs_log_json
from tasks.core.errors import InputError


@pytest.fixture
def loggers() -> Iterator[None]:
    """Loggers as they are, and afterwards again."""
    names = ("", "tyre3d", "prefect", "uvicorn", "fastapi")
    before = {name: list(logging.getLogger(name).handlers) for name in names}
    yield
    for name, handlers in before.items():
        logging.getLogger(name).handlers[:] = handlers


def record(message: str, *args: object, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("tyre3d.x", logging.WARNING, "x.py", 1, message, args, None)
    vars(made).update(extra)
    return made


def test_a_line_is_one_object_with_what_it_is_about() -> None:
    with about(tyre="my tyre", run="r", job=""):
        with about(job="j"):
            told = json.loads(JsonFormatter().format(record("a\n%s", "b\x1b[2J\u202e")))
        outside = json.loads(JsonFormatter().format(record("a", flow_run_id="r2")))
    assert told["message"] == "a\nb\x1b[2J\u202e"
    assert (told["level"], told["logger"]) == ("warning", "tyre3d.x")
    assert (told["tyre"], told["run"], told["job"]) == ("my tyre", "r", "j")
    assert outside["run"] == "r2"
    assert "job" not in outside
    assert "tyre" not in json.loads(JsonFormatter().format(record("a")))


def test_a_line_stays_one_line_whatever_stands_in_it() -> None:
    line = JsonFormatter().format(record("a\r\nb\u2028c\x85d \ud800", job="17"))
    assert len(line.splitlines()) == 1
    assert line.isascii()
    assert json.loads(line)["job"] == "17"


def test_an_error_is_told_with_where_it_arose() -> None:
    try:
        raise ValueError("of the tests")
    except ValueError as exc:
        made = record("failed", exc_info=(type(exc), exc, exc.__traceback__))
    assert "ValueError: of the tests" in json.loads(JsonFormatter().format(made))["error"]


@pytest.mark.usefixtures("loggers")
def test_everything_that_a_process_logs_is_json_and_told_once() -> None:
    out, old = io.StringIO(), io.StringIO()
    for name in ("", "tyre3d", "prefect"):
        logging.getLogger(name).addHandler(logging.StreamHandler(old))
    log_json(out)
    for name in ("tyre3d.stages", "prefect.worker", "another.library"):
        logging.getLogger(name).error("told by %s", name)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [x["logger"] for x in lines] == ["tyre3d.stages", "prefect.worker", "another.library"]
    assert old.getvalue() == ""


def test_the_log_of_a_run_tells_of_our_own_errors_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream, log = io.StringIO(), logging.getLogger("prefect.task_runs")
    monkeypatch.setattr(log, "handlers", [logging.StreamHandler(stream)])
    monkeypatch.setattr(log, "propagate", False)
    before = list(log.filters)  # Prefect's own, where a test before set its logging up
    with plain_logs():
        for error in (
            InputError("video-empty", stage="extract", what="v.mp4 is empty", advice="Copy it"),
            ZeroDivisionError("oh"),
        ):
            try:
                raise error
            except Exception:
                log.exception("Task run failed with exception: %r", error)
    ours, *others = stream.getvalue().splitlines()
    assert ours == "[video-empty] extract: v.mp4 is empty. Copy it"
    assert others[1].startswith("Traceback"), "of a fault of ours every line is wanted"
    assert log.filters == before


def test_a_run_logs_json_before_its_flow_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process of Prefect's engine fetches its run first, and may fail at that."""
    for name in ("PREFECT_LOGGING_LEVEL", "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"):
        monkeypatch.delenv(name, raising=False)  # a command in this process may have set it
    monkeypatch.setenv("PREFECT_LOGGING_HANDLERS_CONSOLE_CLASS", "")
    runs_log_json()
    code = "from prefect.logging.configuration import setup_logging as s; s(); import logging; "
    code += "logging.getLogger('prefect.x').error('failed\\n'); logging.error('as root')"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300
    )
    told = [json.loads(line) for line in done.stderr.splitlines()]
    assert [each["message"] for each in told] == ["failed\n", "as root"]
