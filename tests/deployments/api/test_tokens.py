"""Tokens: scopes, rotation without a restart, and clients that do not see each other."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from deployments.api import tokens
from deployments.api.settings import ApiSettings
from deployments.api.tokens import Tokens, digest_of, main, parse_tokens
from tests.deployments.api.service import TOKEN, client_of, write_result_of
from tests.deployments.api.stand_in import Prefect

SHOP, WATCH, GAUGE = "token-of-the-shop-", "token-of-a-watcher", "token-of-the-gauge"


def line(name: str, scopes: str, token: str) -> str:
    return f"{name} {scopes} {digest_of(token)}\n"


@pytest.fixture
def settings(tmp_path: Path) -> ApiSettings:
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    (tmp_path / "in" / "tyre.mp4").write_bytes(b"x")
    (tmp_path / "tokens").write_text(
        "# who may what\n\n"
        + line("shop", "read,submit", SHOP)
        + line("watch", "read", WATCH)
        + line("gauge", "metrics", GAUGE)
    )
    roots = {"input_roots": [tmp_path / "in"], "output_roots": [tmp_path / "out"]}
    told = {"token": TOKEN, "tokens_file": tmp_path / "tokens", "poll_s": 0.05, **roots}
    return ApiSettings.model_validate(told)


@pytest.fixture
def body(tmp_path: Path) -> dict[str, Any]:
    return {
        "video": str(tmp_path / "in" / "tyre.mp4"),
        "output_glb_path": str(tmp_path / "out" / "tyre.glb"),
    }


def bearing(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_a_token_may_what_its_scopes_say(settings: ApiSettings, body: dict[str, Any]) -> None:
    async def ask() -> None:
        async for api in client_of(Prefect(), settings):
            job = (await api.post("/reconstruct", json=body)).json()["job_id"]
            asked: dict[str, tuple[str, str, dict[str, Any]]] = {
                "list": ("GET", "/reconstruct", {}),
                "start": ("POST", "/reconstruct", {"json": body}),
                "upload": ("PUT", "/uploads/a.mp4", {"content": b"x"}),
                "form": ("POST", "/uploads", {"files": {"file": ("a.mp4", b"x")}}),
                "cancel": ("DELETE", f"/reconstruct/{job}", {}),
                "metrics": ("GET", "/metrics", {}),
            }
            refused = {
                SHOP: {"metrics"},
                WATCH: {"start", "upload", "form", "cancel", "metrics"},
                GAUGE: {"list", "start", "upload", "form", "cancel"},
                TOKEN: set(),
            }
            for token, expected in refused.items():
                found = set()
                for name, (method, path, options) in asked.items():
                    answer = await api.request(method, path, headers=bearing(token), **options)
                    if answer.status_code == 403:
                        assert answer.json()["code"] == "not-permitted"
                        found.add(name)
                assert found == expected, token
            unknown = await api.get("/reconstruct", headers=bearing("another-token-of-none"))
            assert unknown.status_code == 401

    asyncio.run(ask())


def test_clients_do_not_see_each_others_jobs(settings: ApiSettings, body: dict[str, Any]) -> None:
    prefect = Prefect()

    async def ask() -> None:
        async for api in client_of(prefect, settings, SHOP):
            mine = {**bearing(SHOP), "Idempotency-Key": "order-17"}
            job = (await api.post("/reconstruct", json=body, headers=mine)).json()["job_id"]
            assert (await api.get(f"/reconstruct/status/{job}")).status_code == 200
            for method, path in (
                ("GET", f"/reconstruct/status/{job}"),
                ("GET", f"/reconstruct/events/{job}"),
                ("GET", f"/reconstruct/{job}/mesh.glb"),
            ):
                answer = await api.request(method, path, headers=bearing(WATCH))
                assert (answer.status_code, answer.json()["code"]) == (404, "job-unknown")
            listed = (await api.get("/reconstruct", headers=bearing(WATCH))).json()["jobs"]
            assert listed == []
            assert len((await api.get("/reconstruct")).json()["jobs"]) == 1
            everything = (await api.get("/reconstruct", headers=bearing(TOKEN))).json()["jobs"]
            assert [j["job_id"] for j in everything] == [job]
            # the same key of another client is another key
            theirs = {**bearing(TOKEN), "Idempotency-Key": "order-17"}
            other = await api.post("/reconstruct", json=body, headers=theirs)
            assert other.json()["code"] == "output-in-use"
            assert job in other.json()["message"]
            prefect.runs[job]["tags"] = [
                "by:another" if tag == "by:shop" else tag for tag in prefect.runs[job]["tags"]
            ]
            hidden = await api.post("/reconstruct", json=body, headers=bearing(SHOP))
            assert job not in hidden.json()["message"]

    asyncio.run(ask())


def test_a_file_that_changes_is_read_again_and_a_damaged_one_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "tokens"
    path.write_text(line("shop", "read", SHOP))
    known = Tokens([TOKEN], path)
    both = line("shop", "read", SHOP) + line("shop", "read,submit", "the-next-token")
    for text, valid in (
        (both, {SHOP, "the-next-token"}),
        ("shop read\n", {SHOP, "the-next-token"}),
        (line("shop", "read,submit", "the-next-token"), {"the-next-token"}),
        ("", set()),
    ):
        path.with_name("next").write_text(text)
        path.with_name("next").replace(path)
        found = {t for t in (SHOP, "the-next-token", "no-token") if known.client_of(t)}
        assert found == valid
        assert known.client_of(TOKEN) is not None
    path.write_text(line("shop", "read", SHOP))
    assert known.client_of(SHOP) is not None
    path.unlink()
    caplog.clear()
    for _ in range(3):  # told once: requests are many
        assert known.client_of(TOKEN) is not None
        assert known.client_of(SHOP) is not None
    assert len(caplog.messages) == 1
    path.write_text(line("watch", "read", WATCH))
    assert known.client_of(WATCH) is not None


@pytest.mark.parametrize(
    "text",
    [
        "shop",
        "shop read",
        f"shop write {'a' * 64}",
        f"shop read, {'a' * 64}",
        f"shop read {'a' * 63}",
        f"shop read {'A' * 64}",
        f"Shop read {'a' * 64}",
        f"shop read {'a' * 64} more",
        f"{'a' * 41} read {'a' * 64}",
    ],
)
def test_what_is_no_line_of_the_file(text: str) -> None:
    with pytest.raises(ValueError, match="line 2: "):
        parse_tokens(f"# tokens\n{text}\n")


def test_a_file_that_an_editor_of_windows_wrote_is_read(tmp_path: Path) -> None:
    """Such an editor puts a mark of the encoding before the first line."""
    path = tmp_path / "tokens"
    text = "# tokens\n" + line("shop", "read", SHOP)
    for each in (text, line("shop", "read", SHOP)):
        path.write_bytes(b"\xef\xbb\xbf" + each.replace("\n", "\r\n").encode())
        assert Tokens([], path).client_of(SHOP) is not None


def test_all_tokens_are_compared_in_constant_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "tokens"
    path.write_text(line("a", "read", SHOP) + line("b", "read", WATCH))
    known = Tokens([TOKEN], path)
    compared = []

    def compare(one: str, other: str) -> bool:
        compared.append(one)
        return one == other

    monkeypatch.setattr(tokens.hmac, "compare_digest", compare)
    for token in (TOKEN, WATCH, "nobody's"):
        compared.clear()
        known.client_of(token)
        assert compared == [digest_of(TOKEN), digest_of(SHOP), digest_of(WATCH)]


def test_a_token_that_the_command_makes_is_valid(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["shop", "read", "submit"]) == 0
    text = capsys.readouterr().out
    token, told = re.findall(r"client: (\S+)\n.*file: +(.*)\n", text)[0]
    (tmp_path / "tokens").write_text(told)
    client = Tokens([], tmp_path / "tokens").client_of(token)
    assert client is not None
    assert (client.name, client.scopes, client.owner) == ("shop", {"read", "submit"}, "shop")
    with pytest.raises(SystemExit):
        main(["Shop 1", "read"])


def test_the_answer_names_no_scope_to_whoever_has_no_token(settings: ApiSettings) -> None:
    async def ask() -> None:
        async for api in client_of(Prefect(), settings, "nobody-s-token-at-all"):
            answer: httpx.Response = await api.get("/metrics")
            assert answer.status_code == 401
            assert "scope" not in answer.text

    asyncio.run(ask())


def test_no_client_replaces_the_result_of_another(
    settings: ApiSettings, body: dict[str, Any], tmp_path: Path
) -> None:
    prefect = Prefect()
    (tmp_path / "tokens").write_text(
        line("shop", "read,submit", SHOP) + line("rival", "read,submit", WATCH)
    )

    async def ask() -> None:
        async for api in client_of(prefect, settings, SHOP):
            job = (await api.post("/reconstruct", json=body)).json()["job_id"]
            prefect.set(job, "COMPLETED")
            write_result_of(job, tmp_path)
            theirs = await api.post("/reconstruct", json=body, headers=bearing(WATCH))
            assert (theirs.status_code, theirs.json()["code"]) == (409, "output-foreign")
            assert job not in theirs.text
            for token in (SHOP, TOKEN):
                again = await api.post("/reconstruct", json=body, headers=bearing(token))
                assert again.status_code == 202
                prefect.set(again.json()["job_id"], "CANCELLED")
            write_result_of(job, tmp_path)
            tags = prefect.runs[job]["tags"]
            prefect.runs[job]["tags"] = [t for t in tags if not t.startswith("by:")]  # a batch's
            everybody = await api.post("/reconstruct", json=body, headers=bearing(WATCH))
            assert everybody.status_code == 202
            prefect.set(everybody.json()["job_id"], "CANCELLED")
            prefect.runs[job]["tags"] = tags
            write_result_of(job, tmp_path)
            del prefect.runs[job]  # Prefect's server forgets what is old
            late = await api.post("/reconstruct", json=body, headers=bearing(WATCH))
            assert late.status_code == 202

    asyncio.run(ask())


def test_a_client_has_so_many_jobs_waiting_and_no_more(
    settings: ApiSettings, body: dict[str, Any], tmp_path: Path
) -> None:
    prefect, few = Prefect(), settings.model_copy(update={"max_waiting": 2})

    async def asked(api: httpx.AsyncClient, name: str, token: str = SHOP) -> httpx.Response:
        told = body | {"output_glb_path": str(tmp_path / "out" / f"{name}.glb")}
        headers = {"Idempotency-Key": name, **bearing(token)}
        return await api.post("/reconstruct", json=told, headers=headers)

    async def ask() -> None:
        async for api in client_of(prefect, few, SHOP):
            first, second = [(await asked(api, name)).json()["job_id"] for name in "ab"]
            refused = await asked(api, "c")
            assert (refused.status_code, refused.json()["code"]) == (429, "busy")
            assert int(refused.headers["Retry-After"]) > 0
            assert (await asked(api, "a")).json()["job_id"] == first
            assert (await asked(api, "d", TOKEN)).status_code == 202
            prefect.set(second, "RUNNING")
            assert (await asked(api, "c")).status_code == 202

    asyncio.run(ask())
