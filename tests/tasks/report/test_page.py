"""The report's page: complete, of one file, and safe from whoever names a tyre."""

from __future__ import annotations

import base64
import hashlib
import html.parser
import json
import re
from pathlib import Path

import pytest

from tasks.report.page import _retake_note
from tasks.storage.results import PAGE_MARK
from tests.tasks.report.scene import CHOSEN, COUNT, report_of

EVIL = """<script>alert("x")</script>'"&<img src=x onerror=alert(1)>"""
ELEMENTS = {
    "section",
    "ul",
    "ol",
    "li",
    "table",
    "tbody",
    "main",
    "figure",
    "details",
    "svg",
    "div",
}
LOADS = {
    "src": {"data"},
    "srcset": set(),
    "poster": set(),
    "data": set(),
    "action": set(),
    "background": set(),
}
"""Attributes that make a browser load something, and the kinds of addresses that load nothing."""


class Reader(html.parser.HTMLParser):
    """Notes elements, their texts and what is not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.scripts: dict[str, str] = {}
        self._script: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.elements.append((tag, attributes))
        if tag in ELEMENTS:
            self.open.append(tag)
        if tag == "script":
            self._script = attributes.get("id") or "code"
            self.scripts[self._script] = ""

    def handle_endtag(self, tag: str) -> None:
        if tag in ELEMENTS and (not self.open or self.open.pop() != tag):
            self.wrong.append(tag)
        if tag == "script":
            self._script = None

    def handle_data(self, data: str) -> None:
        if self._script is not None:
            self.scripts[self._script] += data
        else:
            self.texts.append(data)


ASSETS = Path(__file__).parents[3] / "tasks" / "report" / "assets"


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    return reader


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    return report_of(tmp_path_factory.mktemp("report"), "tyre 7")


def test_the_page_is_whole(page: str) -> None:
    reader = read(page)
    assert reader.open == reader.wrong == []
    text = " ".join(" ".join(reader.texts).split())
    for said in (
        "tyre 7",
        "A person should look at the mesh",
        "only about 270° were filmed",
        "film again between 245° and 360°",
        "mind <b>this</b>",
        "no <tyre> & more",
        "Coverage by angle",
        "Sharpness over time",
        "review below 200° fail below 75°",
        "2026-01-01 00:00 UTC",
        "novel",
        "ab" * 32,
        "a-run",
    ):
        assert said in text, said
    frames = [a["data-frame"] for t, a in reader.elements if t == "button" and "data-frame" in a]
    assert sorted(frames, key=int) == [str(i) for i in range(COUNT)]
    assert frames[: len(CHOSEN)] == [str(i) for i in CHOSEN]
    assert PAGE_MARK in page.encode()[:4096]
    assert len(page) < 5_000_000


@pytest.mark.parametrize(("size", "shown"), [(1000, "medium"), (3_000_000, "preview")])
def test_the_fullest_mesh_is_shown_that_can_be_mailed(
    size: int, shown: str, tmp_path: Path
) -> None:
    page = report_of(tmp_path, "tyre", fuller=b"\0" * size)
    assert (base64.b64encode(bytes(size)).decode() in page) == (shown == "medium")
    assert f'"level": "{shown}"' in page
    assert f"<dd>{shown}: " in page
    assert len(page) < 5_000_000


@pytest.mark.parametrize(
    ("made_s", "taken", "percent", "all_s"), [(7.25, "7.25", 100, "8.75"), (None, "–", 0, "–")]
)
def test_a_cached_stage_has_the_time_of_the_run_that_made_it(
    made_s: float | None, taken: str, percent: int, all_s: str, tmp_path: Path
) -> None:
    stages = [
        {"stage": "extract", "state": "Cached", "seconds": 0.5, "cached": True, "made_s": made_s},
        {"stage": "merge", "state": "Completed", "seconds": 1.5, "cached": False, "made_s": 1.4},
    ]
    page = report_of(tmp_path, "tyre", stages=stages)
    text = " ".join(" ".join(read(page).texts).split())
    assert f"extract {taken} Cached merge 1.50 Completed all {all_s} this run 2.00" in text
    assert f'Cached</td><td><span class="bar"><span style="width:{percent}%">' in page
    assert "this run" not in report_of(tmp_path, "tyre")


def test_a_diameter_that_may_be_assumed_is_not_called_given(page: str) -> None:
    assert "720 mm diameter (the default)" in page


@pytest.mark.parametrize(
    ("lines", "note"),
    [
        (["switch on light"], ""),
        (["film again between 5° and 90°"], "Degrees count round the tyre from the first frame"),
        (["move what is at 7 o'clock"], "Hours are those of a clock"),
        (["5° to 9°", "at 7 o'clock"], "in the walk's direction; hours are those of a clock"),
    ],
)
def test_the_retake_card_explains_what_it_uses(lines: list[str], note: str) -> None:
    told = _retake_note(lines)
    assert note in told
    assert bool(told) == bool(note)


def test_nothing_is_loaded_from_elsewhere(page: str) -> None:
    reader = read(page)
    for tag, attributes in reader.elements:
        assert tag not in {"link", "iframe", "object", "embed", "base"}
        for name, value in attributes.items():
            if name in LOADS:
                assert (value or "").partition(":")[0] in LOADS[name], (tag, name)
            assert not name.startswith("on"), "a handler in the page"
    links = [a["href"] or "" for t, a in reader.elements if t == "a"]
    assert sorted(links) == ["#verdict", "tyre%207.glb", "tyre%207.json"]
    style = page[page.index("<style>") : page.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style


def test_the_policy_lets_one_script_run_and_nothing_be_asked(page: str) -> None:
    reader = read(page)
    (policy,) = [a["content"] for _, a in reader.elements if "http-equiv" in a]
    rules = dict(rule.strip().partition(" ")[::2] for rule in (policy or "").split(";"))
    assert rules["default-src"] == "'none'"
    digest = hashlib.sha256(reader.scripts["code"].encode()).digest()
    own = f"'sha256-{base64.b64encode(digest).decode()}'"
    assert rules["script-src"] == f"{own} 'wasm-unsafe-eval'", (
        "the decoder of meshes is WebAssembly"
    )
    assert rules["connect-src"] == "blob: data:"  # by which textures reach the viewer
    assert "http" not in (policy or "")


def test_the_licence_of_what_is_inside_stands_in_the_page(page: str) -> None:
    code = read(page).scripts["code"]
    assert re.search(r"three\.js \d+\.\d+\.\d+", code[:100])
    assert "The MIT License" in code[:200]
    assert "Permission is hereby granted" in code[:400]


def test_the_mesh_and_the_cameras_are_in_the_page(page: str) -> None:
    scripts = read(page).scripts
    content = base64.b64decode(scripts["mesh-data"], validate=True)
    assert content[:4] == b"glTF"
    assert int.from_bytes(content[8:12], "little") == len(content)
    told = json.loads(scripts["report-data"])
    assert [c["index"] for c in told["cameras"]] == list(range(COUNT))
    assert told["name"] == "tyre 7"


def test_names_are_shown_as_they_are_and_run_nothing(tmp_path: Path) -> None:
    reader = read(report_of(tmp_path, EVIL))
    assert [t for t, _ in reader.elements].count("script") == 3
    assert all(not name.startswith("on") for _, a in reader.elements for name in a)
    assert EVIL in "".join(reader.texts)
    assert json.loads(reader.scripts["report-data"])["name"] == EVIL


def test_bytes_that_are_no_text_are_written_out(tmp_path: Path) -> None:
    page = report_of(tmp_path, "tyre\udcff\u202e\x00")
    assert "tyre\\udcff\\u202e\\x00" in page
    page.encode()


@pytest.mark.parametrize("template", sorted(ASSETS.glob("*.html.j2")), ids=lambda path: path.name)
def test_tables_pictures_and_what_scrolls_have_names(template: Path) -> None:
    """A screen reader lists them by these."""
    source = template.read_text()
    for tag in re.findall(
        r'<(?:table|figure class="strip"|div class="scroll" tabindex)[^>]*>', source
    ):
        assert "aria-label" in tag, tag
    for tag in re.findall(r"<img [^>]*>", source):
        assert "alt=" in tag, tag
