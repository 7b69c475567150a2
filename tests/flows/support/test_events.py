"""Events as automations of a server look for them."""

from __future__ import annotations

from typing import Any

import pytest
from prefect.events.worker import EventsWorker

from flows.support import events
from flows.support.events import announce_uploads, emit_first_word, emit_stage_event, slug


@pytest.fixture
def emitted(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = []

    def emit(event: str, **others: Any) -> None:
        told.append({"event": event, **others})

    monkeypatch.setattr(events, "emit_event", emit)
    return told


@pytest.mark.parametrize(("name", "key"), [("a", "a"), ("tyre-7", "tyre-7"), ("225", "225")])
def test_a_plain_name_is_its_own_key(name: str, key: str) -> None:
    assert slug(name) == key


def test_names_that_look_alike_in_a_key_are_told_apart() -> None:
    names = ["A", "a.b", "a b", "a-b-", "", "Reifen Ü", "Reifen Ö", "x" * 300, "x" * 301, "\ud800"]
    keys = [slug(name) for name in names]
    assert len(set(keys)) == len(keys)
    assert slug("a.b").startswith("a-b-")
    assert slug("").startswith("tyre-")
    assert max(map(len, keys)) <= 109


def test_a_finished_stage_names_its_tyre_and_its_artifact(emitted: list[dict[str, Any]]) -> None:
    emit_stage_event("Tyre 7", "merge", "Completed", 1.5, "s3://b/manifest.json")
    assert emitted == [
        {
            "event": "tyre3d.stage.finished",
            "resource": {
                "prefect.resource.id": f"tyre3d.tyre.{slug('Tyre 7')}",
                "prefect.resource.name": "Tyre 7",
                "tyre3d.stage": "merge",
            },
            "payload": {
                "stage": "merge",
                "state": "Completed",
                "seconds": 1.5,
                "uri": "s3://b/manifest.json",
            },
        }
    ]


def test_the_first_word_names_its_reasons(emitted: list[dict[str, Any]]) -> None:
    emit_first_word("a", "review", ("film-dark",))
    (told,) = emitted
    assert told["event"] == "tyre3d.first-word"
    assert told["resource"]["prefect.resource.id"] == "tyre3d.tyre.a"
    assert told["payload"] == {"verdict": "review", "reasons": ["film-dark"]}


def test_every_upload_is_told_of_before_the_command_ends(
    emitted: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Worker:
        def drain(self) -> None:
            emitted.append({"event": "drained"})

    monkeypatch.setattr(EventsWorker, "instance", classmethod(lambda cls: Worker()))
    announce_uploads(["/in/a.mp4", "s3://b/in/a.mp4"])
    assert [told["event"] for told in emitted] == ["tyre3d.uploaded"] * 2 + ["drained"]
    assert [told["payload"] for told in emitted[:2]] == [
        {"location": "/in/a.mp4"},
        {"location": "s3://b/in/a.mp4"},
    ]
    keys = {told["resource"]["prefect.resource.id"] for told in emitted[:2]}
    assert len(keys) == 2
