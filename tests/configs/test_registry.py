"""The registry of weights: digests well formed, every file from one place at least."""

from __future__ import annotations

import re

import pytest

from configs.presets import BUNDLED_MODEL, FEATURES, SEGMENTER
from configs.registry import BUNDLED, MODELS, ModelEntry
from tests.support.source import places_of

LENGTHS = {"md5": 32, "sha256": 64}
ENTRIES = [pytest.param(entry, id=name) for name, entry in MODELS.items()]


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_digest_is_one_of_its_algorithm(entry: ModelEntry) -> None:
    """Bundled weights have theirs beside them, in ``SHA256SUMS``."""
    weights = entry.weights
    if not weights.digest:
        stated = (BUNDLED / entry.name / "SHA256SUMS").read_text()
        digests = {name: digest for digest, name in map(str.split, stated.splitlines())}
        assert re.fullmatch(r"[0-9a-f]{64}", digests[weights.file])
        return
    assert re.fullmatch(rf"[0-9a-f]{{{LENGTHS[weights.algorithm]}}}", weights.digest)


@pytest.mark.parametrize("entry", ENTRIES)
def test_weights_are_bundled_or_can_be_fetched_and_never_both(entry: ModelEntry) -> None:
    weights = entry.weights
    bundled = (BUNDLED / entry.name / weights.file).is_file()
    assert [bundled, weights.fetched, entry.hub is not None].count(True) == 1
    assert all(url.startswith("https://") for url in weights.urls)
    assert weights.file == weights.file.rpartition("/")[2]
    assert entry.licence


def test_digests_names_and_files_are_told_apart_and_stated_once() -> None:
    digests = [e.weights.digest for e in MODELS.values() if e.weights.digest]
    assert len(set(digests)) == len(digests)
    assert all(name == entry.name for name, entry in MODELS.items())
    for digest in digests:
        assert len(places_of(digest)) == 1, digest


def test_what_is_taken_by_default_is_there() -> None:
    kinds = {name: MODELS[name].kind for name in (BUNDLED_MODEL, SEGMENTER, FEATURES)}
    assert list(kinds.values()) == ["reconstruction", "background", "features"]
    assert [e.name for e in MODELS.values() if (BUNDLED / e.name).is_dir()] == [
        BUNDLED_MODEL,
        SEGMENTER,
    ]
