"""A stand-in of Prefect's HTTP API, as far as the service asks it."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from uuid import uuid4

import httpx

DEPLOYMENT, COMPARE_DEPLOYMENT = str(uuid4()), str(uuid4())
_DEPLOYMENTS = {
    "reconstruct/reconstruct": DEPLOYMENT,
    "compare/compare": COMPARE_DEPLOYMENT,
}
ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


class Prefect:
    """Stands for Prefect's server: runs by id, idempotency keys, one progress artifact each."""

    def __init__(self) -> None:
        self.runs: dict[str, dict[str, Any]] = {}
        self.keys: dict[str, str] = {}
        self.progress: dict[str, tuple[float, str]] = {}
        self.first_word: dict[str, list[dict[str, str]]] = {}
        self.tasks: dict[str, list[dict[str, Any]]] = {}
        self.events: list[dict[str, Any]] = []
        self.away = False
        self.busy = 0
        self.refused_changes = 0
        """How many changes of runs are answered that another writer came first."""

        self.reads = self.looks = 0
        self.creating = self.most_creating = 0
        self.takes_s = 0.002
        """What an answer takes."""

        self.gate: asyncio.Event | None = None
        """If there is one, creations wait until it is set."""

        self.token = ""
        """Demanded with each change, if set."""

        self.refused: set[str] = set()
        """Names of the runs that it does not take."""

        self.ahead = timedelta()
        """How far its clock is before that of this machine."""

    async def respond(self, request: httpx.Request) -> httpx.Response:
        """An answer that takes its time."""
        creates = request.url.path.endswith("/create_flow_run")
        self.creating += creates
        self.most_creating = max(self.most_creating, self.creating)
        await asyncio.sleep(self.takes_s)
        if creates and self.gate is not None:
            await self.gate.wait()
        self.creating -= creates
        answer = self.answer(request)
        answer.headers["Date"] = format_datetime(self.now(), usegmt=True)
        return answer

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def answer(self, request: httpx.Request) -> httpx.Response:
        if self.away:
            raise httpx.ConnectError("away")
        path = request.url.path.removeprefix("/api")
        if self._refuses(path):
            return httpx.Response(503)
        body = json.loads(request.content) if request.content else {}
        if request.method != "GET" and self.token != request.headers.get("Prefect-Csrf-Token", ""):
            return httpx.Response(403, json={"detail": "Missing CSRF token."})
        self.looks += path == "/health"
        if path in (told := {"/health": True, "/csrf-token": {"token": self.token}}):
            return httpx.Response(200, json=told[path])
        if path.startswith("/deployments/name/"):
            known = _DEPLOYMENTS[path.removeprefix("/deployments/name/")]
            return httpx.Response(200, json={"id": known})
        if path.endswith("/create_flow_run"):
            return self._create(path.split("/")[2], body)
        if path == "/artifacts/filter":
            return self._artifacts_of(body)
        if path.startswith("/events"):
            self.events += body if path == "/events" else []
            return self._events_from(int(request.url.params.get("page", 0)))
        if path in ("/flow_runs/filter", "/flow_runs/count", "/task_runs/filter"):
            found = self._tasks_of(body) if path.startswith("/task") else self._filtered(body)
            return httpx.Response(200, json=len(found) if path.endswith("count") else found)
        return self._run(request.method, path, body)

    def _refuses(self, path: str) -> bool:
        if self.busy > 0:
            self.busy -= 1
            return True
        refused = path.endswith("/set_state") and self.refused_changes > 0
        self.refused_changes -= refused
        return refused

    def _artifacts_of(self, body: dict[str, Any]) -> httpx.Response:
        (run_id,) = body["artifacts"]["flow_run_id"]["any_"]
        told = self.progress.get(run_id)
        rows = [{"type": "progress", "data": told[0], "description": told[1]}] if told else []
        word = self.first_word.get(run_id)
        if word is not None:
            table = {"type": "table", "description": "First word on the film"}
            rows.append({**table, "data": json.dumps(word)})
        return httpx.Response(200, json=rows)

    def _events_from(self, first: int) -> httpx.Response:
        """A page of what machines told, the latest first; it holds one."""
        named = [e for e in reversed(self.events) if e["event"] == "tyre3d.machine"]
        further = f"http://elsewhere/api/events/filter/next?page={first + 1}"
        page: dict[str, Any] = {"events": named[first : first + 1], "next_page": None}
        if first + 1 < len(named):
            page["next_page"] = further
        return httpx.Response(200, json=page)

    def _run(self, method: str, path: str, body: dict[str, Any]) -> httpx.Response:
        run = self.runs.get(path.split("/")[2])
        if run is None:
            return httpx.Response(404, json={"detail": "Flow run not found"})
        if method == "DELETE":
            del self.runs[run["id"]], self.keys[run["idempotency_key"]]
            return httpx.Response(204)
        if method == "PATCH":
            run["tags"] = body["tags"]
            return httpx.Response(204)
        if path.endswith("/set_state"):
            self.set(run["id"], body["state"]["type"])
            return httpx.Response(201, json={"status": "ACCEPT"})
        self.reads += 1
        return httpx.Response(200, json=run)

    def _tasks_of(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        tags = set(body["flow_runs"].get("tags", {}).get("all_", ()))
        bearing = [run for run in self.tasks if tags <= set(self.runs[run]["tags"])]
        ids = body["flow_runs"].get("id", {}).get("any_", bearing)
        found = [t for run_id in ids for t in self.tasks.get(run_id, [])]
        return found[body["offset"] : body["offset"] + body["limit"]]

    def _filtered(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        wanted = body["flow_runs"]
        states = wanted.get("state", {}).get("type", {}).get("any_")
        found = [
            run
            for run in reversed(self.runs.values())
            if set(wanted["tags"]["all_"]) <= set(run["tags"])
            and ("any_" not in wanted["tags"] or set(wanted["tags"]["any_"]) & set(run["tags"]))
            and _ended_after(run, wanted.get("end_time", {}).get("after_", ""))
            and (states is None or run["state_type"] in states)
        ]
        if body.get("sort") == "EXPECTED_START_TIME_ASC":
            found.reverse()
        if body.get("sort") == "ID_DESC":
            found.sort(key=lambda run: str(run["id"]), reverse=True)
        first = body.get("offset", 0)
        return found[first : first + body.get("limit", 200)]

    def _create(self, deployment: str, body: dict[str, Any]) -> httpx.Response:
        known = self.keys.get(body["idempotency_key"])
        if known is not None:
            return httpx.Response(200, json=self.runs[known])
        if body["name"] in self.refused:
            return httpx.Response(409, json={"detail": "Validation failed"})
        run_id = str(uuid4())
        self.runs[run_id] = {
            **{"id": run_id, "deployment_id": deployment, "tags": body["tags"]},
            **{"parameters": body["parameters"], "name": body["name"]},
            **{"idempotency_key": body["idempotency_key"], "labels": body["labels"]},
            **{"created": f"2026-01-01T00:{len(self.runs) // 60:02}:{len(self.runs) % 60:02}Z"},
            **{"start_time": None, "end_time": None},
        }
        self.set(run_id, "SCHEDULED")
        self.keys[body["idempotency_key"]] = run_id
        return httpx.Response(201, json=self.runs[run_id])

    def set(self, run_id: str, kind: str, message: str = "", ended: str = "") -> None:
        now = self.now().isoformat()
        self.runs[run_id]["state_type"] = kind
        self.runs[run_id]["end_time"] = (ended or now) if kind in ENDED else None
        self.runs[run_id]["state"] = {"type": kind, "message": message}


def _ended_after(run: dict[str, Any], time: str) -> bool:
    if not time:
        return True
    end = run["end_time"]
    return end is not None and datetime.fromisoformat(end) > datetime.fromisoformat(time)
