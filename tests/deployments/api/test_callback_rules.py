"""Whom a job may have told of its end, and how far the telling is."""

from __future__ import annotations

from typing import Any

import pytest

from deployments.api.callback_rules import (
    DELIVERED,
    GIVEN_UP,
    PENDING,
    callback_state,
    check_callback,
    is_public,
)
from deployments.api.errors import ApiError
from deployments.api.settings import ApiSettings
from tests.deployments.api.service import TOKEN


@pytest.fixture
def settings() -> ApiSettings:
    return ApiSettings.model_validate(
        {
            "token": TOKEN,
            "input_roots": ["/in"],
            "output_roots": ["/out"],
            "callback_hosts": ["shop.example", "other.example:8443"],
            "callback_secret": "a-secret-of-the-tests",
        }
    )


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://evil.example/", "not listed"),
        ("https://shop.example.evil.example/", "not listed"),
        ("https://shop.example:8443/", "not listed"),
        ("http://shop.example/", "must begin"),
        ("ftp://shop.example/", "must begin"),
        ("//shop.example/", "must begin"),
        ("shop.example", "must begin"),
        ("https://user@shop.example/", "no user"),
        ("https://shop.example@evil.example/", "no user"),
        ("https://shop.example/#a", "no fragment"),
        ("https://shop.example:99999/", "no address"),
        ("https://[::1/", "no address"),
        ("https://shop.example\\@evil.example/", "no user"),
        ("https://10.0.0.7/", "not listed"),
        ("https://2130706433/", "not listed"),
    ],
)
def test_addresses_that_a_job_may_not_name(settings: ApiSettings, url: str, why: str) -> None:
    with pytest.raises(ApiError, match=why) as refused:
        check_callback(url, settings)
    assert (refused.value.status, refused.value.code) == (422, "callback-refused")
    check_callback("https://shop.example/told?a=b", settings)
    check_callback("https://SHOP.example:443", settings)


def test_a_host_is_listed_with_its_port(settings: ApiSettings) -> None:
    check_callback("https://other.example:8443/a", settings)
    with pytest.raises(ApiError, match="not listed"):
        check_callback("https://other.example/a", settings)
    private = settings.model_copy(update={"callback_private": True})
    for url in ("http://shop.example/", "http://shop.example:80/", "https://shop.example:443/"):
        check_callback(url, private)
    for url in ("http://shop.example:443/", "https://shop.example:80/"):
        with pytest.raises(ApiError, match="not listed"):
            check_callback(url, private)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.215.14", True),
        ("2606:4700::1111", True),
        ("2606:4700::1111%eth0", True),
        ("192.168.1.1", False),
        ("127.0.0.1", False),
        ("169.254.169.254", False),  # where clouds tell their machines' secrets
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::ffff:10.0.0.7", False),
        ("::10.0.0.7", False),
        ("fe80::1%eth0", False),
        ("fc00::1", False),
        ("fec0::1", False),
        ("2002:a00:7::", False),  # 10.0.0.7, by 6to4
        ("64:ff9b::a00:7", False),
        ("ff02::1", False),
    ],
)
def test_addresses_of_the_open_internet(address: str, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize(
    ("tags", "state"),
    [
        ([], None),
        (["api", "callback"], None),
        (["api", PENDING], "pending"),
        ([DELIVERED, "api"], "delivered"),
        ([GIVEN_UP], "given-up"),
    ],
)
def test_the_tag_of_a_run_says_how_far_the_telling_is(tags: list[str], state: Any) -> None:
    assert callback_state({"tags": tags}) == state
