"""Pure functions hold for anything that they may be given."""

from __future__ import annotations

import ipaddress
import itertools
import json
import math
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from configs.locations import (
    as_location,
    has_unprintable,
    inside,
    metadata_of,
    parent_and_name,
    printable,
    split_address,
    stem_of,
)
from deployments.api.body_limits import depth_of
from deployments.api.callback_rules import is_public
from deployments.api.callbacks import signature
from deployments.api.downloads import part_of
from deployments.api.errors import speakable
from deployments.api.remaining_time import seconds_left
from deployments.api.tokens import digest_of, parse_tokens
from flows.support.events import slug
from flows.support.page import escaped
from tasks.core.digests import canonical
from tasks.core.errors import InputError
from tasks.core.failures import failure_of_error, failure_of_state
from tasks.storage.results import finite
from tasks.video.frames import evenly
from tests.support.fuzz import examples

TEXTS = st.text(st.characters(), max_size=60)
NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1)
WHOLE = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
"""Texts without halves of characters, which names and options are refused for."""
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WHOLE,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WHOLE, inner, max_size=4),
    max_leaves=12,
)


@examples(100)
@given(TEXTS)
def test_what_is_written_out_is_printable_and_told_apart(text: str) -> None:
    shown = printable(text)
    assert not has_unprintable(shown)
    assert (shown == text) is (not has_unprintable(text))


@examples(100)
@given(TEXTS)
def test_every_tyre_has_a_key_of_its_own_that_prefect_takes(text: str) -> None:
    key = slug(text)
    assert key.isascii()
    assert all(c.isdigit() or c.islower() or c == "-" for c in key)
    assert 0 < len(key) <= 110
    assert slug(text + "x") != key


@examples(100)
@given(NAMES)
def test_a_place_is_its_folder_and_its_name(name: str) -> None:
    if name in (".", ".."):
        return
    for folder in (Path("/srv/out"), "s3://bucket/out"):
        place = inside(folder, name)
        assert parent_and_name(place) == (folder, name)
        assert parent_and_name(metadata_of(place))[1] == f"{stem_of(place)}.json"


@examples(100)
@given(TEXTS)
def test_an_address_never_climbs(rest: str) -> None:
    try:
        scheme, bucket, key = split_address(f"s3://{rest}")
    except ValueError:
        return
    assert (scheme, bool(bucket)) == ("s3", True)
    assert not {"", ".", ".."} & set(key.split("/") if key else [])
    assert as_location(f"s3://{rest}") == f"s3://{rest}".rstrip("/")


@examples(100)
@given(st.integers(0, 500), st.integers(1, 100))
def test_evenly_spread_positions(length: int, count: int) -> None:
    found = evenly(length, count)
    assert len(found) == min(length, count)
    assert found == sorted(set(found))
    assert all(0 <= position < length for position in found)
    gaps = [b - a for a, b in itertools.pairwise(found)]
    assert not gaps or max(gaps) - min(gaps) <= 1


@examples(100)
@given(st.text("bytes=0123456789-, ", max_size=24), st.integers(1, 10**6))
def test_a_part_lies_within_or_is_refused(told: str, size: int) -> None:
    part = part_of(told, size)
    if part is not None and part[0] <= part[1]:
        assert part[0] >= 0
        assert part[1] < size


@examples(100)
@given(PLAIN)
def test_the_depth_of_json_is_that_of_its_lists_and_objects(value: Any) -> None:
    def depth(item: Any) -> int:
        if isinstance(item, dict):
            return 1 + max((depth(i) for i in item.values()), default=0)
        return 1 + max((depth(i) for i in item), default=0) if isinstance(item, list) else 0

    assert depth_of(json.dumps(value).encode()) == depth(value)


@examples(100)
@given(PLAIN)
def test_plain_data_of_finite_numbers_have_one_spelling(value: Any) -> None:
    cleaned = finite(value)
    text = json.dumps(cleaned, allow_nan=False)
    assert finite(json.loads(text)) == json.loads(text)
    assert canonical(json.loads(text)) == canonical(cleaned)


@examples(100)
@given(TEXTS, st.sampled_from(["FAILED", "CRASHED", "CANCELLED", "?"]))
def test_every_final_state_has_a_code_and_words(message: str, state: str) -> None:
    failure = failure_of_state(state, message)
    assert failure.code
    assert failure.message


@examples(100)
@given(TEXTS, TEXTS)
def test_an_error_survives_a_state_message(what: str, advice: str) -> None:
    error = InputError("video-empty", stage="extract", what=what, advice=advice)
    for state in (str(error), f"Task run encountered an exception InputError: {error}"):
        assert failure_of_state("FAILED", state) == failure_of_error(error)


@examples(100)
@given(TEXTS)
def test_nothing_of_others_stays_markdown(text: str) -> None:
    shown = escaped(text)
    for sign in "<[!`*_|":
        assert shown.count(sign) == shown.count(f"\\{sign}")


@examples(100)
@given(TEXTS)
def test_what_is_told_can_be_encoded_and_is_bounded(text: str) -> None:
    assert len(speakable(text).encode()) <= 4 * 2000


@examples(100)
@given(st.ip_addresses())
def test_private_addresses_are_never_public(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if address.is_private or address.is_loopback or address.is_link_local or address.is_multicast:
        assert not is_public(str(address))
    if isinstance(address, ipaddress.IPv4Address):
        assert not is_public(f"::ffff:{address}")
        assert not is_public(str(ipaddress.IPv6Address(int(address) | 0x0064FF9B << 96)))


@examples(50)
@given(st.binary(max_size=40), st.binary(max_size=40), st.integers(0, 2**33))
def test_only_the_same_body_has_the_same_signature(one: bytes, other: bytes, now: int) -> None:
    same = signature(one, now, ["a-secret"]) == signature(other, now, ["a-secret"])
    assert same is (one == other)
    assert signature(one, now, ["a"]) != signature(one, now, ["b"])
    assert signature(one, now, ["a"]) != signature(one, now + 1, ["a"])


@examples(50)
@given(TEXTS)
def test_a_line_of_tokens_says_no_more_than_it_says(text: str) -> None:
    try:
        found = parse_tokens(text)
    except ValueError:
        return
    assert found == []  # nobody hits a SHA-256 by chance
    assert parse_tokens(f"a read {digest_of(text)}")[0][0] == digest_of(text)


@examples(50)
@given(st.floats(0, 1), st.dictionaries(st.sampled_from(["merge", "infer"]), st.floats(0, 1e5)))
def test_what_is_left_is_no_less_than_nothing(progress: float, medians: dict[str, float]) -> None:
    for stage in (None, "extract", "merge", "done"):
        left = seconds_left(stage, progress, medians)
        assert (left is None) is (not medians)
        assert left is None or 0 <= left <= math.ceil(sum(medians.values()))
